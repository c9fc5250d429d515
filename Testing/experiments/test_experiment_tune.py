"""Tuning: on the training pool alone, the same for every method, resumed, and used by a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_study import TINY, engine_of, tiny_study

from experiments import predicting
from experiments.tune import choose, trials, tune, tuned_settings
from TransferRiskLib.errors import SettingsError

TUNING = {"grid": {"learning_rate": [0.01, 0.1]}, "k": 2, "seed": 5, "validation": 1}
METHODS = {"plain": {"kind": "adapt"}, "paper": {"kind": "adapt", "settings": {"preset": "paper"}}}


def score(scenario: str, method: str, rate: float, dice: float, fold: int = 0) -> dict[str, Any]:
    return {"scenario": scenario, "fold": fold, "method": method, "settings": {"lr": rate}, "dice": dice}


def test_every_scenario_and_fold_chooses_for_itself() -> None:
    scores = [
        score("a", "m", 1, 0.5),
        score("a", "m", 2, 0.7),
        score("a", "m", 1, 0.9, fold=1),
        score("a", "m", 2, 0.1, fold=1),
        score("b", "m", 1, 0.4),
        score("b", "m", 2, 0.4),
    ]
    assert choose(scores, shared=False) == {
        "a": {"0": {"m": {"lr": 2}}, "1": {"m": {"lr": 1}}},
        "b": {"0": {"m": {"lr": 1}}},
    }


def test_a_shared_choice_is_the_best_mean() -> None:
    scores = [
        score("a", "m", 1, 0.5),
        score("b", "m", 1, 0.5),
        score("a", "m", 2, 0.9),
        score("b", "m", 2, 0.2),
    ]
    assert choose(scores, shared=True) == {"all": {"0": {"m": {"lr": 2}}}}


def test_methods_get_as_many_trials(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, methods=METHODS, tuning=TUNING)
    tried = [(trial.method, trial.settings["learning_rate"]) for trial in trials(study)]
    assert tried == [("plain", 0.01), ("plain", 0.1), ("paper", 0.01), ("paper", 0.1)]
    assert len({trial.name for trial in trials(study)}) == 4


@pytest.mark.parametrize("k", [4, 5])
def test_too_few_subjects_to_validate_are_refused(tmp_path: Path, k: int) -> None:
    study = tiny_study(tmp_path, methods=METHODS, tuning={**TUNING, "k": k})
    with pytest.raises(SettingsError, match="validate"):
        trials(study)


def test_tuning_sees_no_test_subject_and_a_run_uses_it(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(trained, methods={"plain": METHODS["plain"]}, tuning=TUNING, tuned=True)
    with pytest.raises(SettingsError, match="tune"):
        tuned_settings(study)
    engine, said = engine_of(study)
    document = json.loads(tune(engine).read_text(encoding="utf-8"))
    assert len(said) == 2
    (fold,) = study.folds("contrast")
    for tried in document["scores"]:
        assert len(tried["train"]) == 2
        assert len(tried["validation"]) == 1
        used = {*tried["train"], *tried["validation"]}
        assert used <= set(fold.pool)
        assert not used & set(fold.test)
    best = max(document["scores"], key=lambda tried: tried["dice"])["settings"]
    assert document["chosen"] == {"contrast": {"0": {"plain": best}}}
    assert not [path for path in (study.output / "tuning").iterdir() if path.is_dir()]

    engine, said = engine_of(study)
    tune(engine)
    assert said == [], "no trial is run again"

    used_rates: list[float] = []
    adapt = predicting._adapt

    def noted(bench: Any, settings: Any, *rest: Any) -> Any:
        used_rates.append(settings.learning_rate)
        return adapt(bench, settings, *rest)

    monkeypatch.setattr(predicting, "_adapt", noted)
    engine.tuned = tuned_settings(study)
    engine.run(study.cells)
    assert used_rates == [best["learning_rate"]]


def test_what_was_tuned_goes_for_ensembles_too(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tiny_study(trained)
    engine, _ = engine_of(study)
    engine.tuned = lambda scenario, fold, method: {"learning_rate": 0.5} if method == "plain" else {}
    rates: list[float] = []

    def stop(bench: Any, settings: Any, *rest: Any) -> Any:
        rates.append(settings.learning_rate)
        raise SettingsError("far enough")

    monkeypatch.setattr(predicting, "_adapt", stop)
    engine.run([cell for cell in study.cells if cell.method == "plain-twice"])
    assert rates == [0.5]


def test_only_an_experiment_with_a_grid_tunes(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no 'tuning'"):
        trials(tiny_study(tmp_path, methods=TINY["methods"]))
