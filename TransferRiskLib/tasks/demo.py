"""The whole job on a simulated cohort: rank, map, adapt, segment, compare.

The comparison is written as `findings.json`, which the reports floor turns into pages and pictures.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.adaptation.settings import AdaptationSettings, preset_settings
from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.simulate import TARGET_SITE, simulate_cohort
from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.evaluate import evaluate
from TransferRiskLib.tasks.map import map_risk
from TransferRiskLib.tasks.provenance import versions
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import (
    AdaptRequest,
    CohortInput,
    DemoRequest,
    EvaluateRequest,
    MapRequest,
    RankRequest,
    SegmentRequest,
)
from TransferRiskLib.tasks.results import AdaptResult, DemoResult, MapResult, RankResult
from TransferRiskLib.tasks.segment import segment

CONTRAST = "T1"
LABELLED, SCANS = 3, 4
METHODS = {
    "source": "Source alone",
    "eep": "EEP, no training",
    "scratch": "From scratch",
    "plain": "Plain fine-tuning",
    "paper": "Paper preset",
    "recommended": "Recommended preset",
}
TRAINED = ("scratch", "plain", "paper", "recommended")
PREDICTION = PredictionSettings(device="auto", overlap=0.25)


def demo(request: DemoRequest, progress: Progress) -> DemoResult:
    """Run the demonstration; a part that an earlier run in the same folder completed is kept.

    Writes `cohort/` (simulated cases), `ranking/`, `maps/`, `adapted/METHOD/`, `scans/METHOD/`,
    `metrics/METHOD/` and `findings.json` into the output folder.
    """
    run = _Demo(request, progress)
    with run.timed("Simulating the cohort"):
        run.simulate()
    with run.timed("Ranking the source models"):
        ranking = run.rank()
    with run.timed("Computing the risk maps"):
        maps = run.map(ranking)
    adapted = {}
    for method in TRAINED:
        with run.timed(f"Training: {METHODS[method].lower()}"):
            adapted[method] = run.adapt(ranking, method)
    with run.timed("Segmenting and measuring"):
        scores = run.compare(ranking, maps, adapted)
    findings = _findings(run, ranking, maps, adapted, scores)
    write_json(request.output / "findings.json", findings)
    progress.artifact(request.output / "findings.json", "findings")
    return DemoResult(request.output / "findings.json", _mean_dice(scores))


def demo_settings(method: str, request: DemoRequest) -> AdaptationSettings:
    """The common budget of the demonstration: small, so that it ends within minutes on two cores."""
    changes: dict[str, Any] = {"steps": 90, "probe_steps": 15, "validate_every": 45, "batch_size": 1}
    changes |= {"folds": 2 if method == "recommended" else 0, "seed": request.seed}
    if request.quick:
        changes |= {"steps": 2, "probe_steps": 1, "validate_every": 1, "folds": 0, "audit": False}
    return preset_settings(method, **changes)


class _Demo:
    def __init__(self, request: DemoRequest, progress: Progress) -> None:
        self.request, self.progress, self.output = request, progress, request.output
        self.timings: dict[str, float] = {}

    def timed(self, title: str) -> _Timer:
        self.progress.message(title)
        return _Timer(self.timings, title)

    def simulate(self) -> None:
        seed = 5000 + 100 * self.request.seed
        self.progress.stage("Simulating the cohort", 2)
        folder = self.output / "cohort"
        self.labelled = simulate_cohort(folder / "labelled", LABELLED, seed, (CONTRAST,), TARGET_SITE)
        self.progress.step()
        self.scans = simulate_cohort(folder / "scans", SCANS, seed + LABELLED, (CONTRAST,), TARGET_SITE)
        self.progress.step()

    def target(self, cohort: Cohort) -> CohortInput:
        # whichever model is asked, it gets the one contrast there is: said aloud, not by luck
        return CohortInput(cohort, channels={"T1": CONTRAST, "FLAIR": CONTRAST})

    def for_model(self, cohort: Cohort, channel: str) -> CohortInput:
        return CohortInput(cohort, channels={channel: CONTRAST})

    def rank(self) -> RankResult:
        models = tuple(demo_models().values())
        return rank(
            RankRequest(models, self.target(self.labelled), self.output / "ranking", PREDICTION),
            self.progress,
        )

    def map(self, ranking: RankResult) -> MapResult:
        return map_risk(
            MapRequest(
                ranking.scores[0].path,
                self.for_model(self.labelled, CONTRAST),
                self.output / "maps",
                prediction=PREDICTION,
            ),
            self.progress,
        )

    def adapt(self, ranking: RankResult, method: str) -> AdaptResult:
        return adapt(
            AdaptRequest(
                ranking.scores[0].path,
                self.for_model(self.labelled, CONTRAST),
                self.output / "adapted" / method,
                demo_settings(method, self.request),
                PREDICTION,
                name=f"simulated-{method}",
            ),
            self.progress,
        )

    def compare(
        self, ranking: RankResult, maps: MapResult, adapted: Mapping[str, AdaptResult]
    ) -> list[dict[str, Any]]:
        """Segment the scans with every method; rows of method, case, label, Dice, HD95."""
        target = self.for_model(self.scans, CONTRAST)
        folder = self.output / "scans"
        source = ranking.scores[0].path
        segment(SegmentRequest(source, target, folder / "source", prediction=PREDICTION), self.progress)
        self._translate(source, maps, folder / "eep")
        for method, result in adapted.items():
            request = SegmentRequest(result.bundle, target, folder / method, prediction=PREDICTION)
            segment(request, self.progress)
        rows = []
        for method in METHODS:
            place = self.output / "metrics" / method
            evaluate(EvaluateRequest(folder / method, target, place), self.progress)
            for case in json.loads((place / "metrics.json").read_text(encoding="utf-8"))["cases"]:
                for row in case["rows"]:
                    rows.append(
                        {"method": method, "case": case["case"], "label": row["label"],
                         "dice": row["dice"], "hd95": row["hd95_mm"]}
                    )  # fmt: skip
        return rows

    def _translate(self, source: Path, maps: MapResult, folder: Path) -> None:
        """The source's labels translated by P(y|z), with no training."""
        scans = dataclasses.replace(
            self.scans,
            cases=tuple(dataclasses.replace(c, labels=None) for c in self.scans.cases),
            scheme=None,
        )
        result = map_risk(
            MapRequest(
                source,
                self.for_model(scans, CONTRAST),
                folder,
                maps=("expected-risk", "eep-segmentation"),
                statistics=maps.statistics,
                prediction=PREDICTION,
            ),
            self.progress,
        )
        for case in result.cases:
            made = case.maps["eep-segmentation"]
            shutil.copyfile(made, made.with_name("segmentation.nii.gz"))


