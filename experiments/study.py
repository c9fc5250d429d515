"""An experiment with its cohorts, splits and cells; nothing here reads an image."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from experiments.cohorts import resolve_cohort
from experiments.config import Experiment, ScenarioSpec, SourceSpec
from experiments.splits import Fold, split
from experiments.store import combined_merge, scheme_of
from experiments.study_cohort import StudyCohort
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.channels import resolve_channels
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError, TransferRiskError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.records import to_json


@dataclass(frozen=True)
class Cell:
    """One method where it is tried."""

    scenario: str
    fold: int
    k: int
    seed: int
    method: str

    @property
    def group(self) -> tuple[str, int, int, int]:
        """What the methods of one comparison share."""
        return self.scenario, self.fold, self.k, self.seed

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.scenario}-f{self.fold}-k{self.k}-s{self.seed}-{self.method}"


class Study:
    """An experiment in an output folder.

    Args:
        experiment: What to do.
        output: Gets everything that is made.
        data: Folder of the cohorts' folders.
        device: Of networks.

    Raises:
        SettingsError: a cohort, subject, channel or label that is not there, or a k that is too large.
        CaseError: images that are not there.
    """

    def __init__(self, experiment: Experiment, output: Path, data: Path, device: str = "cpu") -> None:
        self.experiment, self.output, self.data = experiment, Path(output), Path(data)
        self.prediction: PredictionSettings = dataclasses.replace(experiment.prediction, device=device)
        self.cohort: Callable[[str], StudyCohort] = cache(self._cohort)
        self.folds: Callable[[str], tuple[Fold, ...]] = cache(self._folds)
        for scenario in experiment.scenarios:
            try:
                self._check(scenario)
            except TransferRiskError as error:
                placed = error.file is not None or error.message.startswith("scenarios.")
                message = error.message if placed else f"scenarios.{scenario.name}: {error.message}"
                raise type(error)(message, file=error.file, hint=error.hint) from error

    def _cohort(self, name: str) -> StudyCohort:
        found = resolve_cohort(name, self.experiment.cohorts, self.data, self.output)
        if found.cohort.scheme is None or not found.subjects:
            raise SettingsError(f"The cohort {name!r} has no labelled cases.")
        return found

    def source_of(self, scenario: ScenarioSpec) -> SourceSpec:
        """The source model of a scenario."""
        return self.experiment.sources[scenario.source]

    def scheme(self, scenario: ScenarioSpec) -> LabelScheme:
        """The target's labels."""
        return scheme_of(self.cohort(scenario.cohort), scenario.merge)

    def source_scheme(self, source: SourceSpec) -> LabelScheme:
        """The source's labels."""
        return scheme_of(self.cohort(source.cohort), source.merge)

    def cases(self, scenario: ScenarioSpec, subjects: Iterable[str]) -> list[Case]:
        """Labelled cases of a scenario's subjects, in the cohort's order."""
        wanted = set(subjects)
        cohort = self.cohort(scenario.cohort)
        return [c for c in cohort.cohort.cases if c.group in wanted and c.labels is not None]

    def source_cases(self, scenario: ScenarioSpec, fold: Fold) -> list[Case]:
        """What the source of a fold trains on: never a case whose labels test."""
        source = self.source_of(scenario)
        cohort = self.cohort(source.cohort)
        chosen = cohort.chosen(source.subjects, f"sources.{scenario.source}.subjects")
        tested = {case.labels for case in self.cases(scenario, fold.test)}
        subjects = [s for s in chosen if not any(case.labels in tested for case in cohort.cases_of(s))]
        return [case for subject in subjects for case in cohort.cases_of(subject)]

    def source_folder(self, scenario: ScenarioSpec, fold: Fold) -> Path:
        """Where the source of a fold lies; folds and scenarios with the same training share it."""
        names = [str(case.name) for case in self.source_cases(scenario, fold)]
        facts = json.dumps([to_json(self.source_of(scenario)), names], sort_keys=True)
        digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
        return self.output / "sources" / f"{scenario.source}-{digest}"

    def _folds(self, name: str) -> tuple[Fold, ...]:
        """A source's fixed subjects take no part in its scenarios: targets are unseen."""
        scenario = self.experiment.scenario(name)
        source, cohort = self.source_of(scenario), self.cohort(scenario.cohort)
        subjects = cohort.chosen(scenario.subjects, f"scenarios.{name}.subjects")
        if source.subjects != "fold":
            home = self.cohort(source.cohort)
            chosen = home.chosen(source.subjects, f"sources.{scenario.source}.subjects")
            seen = {case.labels for subject in chosen for case in home.cases_of(subject)}
            subjects = tuple(s for s in subjects if not any(c.labels in seen for c in cohort.cases_of(s)))
        if not subjects:
            raise SettingsError(
                f"scenarios.{name}: its source trains on all of its subjects.",
                hint="Let the source train on the 'fold', or on fewer subjects.",
            )
        return split(scenario, subjects)

    def applies(self, method: str, scenario: ScenarioSpec) -> bool:
        """Whether a method is tried in a scenario: a source alone needs the target's labels."""
        if scenario.methods is not None and method not in scenario.methods:
            return False
        if self.experiment.methods[method].kind != "source":
            return True
        return self.source_scheme(self.source_of(scenario)).names == self.scheme(scenario).names

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells; a method comes before those that mix it, and the seeds one after the other, so that
        an unfinished table has something of every scenario."""
        e = self.experiment
        methods = sorted(e.methods, key=lambda name: e.methods[name].kind == "mix")
        return tuple(
            Cell(scenario.name, fold.number, k, seed, method)
            for seed in e.seeds
            for scenario in e.scenarios
            for fold in self.folds(scenario.name)
            for k in scenario.k or e.k
            for method in methods
            if self.applies(method, scenario)
        )

    def fold(self, cell: Cell) -> Fold:
        """The fold of a cell."""
        return self.folds(cell.scenario)[cell.fold]

    def cell_folder(self, cell: Cell) -> Path:
        """Where a cell's rows lie."""
        return self.output / "cells" / cell.name

    def rows_file(self, cell: Cell) -> Path:
        """The rows of a cell, once it is done."""
        return self.cell_folder(cell) / "rows.csv"

    def done(self, cell: Cell) -> bool:
        """Whether a cell has its rows."""
        return self.rows_file(cell).is_file()

    def _check(self, scenario: ScenarioSpec) -> None:
        source, cohort = self.source_of(scenario), self.cohort(scenario.cohort)
        for place, channels in ((self.cohort(source.cohort), source.channels), (cohort, scenario.channels)):
            for case in place.cohort.cases:
                if case.labels is not None:
                    resolve_channels(case, channels)
        combined_merge(cohort, scenario.merge)
        self.scheme(scenario)
        self.source_scheme(source)
        ks = scenario.k or self.experiment.k
        for fold in self.folds(scenario.name):
            available = len(fold.pool)
            if not scenario.one_case_per_subject:
                available = len(self.cases(scenario, fold.pool))
            if max(ks) > available:
                raise SettingsError(
                    f"scenarios.{scenario.name}: k = {max(ks)}, but fold {fold.number} has "
                    f"{available} to draw from."
                )
            if not self.source_cases(scenario, fold):
                raise SettingsError(
                    f"scenarios.{scenario.name}: fold {fold.number} leaves its source no case."
                )
