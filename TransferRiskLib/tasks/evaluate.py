"""Compare segmentations with the labels of cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.label_grids import labels_on_grid
from TransferRiskLib.cases.labels import BACKGROUND, LabelScheme
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.cases.segmentation_files import read_segmentation
from TransferRiskLib.errors import CaseError, LabelError
from TransferRiskLib.evaluation.metrics import MetricRow, evaluate_masks
from TransferRiskLib.evaluation.summary import CaseMetrics, mean_dice, write_metrics
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.tasks.provenance import provenance
from TransferRiskLib.tasks.requests import EvaluateRequest
from TransferRiskLib.tasks.results import EvaluateResult
from TransferRiskLib.tasks.target import case_folder, check_folders
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_header

SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


def evaluate(request: EvaluateRequest, progress: Progress) -> EvaluateResult:
    """Metrics per case and label; see `evaluation.summary.write_metrics` for the files.

    Segmentations match labels by name; a plain label map without names is read with the cases' own
    values. Labels are merged in both alike.

    Raises:
        CaseError: a case without labels or without a segmentation, or names that share one.
    """
    progress.stage("Checking cases")
    check_folders(case.name for case in request.target.cohort.cases)
    pairs = []
    for case in request.target.cohort.cases:
        if case.labels is None:
            raise CaseError(f"The case {case.name!r} has no labels.", hint="Leave it out, or label it.")
        pairs.append((case, find_prediction(request.predictions, case.name)))
    if not pairs:
        raise CaseError("There are no cases.", hint="Check the folder or list of cases.")
    progress.stage("Measuring", len(pairs))
    metrics = []
    for case, path in pairs:
        progress.check()
        metrics.append(CaseMetrics(case.name, _measure(request, case, path)))
        progress.step()
    table = write_metrics(metrics, request.output)
    facts = provenance("evaluate", [], [case.name for case, _ in pairs], to_json(request.target.merge))
    write_json(request.output / "provenance.json", facts)
    progress.artifact(table, "metrics")
    return EvaluateResult(mean_dice(metrics), table)


def find_prediction(folder: Path, name: str) -> Path:
    """The segmentation of a case: `NAME/segmentation.*` as `segment` writes it, or `NAME.*`.

    Raises:
        CaseError: there is none.
    """
    inner = case_folder(folder, name)
    for suffix in SUFFIXES:
        for path in (inner / f"segmentation{suffix}", inner.with_name(inner.name + suffix)):
            if path.exists():
                return path
    raise CaseError(
        f"There is no segmentation of the case {name!r}.",
        file=folder,
        hint=f"Name it {name}.nii.gz, or {name}/segmentation.nii.gz.",
    )


def _measure(request: EvaluateRequest, case: Case, path: Path) -> tuple[MetricRow, ...]:
    given = request.target
    first = next(iter(case.images.values()), None)
    source = first.path if first is not None else case.labels
    assert source is not None
    geometry = read_header(source).geometry
    reference, scheme = load_labels(
        case, geometry, given.cohort.scheme, merge=given.merge, require_foreground=False
    )
    assert case.labels is not None, "evaluate refuses cases without labels"
    original = given.cohort.scheme or read_segmentation(case.labels)[1] or scheme
    prediction = _prediction(path, geometry, scheme, original, given.merge)
    return tuple(evaluate_masks(prediction, reference, geometry, scheme))


def _prediction(
    path: Path,
    geometry: Geometry,
    scheme: LabelScheme,
    original: LabelScheme,
    merge: Mapping[str, str | None] | None,
) -> np.ndarray:
    """Class indices of the reference's scheme.

    Args:
        path: A label map with the values of `original`, or a segmentation with names.
        geometry: The grid of the reference.
        scheme: The labels that are compared, merged.
        original: The cases' own labels.
        merge: What makes `scheme` of `original`.
    """
    values, own = read_segmentation(path)
    array = labels_on_grid(values, path, geometry)
    given = own or original
    with about(path):
        indices = given.encode(array)
        table = _targets(given, scheme, merge or {}, named=own is not None)
        strangers = [
            label.name
            for n, label in enumerate(given.labels)
            if table[n] is None and bool((indices == n).any())
        ]
        if strangers:
            raise LabelError(
                f"holds {', '.join(strangers)}, which the cases' labels do not know.",
                hint=f"Known: {', '.join(scheme.names)}. Merge or rename labels.",
            )
    return np.array([target or 0 for target in table], np.int16)[indices]


def _targets(
    given: LabelScheme, scheme: LabelScheme, merge: Mapping[str, str | None], *, named: bool
) -> list[int | None]:
    """For every label of a prediction its index in `scheme`; None for one that nothing explains.

    A name of the merged labels counts before one that is to be merged; values without names are the
    cases' own, so that all of them are to be merged. What is merged into nothing is no label: background.
    """
    known = {name.casefold(): index for index, name in enumerate(scheme.names)}
    merged = {name.casefold(): known.get((new or BACKGROUND).casefold(), 0) for name, new in merge.items()}
    both = {**merged, **known} if named else {**known, **merged}
    return [both.get(label.name.casefold()) for label in given.labels]
