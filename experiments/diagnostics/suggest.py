"""Is it worth annotating what Suggest next says? The order of annotation, simulated at equal effort.

From the same first annotation, every strategy picks its next scans (or slices) in turn; after every round
a model is adapted to what is annotated by then and tested on subjects that never take part. The effort is
the number of annotated cases or slices. Rows are written as those of an experiment, with the strategy as
the method and the effort as k, so that `experiments.summary` compares the strategies.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.diagnostics.inputs import Target, joint_statistics, split_cases
from experiments.diagnostics.picks import (
    RANDOM,
    STRATEGIES,
    SUGGESTED,
    UNCERTAIN,
    Annotated,
    Candidate,
    at_random,
    best,
    extended,
    spread_slices,
    suggested,
    uncertain,
)
from experiments.diagnostics.training import adapted_model
from experiments.rows import measured, write_rows
from experiments.store import Store
from experiments.study import Cell
from experiments.summary.report import write_report
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.annotated import apply_annotation
from TransferRiskLib.cases.case import Annotation
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.decisions import entropy
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.records import to_json
from TransferRiskLib.transfer.maps import transfer_maps

START = "start"
"""The method of the models adapted to the first annotation, which all strategies share."""

STATES_BYTES = 1 << 30


@dataclass(frozen=True)
class Plan:
    """How much is simulated: 1 + 3 `rounds` trainings a seed.

    Attributes:
        unit: Whole cases, or single slices along k.
        per_round: Cases or slices that a round adds; slices are of as many scans. The first annotation is
            one case, or so many slices of one case.
        rounds: After the first annotation.
        seeds: Each draws a first case, and initial weights, anew.
        test: Test subjects.
    """

    unit: Literal["cases", "slices"]
    per_round: int = 1
    rounds: int = 3
    seeds: Sequence[int] = (0, 1, 2, 3)
    test: int = 6

    def effort(self, number: int) -> int:
        """Annotated cases or slices after a round; 0 is the first annotation."""
        first = 1 if self.unit == "cases" else self.per_round
        return first + number * self.per_round


class Simulation:
    """One plan with one source and target.

    Args:
        source: The source model.
        target: Its cases that the source knows take no part.
        plan: How much.
        settings: Of every training; the seed is the plan's.
        prediction: Device and sliding window.
        output: Gets `cells/`, `study.json` and the report. What is done is not done again.
        say: Gets a line a training.

    Raises:
        SettingsError: too few cases for the plan.
    """

    def __init__(
        self,
        source: SourceModel,
        target: Target,
        plan: Plan,
        settings: AdaptationSettings,
        prediction: PredictionSettings,
        output: Path,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.source, self.target, self.plan, self.settings = source, target, plan, settings
        self.prediction, self.output, self.say = prediction, output, say
        test, pool = split_cases(target.unseen(source), plan.test)
        self.test = [target.load(case, source) for case in test]
        self.pool = {case.name: target.load(case, source) for case in pool}
        needed = 1 + plan.rounds * plan.per_round
        if needed > len(self.pool):
            raise SettingsError(f"The plan annotates {needed} cases of a pool of {len(self.pool)}.")
        self._states: Store[np.ndarray] = Store(STATES_BYTES, lambda states: states.nbytes)

    def run(self) -> Path:
        """Run what is not done and write the report; returns the path of its tables.

        Raises:
            SettingsError: the folder holds another simulation.
        """
        self._claim()
        rounds = self.plan.rounds
        for seed in self.plan.seeds:
            after = self._round(seed, START, 0, self._first(seed), STRATEGIES if rounds else ())
            for strategy in STRATEGIES:
                annotated = after.get(strategy, {})
                for number in range(1, rounds + 1):
                    wanted = (strategy,) if number < rounds else ()
                    annotated = self._round(seed, strategy, number, annotated, wanted).get(strategy, {})
        return write_report(self.output)

    def _claim(self) -> None:
        """Make the output folder this simulation's own; more seeds are no other simulation."""
        file = self.output / "study.json"
        config = {
            "name": f"annotation-order-{self.plan.unit}",
            "methods": {name: {} for name in (START, *STRATEGIES)},
            "baseline": [RANDOM],
            "plan": {**to_json(self.plan), "seeds": None},
            "settings": to_json(self.settings),
            "source": self.source.digest,
            "pool": sorted(self.pool),
        }
        if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != {"config": config}:
            raise SettingsError("holds another simulation.", file=file, hint="Choose another output folder.")
        write_json(file, {"config": config})

    def _first(self, seed: int) -> Annotated:
        """One case, or some slices of one."""
        names = sorted(self.pool)
        name = names[int(np.random.default_rng([seed, 0]).integers(len(names)))]
        if self.plan.unit == "cases":
            return {name: None}
        labels = self.pool[name].labels
        assert labels is not None, "the pool is labelled"
        return {name: spread_slices(labels, self.plan.per_round)}

    def _round(
        self, seed: int, method: str, number: int, annotated: Annotated, wanted: Sequence[str]
    ) -> dict[str, Annotated]:
        """Train, test, and what is annotated after the next picks of the wanted strategies."""
        cell = Cell(self.plan.unit, 0, self.plan.effort(number), seed, method)
        folder = self.output / "cells" / cell.name
        following, rows = folder / "next.json", folder / "rows.csv"
        if rows.is_file():
            return json.loads(following.read_text(encoding="utf-8"))
        started = time.monotonic()
        given = [self._annotated(name, slices) for name, slices in annotated.items()]
        settings = dataclasses.replace(self.settings, seed=seed)
        scheme = self.target.scheme
        model = adapted_model(self.source, given, scheme, settings, self.prediction, folder)
        after: dict[str, Annotated] = {}
        for strategy in wanted:
            candidates = self._candidates(strategy, annotated, given, model, [seed, number])
            picked = best(candidates, self.plan.per_round)
            after[strategy] = extended(annotated, picked, self.plan.unit == "cases")
        found = [
            row
            for case in self.test
            for row in measured(case, predict_states(model, case, self.prediction), scheme)
        ]
        write_json(following, after)
        seconds = round(time.monotonic() - started, 1)
        common = {"seconds": seconds, "trainings": 1, "normalised_score": ""}
        write_rows(rows, f"annotation-order-{self.plan.unit}", cell, found, common)
        mean = 100 * float(np.mean([row["dice_lc"] for row in found]))
        self.say(f"{cell.name}: Dice {mean:.1f} ({seconds:.0f} s), annotated: {annotated}")
        return after

    def _candidates(
        self,
        strategy: str,
        annotated: Annotated,
        given: Sequence[LoadedCase],
        model: SourceModel,
        seeds: Sequence[int],
    ) -> list[Candidate]:
        others = [case for name, case in self.pool.items() if name not in annotated]
        if strategy == UNCERTAIN:
            return [
                uncertain(case.name, entropy(predict_states(model, case, self.prediction))) for case in others
            ]
        statistics = joint_statistics(
            self.source, ((self.states(case), case) for case in given), self.target.scheme
        )
        generator = np.random.default_rng([1, *seeds])
        candidates = []
        for case in others:
            maps = transfer_maps(
                statistics.conditional,
                statistics.prior,
                self.states(case),
                kinds=("expected-risk", "eep-segmentation"),
            ).maps
            risk, segmentation = maps["expected-risk"].numpy(), maps["eep-segmentation"].numpy()
            candidates.append(
                suggested(case.name, risk, segmentation)
                if strategy == SUGGESTED
                else at_random(case.name, segmentation, generator)
            )
        return candidates

    def states(self, case: LoadedCase) -> np.ndarray:
        """The source's probabilities, (Z, k, j, i)."""
        return self._states.get(case.name, lambda: predict_states(self.source, case, self.prediction))

    def _annotated(self, name: str, slices: list[int] | None) -> LoadedCase:
        case = self.pool[name]
        if slices is None:
            return case
        assert case.labels is not None, "the pool is labelled"
        labels = apply_annotation(case.labels, case.geometry, Annotation(slices=tuple(slices)))
        return dataclasses.replace(case, labels=labels)