class _Timer:
    def __init__(self, timings: dict[str, float], title: str) -> None:
        self.timings, self.title = timings, title

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.timings[self.title] = round(time.monotonic() - self.started, 1)


def _findings(
    run: _Demo,
    ranking: RankResult,
    maps: MapResult,
    adapted: Mapping[str, AdaptResult],
    scores: list[dict[str, Any]],
) -> dict[str, Any]:
    histogram = json.loads((run.output / "maps" / "summary.json").read_text(encoding="utf-8"))["histogram"]
    return {
        "ranking": to_json(ranking.scores),
        "scores": scores,
        "histories": [_history(METHODS[method], result) for method, result in adapted.items()],
        "risk": to_json(maps.risk),
        "histogram": {
            "edges": histogram["edges"],
            "counts": dict(zip(histogram["targets"], histogram["counts"], strict=True)),
        },
        "audit": to_json(adapted["recommended"].audit),
        "timings": run.timings,
        "provenance": {
            "source model": ranking.scores[0].model,
            "labelled cases": ", ".join(case.name for case in run.labelled.cases),
            "scans": ", ".join(case.name for case in run.scans.cases),
            "seed": str(run.request.seed),
            "EEP share of the recommended model": f"{adapted['recommended'].eep_weight:g}",
            **versions(),
        },
        "methods": METHODS,
        "baseline": "plain",
    }


def _history(title: str, result: AdaptResult) -> dict[str, Any]:
    """The final training's losses; validation Dice of the first fold, where there are folds."""
    with result.history.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    losses = [row for row in rows if row["training"] == "Final training" and row["loss"]]
    checks = [row for row in rows if row["training"] == "Fold 1" and row["validation_dice"]]
    return {
        "method": title,
        "steps": [int(row["step"]) for row in losses],
        "loss": [float(row["loss"]) for row in losses],
        "validation_steps": [int(row["step"]) for row in checks],
        "validation_dice": [float(row["validation_dice"]) for row in checks],
    }


def _mean_dice(scores: list[dict[str, Any]]) -> dict[str, float]:
    means = {}
    for method in METHODS:
        values = [row["dice"] for row in scores if row["method"] == method and row["dice"] is not None]
        means[method] = sum(values) / len(values)
    return means
