"""Segment new scans."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import write_json, write_text
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.segmentation_files import write_labelmap, write_seg_nrrd
from TransferRiskLib.errors import Cancelled, StorageError, known_error
from TransferRiskLib.evaluation.components import keep_largest
from TransferRiskLib.inference.decisions import entropy, labels_from_probabilities
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.tasks.provenance import provenance
from TransferRiskLib.tasks.requests import SegmentRequest
from TransferRiskLib.tasks.results import SegmentedScan, SegmentResult
from TransferRiskLib.tasks.space import demand_space, space_for_segmentations
from TransferRiskLib.tasks.target import Target, case_folder, remove_former, scans_only
from TransferRiskLib.volumes.io import write_volume, write_volumes
from TransferRiskLib.volumes.volume import Volume

LABELMAP, SEGMENTATION = "segmentation.nii.gz", "segmentation.seg.nrrd"
UNCERTAINTY, PROBABILITIES = "uncertainty.nii", "probabilities.nii"
GZIP = ".gz"
OUTPUTS = (LABELMAP, SEGMENTATION, *(f + end for f in (UNCERTAINTY, PROBABILITIES) for end in ("", GZIP)))
"""The files of a scan."""


def segment(request: SegmentRequest, progress: Progress) -> SegmentResult:
    """Segment every scan; one that fails is reported and does not stop the rest.

    Writes a folder a scan: `segmentation.nii.gz` (label map), `segmentation.seg.nrrd` (names and
    colours), `uncertainty.nii.gz` (entropy in nats) and `probabilities.nii.gz` (4-D, a component a
    state) where asked for, all on the grid of the scan's first image; and `segments.csv` with what
    became of every scan. Of an earlier segmentation of a scan nothing stays beside the new one, nor where
    that fails.

    Raises:
        ModelError: the model. DeviceError: a device that is not there. StorageError: the output folder. A
            broken scan raises nothing.
    """
    progress.stage("Opening the model")
    resolve_device(request.prediction.device)
    model = open_model(request.model)
    given = scans_only(request.target)
    target = Target(given, model.card, labelled=None, check=False)
    volumes = int(request.uncertainty) + int(request.probabilities) * len(model.states)
    demand_space(request.output, space_for_segmentations(target, volumes, request.compress))
    done = []
    for case in target.cases:
        progress.check()
        try:
            done.append(_segment_one(request, model, target, case, progress))
        except Exception as raised:  # the system's own errors of memory among them
            error = known_error(raised)
            if error is None or isinstance(error, Cancelled | StorageError):
                raise
            progress.message(f"{case.name}: {error}", "error")
            done.append(SegmentedScan(case.name, error=str(error)))
        scan = done[-1]
        written = (scan.labelmap, scan.segmentation, scan.uncertainty, scan.probabilities)
        remove_former(case_folder(request.output, case.name), OUTPUTS, written)
    result = SegmentResult(tuple(done), model.states)
    _write_table(request.output, result)
    facts = provenance("segment", [model], [c.name for c in target.cases], to_json(request.prediction))
    write_json(
        request.output / "segments.json",
        {"scans": to_json(done), "states": list(model.states), "provenance": facts},
    )
    return result


def segment_states(model: SourceModel, states: np.ndarray) -> np.ndarray:
    """Class indices of the card's labels, int16 (k, j, i), from states (Z, k, j, i).

    Nested and independent regions are written as exclusive labels: the innermost, or the last, of the
    regions that a voxel's state holds.
    """
    indices = labels_from_probabilities(states)
    if model.card.activation == "sigmoid":  # bit r of a state stands for region r, label r + 1
        highest = [0] + [int(np.log2(state)) + 1 for state in range(1, len(states))]
        indices = np.array(highest, np.int16)[indices]
    keep = [model.card.labels.index(name) for name in model.card.keep_largest]
    return keep_largest(indices, keep) if keep else indices


def _segment_one(
    request: SegmentRequest, model: SourceModel, target: Target, case: Case, progress: Progress
) -> SegmentedScan:
    loaded = target.load(case)
    states = predict_states(model, loaded, request.prediction, progress)
    indices = segment_states(model, states)
    folder, scheme, geometry = case_folder(request.output, case.name), model.card.labels, loaded.geometry
    labelmap, segmentation = folder / LABELMAP, folder / SEGMENTATION
    write_labelmap(indices, geometry, scheme, labelmap)
    write_seg_nrrd(indices, geometry, scheme, segmentation)
    ending = GZIP if request.compress else ""
    uncertainty: Path | None = None
    if request.uncertainty:
        uncertainty = folder / f"{UNCERTAINTY}{ending}"
        write_volume(Volume(entropy(states), geometry), uncertainty)
    probabilities: Path | None = None
    if request.probabilities:
        probabilities = folder / f"{PROBABILITIES}{ending}"
        write_volumes([Volume(state, geometry) for state in states], probabilities)
    progress.artifact(segmentation, "segmentation")
    return SegmentedScan(case.name, labelmap, segmentation, probabilities, uncertainty)


def _write_table(output: Path, result: SegmentResult) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("case", "status", "segmentation"))
    for scan in result.scans:
        writer.writerow((scan.case, scan.error or "done", scan.segmentation or ""))
    write_text(output / "segments.csv", text.getvalue())
