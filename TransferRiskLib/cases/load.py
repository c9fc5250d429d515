"""A case's images and labels in memory, on one grid, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TransferRiskLib.cases.annotated import apply_annotation
from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.case import Case, ChannelFile
from TransferRiskLib.cases.channels import check_covered, resolve_channels
from TransferRiskLib.cases.checks import check_cohort
from TransferRiskLib.cases.label_grids import labels_on_grid
from TransferRiskLib.cases.labels import LabelMapping, LabelScheme
from TransferRiskLib.cases.merging import target_scheme
from TransferRiskLib.cases.segmentation_files import read_segmentation
from TransferRiskLib.errors import CaseError, ImageError, LabelError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import pick_component, read_header, read_volumes
from TransferRiskLib.volumes.resample import resample
from TransferRiskLib.volumes.volume import Volume

__all__ = ["LoadedCase", "check_cohort", "load_case", "load_labels", "resolve_channels", "target_scheme"]


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case in memory; everything lies on the grid of its first channel's file.

    Attributes:
        name: The case's name.
        channels: Channel names as the model's card gives them.
        images: Intensities, float32, shape (C, k, j, i), in the order of `channels`.
        geometry: The grid.
        labels: Class indices of `scheme`, int16, shape (k, j, i), `UNLABELLED` where nobody
            annotated; None without labels.
        scheme: What the class indices mean; None without labels.
        group: Cases of one group stay on the same side of every split.
        source: The first channel's file.
    """

    name: str
    channels: tuple[str, ...]
    images: np.ndarray
    geometry: Geometry
    labels: np.ndarray | None
    scheme: LabelScheme | None
    group: str
    source: Path


def load_case(
    case: Case,
    channels: Sequence[str],
    *,
    scheme: LabelScheme | None = None,
    channel_map: Mapping[str, str] | None = None,
    merge: Mapping[str, str | None] | None = None,
    target: LabelScheme | None = None,
    require_foreground: bool = True,
) -> LoadedCase:
    """Read a case and check it.

    The case's grid is that of the first channel in the *case's* own order, whatever the model
    asks for first, so that results of several models lie on one grid.

    Args:
        case: The case.
        channels: The card's channel names, in the network's order; matched by name, ignoring case.
        scheme: What the values in the case's label file mean. A segmentation file brings its own
            names, which then must be among the scheme's; without a scheme they are the scheme.
        channel_map: Card name to case name, where they differ.
        merge: Scheme name to target name, or to None for unlabelled.
        target: The scheme of the resulting labels; `target_scheme(scheme, merge)` by default.
        require_foreground: Refuse labels without any foreground voxel.

    Raises:
        CaseError: a channel that the case does not have.
        ImageError: an unreadable, 2-D, constant or not-a-number image.
        GeometryError: images or labels that do not lie on the case's grid.
        LabelError: values or names that the scheme does not know, or nothing annotated.
    """
    chosen = resolve_channels(case, channels, channel_map)
    first = next(iter(case.images.values()))
    volumes = _read_channels(chosen)
    # a header is enough where the model does not ask for the case's first channel
    geometry = read_header(first.path).geometry
    images = np.stack(
        [_on_grid(v, file.path, geometry, first.path) for file, v in zip(chosen, volumes, strict=True)]
    )
    labels = None
    if case.labels is not None:
        labels, scheme = load_labels(
            case, geometry, scheme, merge=merge, target=target, require_foreground=require_foreground
        )
    return LoadedCase(
        case.name,
        tuple(channels),
        images,
        geometry,
        labels,
        scheme if labels is not None else None,
        case.group,
        first.path,
    )


def load_labels(
    case: Case,
    geometry: Geometry,
    scheme: LabelScheme | None,
    *,
    merge: Mapping[str, str | None] | None = None,
    target: LabelScheme | None = None,
    require_foreground: bool = True,
) -> tuple[np.ndarray, LabelScheme]:
    """The class indices of a case's labels on its grid, and their scheme; see `load_case`."""
    if case.labels is None:
        raise CaseError(f"The case {case.name!r} has no labels.", hint="Give it a label file.")
    path = case.labels
    values, own = read_segmentation(path)
    with about(path):
        scheme = scheme or own
        if scheme is None:
            raise LabelError(
                "holds values, but nothing says what they mean.",
                hint='Give a label file, such as {"background": 0, "lesion": 1} in labels.json.',
            )
        unlabelled = case.annotation.unlabelled_value
        if own is None:
            aligned = labels_on_grid(values, path, geometry, scheme.labels[0].value)
            indices = scheme.encode(aligned, unlabelled)
        else:
            aligned = labels_on_grid(values, path, geometry, own.labels[0].value)
            indices = _by_name(own, scheme, unlabelled).apply(own.encode(aligned, unlabelled))
        if merge is not None or target is not None:
            target = target or target_scheme(scheme, merge)
            names = merge if merge is not None else {label.name: label.name for label in scheme.foreground}
            indices = LabelMapping(scheme, target, names).apply(indices)
            scheme = target
        indices = apply_annotation(indices, geometry, case.annotation)
        _check_annotated(indices, require_foreground)
    return indices, scheme


def _by_name(own: LabelScheme, scheme: LabelScheme, unlabelled: int | None) -> LabelMapping:
    known = {label.name.casefold() for label in scheme.labels}
    names: dict[str, str | None] = {}
    for label in own.foreground:
        if label.value == unlabelled:
            names[label.name] = None
        elif label.name.casefold() in known:
            names[label.name] = label.name
        else:
            raise LabelError(
                f"has a segment {label.name!r} that the label scheme does not know.",
                hint=f"Known: {', '.join(scheme.names)}. Rename the segment, or add it to the scheme.",
            )
    return LabelMapping(own, scheme, names)


def _read_channels(files: Sequence[ChannelFile]) -> list[Volume]:
    """The channels' checked intensities; a 4-D file is read once for all its components."""
    result: dict[int, Volume] = {}
    for path in dict.fromkeys(file.path for file in files):
        components = read_volumes(path)
        for position, file in enumerate(files):
            if file.path == path:
                result[position] = _intensities(pick_component(components, file.component, path), path)
    return [result[position] for position in range(len(files))]


def _intensities(volume: Volume, path: Path) -> Volume:
    array = volume.array
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise ImageError(
            f"is constant: every voxel is {low:g}.",
            file=path,
            hint="Check that the right file or component was given.",
        )
    if max(-low, high) > float(np.finfo(np.float32).max):
        raise ImageError(
            f"holds values from {low:g} to {high:g}, more than single precision can hold.",
            file=path,
            hint="Scale its intensities, or check that the right file was given.",
        )
    return volume.with_array(array.astype(np.float32))


def _on_grid(volume: Volume, path: Path, geometry: Geometry, first: Path) -> np.ndarray:
    if volume.geometry.difference(geometry) is None:
        return volume.array
    check_covered(volume.geometry, path, geometry, first)
    return resample(volume, geometry, "linear").array


def _check_annotated(indices: np.ndarray, require_foreground: bool) -> None:
    if indices.max() < 0:
        raise LabelError(
            "holds no annotated voxel: all are marked as unlabelled.",
            hint="Check the annotation's mask, slices, box and unlabelled value.",
        )
    if require_foreground and indices.max() == 0:
        raise LabelError(
            "holds only background among its annotated voxels.",
            hint="Check that it is the right file, or leave the case out.",
        )
