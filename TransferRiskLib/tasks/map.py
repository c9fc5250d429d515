"""Transfer risk maps of labelled cases, expected risk of unlabelled ones."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from TransferRiskLib.atomic import made_folder, write_json, write_text
from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.segmentation_files import write_labelmap
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.tasks.provenance import provenance
from TransferRiskLib.tasks.requests import MapRequest
from TransferRiskLib.tasks.results import CaseMaps, ClassSummary, MapResult, ModelScore
from TransferRiskLib.tasks.space import demand_space, space_for_maps, space_for_states
from TransferRiskLib.tasks.stored_states import StoredStates
from TransferRiskLib.tasks.target import Target, case_folder, remove_former
from TransferRiskLib.transfer.maps import LABELLED_MAPS, MAX_RISK, UNLABELLED_MAPS, transfer_maps
from TransferRiskLib.transfer.scores import score
from TransferRiskLib.transfer.statistics import JointStatistics
from TransferRiskLib.transfer.summaries import MapHistogram, MapSummary, histogram, summarise, worst_spot
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

_WRITERS = 4
"""Maps of a case that are written at once: each takes a copy or two of itself in memory for that time."""

RISK_EDGES = np.linspace(0, 6, 61)
"""Bins of the histogram, in nats; rarer, higher risk counts in the last one."""


def map_risk(request: MapRequest, progress: Progress) -> MapResult:
    """Compute the maps of every case.

    Writes, into the output folder, `statistics.json` (joint statistics), `summary.csv` (risk per case
    and class), `summary.json` (the same, the scores, a histogram, provenance) and a folder a case with
    one volume a map on the grid of the case's first image: float32, 0 where unlabelled. The maps of a
    case are written side by side; of earlier ones none stays beside them.

    Raises:
        SettingsError: no map was asked for, or statistics of another model. Others: see the parts.
    """
    if not request.maps:
        raise SettingsError("No map was asked for.", hint="Name at least one kind.")
    progress.stage("Checking the model and the cases")
    resolve_device(request.prediction.device)
    model = open_model(request.model)
    target = Target(request.target, model.card, labelled=None)
    given = _given_statistics(request.statistics, model, target)
    demand_space(request.output, space_for_states(target, model) + space_for_maps(target, request))
    target.read_once(progress)
    with TemporaryDirectory(dir=made_folder(request.output), prefix=".states-") as scratch:
        stored = StoredStates(model, target, Path(scratch), request.prediction, progress, given)
        sums = stored.leep_sums()
        progress.stage("Computing maps", len(target.cases))
        maps, rows, bins = [], [], []
        for n, case in enumerate(target.cases):
            progress.check()
            one = _CaseMapper(request, stored, n, case_folder(request.output, case.name))
            maps.append(one.result)
            rows += one.rows
            bins += one.bins
            for kind, path in one.result.maps.items():
                progress.artifact(path, kind)
            progress.step()
    statistics = stored.statistics
    of_model = {"model": {"name": model.card.name, "sha256": model.digest}}
    write_json(request.output / "statistics.json", {**statistics.to_dict(), **of_model})
    model_score = None
    if sums is not None:
        s = score(model.card.name, statistics, sums)
        model_score = ModelScore.of(s, request.model)
        if s.floored:
            progress.message(
                f"{s.floored} voxels have a label that the statistics do not know; "
                f"their risk is capped at {MAX_RISK:.1f} nats.",
                "warning",
            )
    summary = _write_summary(request, model, model_score, rows, bins)
    progress.artifact(summary, "summary")
    return MapResult(model_score, request.output / "statistics.json", summary, tuple(maps), tuple(rows))


class _CaseMapper:
    """The maps of one case: computed, written, summarised."""

    def __init__(self, request: MapRequest, stored: StoredStates, n: int, folder: Path) -> None:
        case = stored.target.cases[n]
        labels = stored.labels(n)
        geometry = stored.geometry(n)
        kinds = {kind for kind in request.maps if labels is not None or kind in UNLABELLED_MAPS}
        needed = kinds | ({"risk", "gain"} if labels is not None else set())
        statistics = stored.statistics
        computed = {
            kind: values.numpy()
            for kind, values in transfer_maps(
                statistics.conditional, statistics.prior, stored.states(n), labels, kinds=sorted(needed)
            ).maps.items()
        }
        ending = ".nii.gz" if request.compress else ".nii"
        everything = (*LABELLED_MAPS, *UNLABELLED_MAPS)
        paths: dict[str, Path] = {kind: folder / f"{kind}{ending}" for kind in everything if kind in kinds}
        with ThreadPoolExecutor(_WRITERS) as threads:  # they compress outside Python's lock
            written = [
                threads.submit(_write_map, kind, computed[kind], geometry, stored, path)
                for kind, path in paths.items()
            ]
        for one in written:
            one.result()
        former = (f"{kind}{either}" for kind in everything for either in (".nii.gz", ".nii"))
        remove_former(folder, former, paths.values())
        self.rows: list[ClassSummary] = []
        self.bins: list[MapHistogram] = []
        worst = None
        if labels is not None:
            risk, gain = computed["risk"], computed["gain"]
            found = summarise(risk, labels, statistics.targets, gain)
            self.rows = [_row(case.name, summary) for summary in found]
            self.bins = [histogram(risk, labels, statistics.targets, RISK_EDGES)]
            worst = worst_spot(risk)
        elif "expected-risk" in computed:
            worst = worst_spot(computed["expected-risk"])
        spot = None
        if worst is not None:
            x, y, z = (geometry.index_to_lps @ [*reversed(worst), 1])[:3]
            spot = (float(x), float(y), float(z))
        self.result = CaseMaps(case.name, paths, spot)


def _write_map(kind: str, values: np.ndarray, geometry: Geometry, stored: StoredStates, path: Path) -> None:
    if kind == "eep-segmentation":
        write_labelmap(values, geometry, stored.target_scheme, path)
    else:  # 0 is neutral in every map; viewers treat NaN in many ways, none of them good
        write_volume(Volume(np.nan_to_num(values, nan=0.0), geometry), path)


def _row(case: str, summary: MapSummary) -> ClassSummary:
    return ClassSummary(case=case, **dataclasses.asdict(summary))


def _given_statistics(path: Path | None, model: SourceModel, target: Target) -> JointStatistics | None:
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot be read as statistics ({error}).", file=path) from error
    with about(path):
        statistics = JointStatistics.from_dict(content)
    made_with = content.get("model")  # merged statistics, and those of other programs, may not say
    if isinstance(made_with, dict) and made_with.get("sha256", model.digest) != model.digest:
        raise SettingsError(
            f"holds statistics of the outputs of another model ({made_with.get('name')}).",
            file=path,
            hint="Use the statistics that were computed with this model.",
        )
    if statistics.states != model.states:
        raise SettingsError(
            f"holds statistics of a model with the states {', '.join(statistics.states)}; "
            f"{model.card.name} has {', '.join(model.states)}.",
            file=path,
            hint="Use the statistics that were computed with this model.",
        )
    if target.scheme is not None and statistics.targets != target.names:
        raise SettingsError(
            f"holds statistics of the labels {', '.join(statistics.targets)}; "
            f"the cases have {', '.join(target.names)}.",
            file=path,
        )
    return statistics


def _write_summary(
    request: MapRequest,
    model: SourceModel,
    model_score: ModelScore | None,
    rows: Sequence[ClassSummary],
    bins: Sequence[MapHistogram],
) -> Path:
    columns = [f.name for f in dataclasses.fields(ClassSummary)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in rows)
    write_text(request.output / "summary.csv", text.getvalue())
    merged = bins[0] if bins else None
    for part in bins[1:]:
        merged = merged.merge(part) if merged else part
    cases = [case.name for case in request.target.cohort.cases]
    write_json(
        request.output / "summary.json",
        {
            "score": to_json(model_score),
            "risk": to_json(list(rows)),
            "histogram": merged.to_dict() if merged else None,
            "provenance": provenance("map", [model], cases, to_json(request.prediction)),
        },
    )
    return request.output / "summary.csv"
