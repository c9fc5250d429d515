"""Chooses settings on subjects that test nothing: the same grid size and budget for every method."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench import Bench
from experiments.claims import Claims
from experiments.config import TuningSpec
from experiments.engine import WAIT_SECONDS, Engine
from experiments.methods import combinations
from experiments.predicting import adapted_predictor
from experiments.rows import measured
from experiments.sources import Busy
from experiments.study import Study
from TransferRiskLib.atomic import write_json
from TransferRiskLib.errors import SettingsError

TUNED_FILE = "tuned.json"
ALL = "all"
"""In place of a scenario's name where all share one choice."""


@dataclass(frozen=True)
class Trial:
    """One combination of settings for one method in one fold."""

    scenario: str
    fold: int
    method: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its files."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.scenario}-f{self.fold}-{self.method}-{digest}"


def trials(study: Study) -> list[Trial]:
    """Everything that is tried.

    Raises:
        SettingsError: the experiment has no grid, a fold too few subjects to hold some out, or a choice
            that is shared would be made on what another fold or scenario tests.
    """
    e = study.experiment
    tuning = _tuning(study)
    for scenario in e.scenarios:
        for fold in study.folds(scenario.name):
            if len(fold.pool) <= tuning.k:
                raise SettingsError(
                    f"scenarios.{scenario.name}: tuning on {tuning.k} cases leaves none of "
                    f"{len(fold.pool)} subjects to validate on."
                )
    if tuning.shared:
        _check_shared(study)
    return [
        Trial(scenario.name, fold.number, method, settings)
        for scenario in e.scenarios
        for fold in study.folds(scenario.name)
        for method, spec in e.methods.items()
        if spec.kind == "adapt" and study.applies(method, scenario)
        for settings in combinations(e, method)
    ]


def tune(engine: Engine) -> Path:
    """Run the trials that are not done, choose, and write `tuned.json`.

    Raises:
        SettingsError: see `trials`.
        Cancelled: asked to stop; running again continues.
    """
    study = engine.study
    claims = Claims(study.output / "claims")
    waiting = trials(study)
    everything = list(waiting)
    while waiting:
        later = []
        for trial in waiting:
            engine.progress.check()
            if _file(study, trial).is_file():
                continue
            try:
                _claim_and_try(engine, claims, trial)
            except Busy:
                later.append(trial)
        if later and len(later) == len(waiting):
            engine.wait(WAIT_SECONDS)
        waiting = later
    scores = [json.loads(_file(study, trial).read_text(encoding="utf-8")) for trial in everything]
    target = study.output / TUNED_FILE
    write_json(target, {"chosen": choose(scores, _tuning(study).shared), "scores": scores})
    return target


def choose(scores: list[dict[str, Any]], shared: bool) -> dict[str, dict[str, dict[str, Any]]]:
    """The best settings by mean validation Dice: scenario to fold to method to settings.

    Args:
        scores: Objects with `scenario`, `fold`, `method`, `settings` and `dice`.
        shared: One choice for all, under `all` and fold `0`; of equals the first of the grid wins.
    """
    table: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for score in scores:
        place = (ALL, "0") if shared else (score["scenario"], str(score["fold"]))
        tried = table.setdefault(place, {}).setdefault(score["method"], {})
        tried.setdefault(json.dumps(score["settings"]), []).append(score["dice"])
    chosen: dict[str, dict[str, dict[str, Any]]] = {}
    for (scenario, fold), methods in table.items():
        best = {method: _best(tried) for method, tried in methods.items()}
        chosen.setdefault(scenario, {})[fold] = {m: json.loads(key) for m, key in best.items()}
    return chosen


def _best(tried: Mapping[str, list[float]]) -> str:
    means = {key: float(np.mean(dice)) for key, dice in tried.items()}
    return max(means, key=lambda key: means[key])


def tuned_settings(study: Study) -> Callable[[str, int, str], dict[str, Any]]:
    """What tuning chose, by scenario, fold and method; nothing where the experiment is not tuned.

    Raises:
        SettingsError: the experiment is tuned, but nobody has run `tune`.
    """
    if not study.experiment.tuned:
        return lambda scenario, fold, method: {}
    file = study.output / TUNED_FILE
    if not file.is_file():
        raise SettingsError("is not there yet.", file=file, hint="Run `python -m experiments tune` first.")
    chosen = json.loads(file.read_text(encoding="utf-8"))["chosen"]
    shared = _tuning(study).shared

    def settings(scenario: str, fold: int, method: str) -> dict[str, Any]:
        place = (ALL, "0") if shared else (scenario, str(fold))
        found = chosen.get(place[0], {}).get(place[1], {}).get(method)
        if found is None:
            raise SettingsError(
                f"says nothing of {method!r} in {scenario!r}, fold {fold}.",
                file=file,
                hint="Run `tune` again.",
            )
        return dict(found)

    return settings


def _tuning(study: Study) -> TuningSpec:
    if study.experiment.tuning is None:
        raise SettingsError("The experiment has no 'tuning'.")
    return study.experiment.tuning


def _check_shared(study: Study) -> None:
    """One choice for all must not have seen what any scenario or fold tests."""
    e = study.experiment
    tested = {
        case.labels
        for scenario in e.scenarios
        for fold in study.folds(scenario.name)
        for case in study.cases(scenario, fold.test)
    }
    for scenario in e.scenarios:
        for fold in study.folds(scenario.name):
            leaked = [case.name for case in study.cases(scenario, fold.pool) if case.labels in tested]
            if leaked:
                raise SettingsError(
                    f"tuning.shared: {leaked[0]} may tune in {scenario.name} and tests elsewhere.",
                    hint="Set tuning.shared to false: every scenario and fold then chooses for itself.",
                )


def _file(study: Study, trial: Trial) -> Path:
    return study.output / "tuning" / f"{trial.name}.json"


def _claim_and_try(engine: Engine, claims: Claims, trial: Trial) -> None:
    file = _file(engine.study, trial)
    with claims.claimed(f"tune-{trial.name}") as ours:
        if not ours:
            raise Busy
        if file.is_file():
            return
        tuning = _tuning(engine.study)
        bench = engine.bench((trial.scenario, trial.fold, tuning.k, tuning.seed))
        work = file.with_suffix("")
        dice = _validation_dice(bench, trial, tuning, work)
        write_json(
            file,
            {
                "scenario": trial.scenario,
                "fold": trial.fold,
                "method": trial.method,
                "settings": trial.settings,
                "dice": dice,
                "train": [case.name for case in bench.train_cases],
                "validation": [case.name for case in _validation(bench, tuning)],
            },
        )
        shutil.rmtree(work, ignore_errors=True)
        engine.say(f"{trial.name} {trial.settings}: validation Dice {100 * dice:.1f}")


def _validation(bench: Bench, tuning: TuningSpec) -> list[Any]:
    subjects = list(dict.fromkeys(case.group for case in bench.spare))[: tuning.validation]
    return [case for case in bench.spare if case.group in subjects]


def _validation_dice(bench: Bench, trial: Trial, tuning: TuningSpec, work: Path) -> float:
    predictor = adapted_predictor(bench, trial.method, work, {**tuning.settings, **trial.settings})
    dice = [
        row["dice"]
        for case in _validation(bench, tuning)
        for row in measured(bench.loaded(case), predictor.probabilities(case), bench.scheme)
    ]
    return float(np.mean(dice))
