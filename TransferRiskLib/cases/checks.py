"""What can be found wrong with a cohort before its voxels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.case import Case, Cohort
from TransferRiskLib.cases.channels import check_covered, resolve_channels
from TransferRiskLib.cases.label_grids import check_label_grid
from TransferRiskLib.cases.merging import target_scheme
from TransferRiskLib.cases.segment_fields import is_segmentation, read_segments
from TransferRiskLib.errors import CaseError, LabelError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import ImageHeader, check_component, read_header


def check_cohort(
    cohort: Cohort,
    channels: Sequence[str],
    *,
    channel_map: Mapping[str, str] | None = None,
    merge: Mapping[str, str | None] | None = None,
    labelled: bool = False,
) -> None:
    """Refuse a cohort that would fail later for a reason that headers and file sizes tell.

    Args:
        cohort: The cases.
        channels: The card's channel names.
        channel_map: Card name to case name, where they differ.
        merge: Scheme name to target name, or to None for unlabelled.
        labelled: Every case must have labels.

    Raises:
        CaseError: no cases, two of one name, a missing channel, file or label map.
        ImageError: an unreadable, truncated or 2-D image.
        GeometryError: images or labels that do not lie on the case's grid.
        LabelError: labels without a scheme, or a mapping that does not fit the scheme.
    """
    if not cohort.cases:
        raise CaseError("There are no cases.", hint="Give at least one case.")
    name, count = Counter(case.name for case in cohort.cases).most_common(1)[0]
    if count > 1:
        raise CaseError(f"{count} cases are named {name!r}.", hint="Give every case a name of its own.")
    if cohort.scheme is not None and merge is not None:
        target_scheme(cohort.scheme, merge)
    for case in cohort.cases:
        _check_case(case, cohort, channels, channel_map, labelled)


def _check_case(
    case: Case,
    cohort: Cohort,
    channels: Sequence[str],
    channel_map: Mapping[str, str] | None,
    labelled: bool,
) -> None:
    files = resolve_channels(case, channels, channel_map)
    first = next(iter(case.images.values())).path
    headers: dict[Path, ImageHeader] = {}
    for file in [next(iter(case.images.values())), *files]:
        headers[file.path] = headers.get(file.path) or read_header(file.path)
        check_component(headers[file.path].components, file.component, file.path)
    grid = headers[first].geometry
    for path, header in headers.items():
        if header.geometry.difference(grid) is not None:
            check_covered(header.geometry, path, grid, first)
    if case.labels is not None:
        _check_labels(case.labels, grid, cohort)
    elif labelled:
        raise CaseError(
            f"The case {case.name!r} has no labels.", file=first, hint="Give it a label map, or leave it out."
        )
    if case.annotation.mask is not None:
        mask = read_header(case.annotation.mask, allow_flat=True)
        check_label_grid(mask.geometry, case.annotation.mask, grid)


def _check_labels(path: Path, grid: Geometry, cohort: Cohort) -> None:
    header = read_header(path, allow_flat=True)
    with about(path):
        if is_segmentation(header.metadata):
            read_segments(header.metadata)
        elif cohort.scheme is None:
            raise LabelError(
                "holds values, but nothing says what they mean.",
                hint='Give a label file, such as {"background": 0, "lesion": 1} in labels.json.',
            )
    if header.geometry.size != (1, 1, 1):
        check_label_grid(header.geometry, path, grid)
