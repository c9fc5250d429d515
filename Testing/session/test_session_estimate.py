"""Estimates before an adaptation: the work counted, the speed measured, time and memory in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import ball_case, tiny_model

from TransferRiskLib.adaptation import adapting, evidence
from TransferRiskLib.adaptation.settings import (
    EEP_WEIGHTS,
    WISE_SHARES,
    AdaptationSettings,
    AugmentationSettings,
)
from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.jobs import events
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.session.adapt_settings import brings_new_labels
from TransferRiskLib.session.desk import MemorySettings
from TransferRiskLib.session.estimating import duration, estimate
from TransferRiskLib.session.measuring import measured_speed, remember_speed
from TransferRiskLib.session.workload import Workload, workload
from TransferRiskLib.volumes.geometry import Geometry

EVERYTHING = AdaptationSettings(
    steps=300, probe_steps=50, validate_every=50, weights="class-calibrated",
    weight_refresh=(0.25, 0.5, 0.75), wise_ft=None, eep_weight=None, folds=None, audit=True,
)  # fmt: skip
W, E = len(WISE_SHARES), len(EEP_WEIGHTS)
PLAIN = AdaptationSettings(steps=100, batch_size=2)
WORK = {
    # 4 trainings of 50 + 300 steps, 3 from scratch of 300. Asked 3; folds 3 x (6 validations + 1 choice);
    # audit 3 x (6 validations + 2 sides); weights anew 3 times, for 2 cases in each fold and 3 at the end.
    "new labels": (EVERYTHING, 3, True, Workload(7, 50, 2300, 3 + 21 + 24 + 27, 3 * (6 + E) + 24)),
    # No probe; shares of the weights to choose from.
    "known labels": (
        EVERYTHING, 3, False, Workload(7, 0, 2100, 3 + 3 * (6 + W) + 24 + 27, 3 * (6 + W * E) + 24),
    ),
    "translated labels": (
        replace(EVERYTHING, head="translate"), 3, True,
        Workload(7, 50, 2300, 3 + 3 * (6 + W) + 24 + 27, 3 * (6 + W * E) + 24),
    ),
    "no folds": (PLAIN, 3, False, Workload(1, 0, 100, 3, 0)),
    # Weights anew 3 times; the fit with and without averaged weights.
    "one case has no fold": (EVERYTHING, 1, False, Workload(1, 0, 300, 1 + 3 + 2, 2)),
    "many cases, five folds": (
        AdaptationSettings(steps=10, validate_every=4, folds=None), 12, False,
        Workload(6, 0, 60, 12 + 12 * (3 + 1), 12 * (3 + 1)),
    ),
    "from scratch": (
        AdaptationSettings(scheme="scratch", steps=10, validate_every=10, folds=2, head="probe"), 3, True,
        Workload(3, 0, 30, 3 * (1 + 1), 3 * (1 + 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_the_work_of_an_adaptation_is_counted(name: str) -> None:
    settings, cases, new_labels, expected = WORK[name]
    assert workload(settings, cases, cases, new_labels) == expected


def test_cases_of_one_patient_are_held_out_together() -> None:
    settings = AdaptationSettings(scheme="scratch", steps=10, validate_every=10, folds=None)
    # Two patients give two folds; each of the five cases is validated once a validation, and at the end.
    assert workload(settings, 5, 2, False) == Workload(3, 0, 30, 5 * (1 + 1), 5 * (1 + 1))


@pytest.mark.parametrize(
    ("labels", "changes"),
    [
        (("ball",), {}),
        (("other",), {}),
        (("ball",), {"folds": 0, "audit": False, "wise_ft": 1.0}),
    ],
)
def test_the_counted_work_is_what_an_adaptation_does(monkeypatch, tmp_path, labels, changes) -> None:
    """The counts against a real adaptation of three tiny cases, whose source tells little."""
    done = {"predictions": 0, "scorings": 0, "steps": 0}
    predict, score, step = evidence.predict_on_grid, adapting.validation_scores, Trainer._step

    def count_prediction(*arguments):
        done["predictions"] += 1
        return predict(*arguments)

    def count_scoring(adapted, eep, truth, shares):
        done["scorings"] += len(shares)
        return score(adapted, eep, truth, shares)

    def count_step(trainer):
        done["steps"] += 1
        step(trainer)

    monkeypatch.setattr(evidence, "predict_on_grid", count_prediction)
    monkeypatch.setattr(adapting, "predict_on_grid", count_prediction)
    monkeypatch.setattr(adapting, "validation_scores", count_scoring)
    monkeypatch.setattr(Trainer, "_step", count_step)
    settings = AdaptationSettings(**{
        "steps": 3, "probe_steps": 2, "validate_every": 3, "weights": "class-calibrated",
        "weight_refresh": (0.5,), "wise_ft": None, "eep_weight": None, "folds": None, "audit": True,
        "augmentation": AugmentationSettings.off(), "batch_size": 1, **changes,
    })  # fmt: skip
    source, target = tiny_model("ball"), LabelScheme.of(*labels)
    adapting.adapt_model(
        source, [ball_case(n) for n in range(3)], target, settings,
        PredictionSettings(device="cpu"), tmp_path, Progress(),
    )  # fmt: skip
    expected = workload(settings, 3, 3, brings_new_labels(target, source.card))
    assert done["steps"] == expected.steps
    assert expected.predictions / 2 <= done["predictions"] <= expected.predictions
    assert expected.scorings / 3 <= done["scorings"] <= expected.scorings


GRID = Geometry((20, 18, 16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
CARD = ModelCard("tiny", ("T1",), LabelScheme.of("ball"), patch_size=(16, 16, 16))
SPEED = Speed("cpu", 1e-5, 2e-6, 1e-7, 1000.0)


def of(settings, model, speed=SPEED, card=CARD, prediction=None, device="cpu"):
    prediction = prediction or PredictionSettings()
    return estimate(settings, prediction, card, model, [GRID] * 3, 3, False, speed, device)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file of 1000 bytes."""
    path = tmp_path / "model.ts"
    path.write_bytes(b"0" * 1000)
    return path


def test_time_is_work_times_speed_and_memory_follows_patch_and_weights(model) -> None:
    found = of(PLAIN, model)
    # 100 steps of 2 patches; 3 predictions of 2 x 2 x 1 windows; 5 s for the rest.
    assert found.seconds == pytest.approx(100 * 2 * 4096 * 1e-5 + 3 * 4 * 4096 * 2e-6 + 5)
    assert found.bytes == pytest.approx(2 * 4096 * 1000 + 4 * 1000 + 3 * 20 * 18 * 16 * 40)
    assert (found.trainings, found.steps, found.measured) == (1, 100, True)
    coarse = ModelCard("coarse", ("T1",), CARD.labels, patch_size=(16, 16, 16), spacing=(2.0, 2.0, 2.0))
    assert of(PLAIN, model, card=coarse).seconds == pytest.approx(8.192 + 3 * 4096 * 2e-6 + 5), "one window"
    mirrored = of(PLAIN, model, prediction=PredictionSettings(mirror=True))
    assert mirrored.seconds == pytest.approx(8.192 + 8 * 3 * 4 * 4096 * 2e-6 + 5)


def test_a_guess_is_told_from_what_was_measured_and_has_a_wider_range(model) -> None:
    guess, measured = of(PLAIN, model, None, device="cuda"), of(PLAIN, model)
    assert not guess.measured and "A guess" in guess.sentence and "cuda" in guess.sentence
    assert "Measured on this computer." in measured.sentence and "One training of 100" in measured.sentence
    assert guess.high / guess.low > measured.high / measured.low > 1
    for found in (guess, measured):
        assert found.low < found.seconds < found.high
    assert measured.sentence.startswith(f"{duration(measured.low)} to {duration(measured.high)} on cpu")


def test_the_next_estimate_knows_how_long_the_last_run_took(model) -> None:
    before = of(PLAIN, model)
    after = of(PLAIN, model, before.speed_after(20.0))
    assert after.seconds == pytest.approx(20.0)
    slept = of(PLAIN, model, before.speed_after(1e6))
    assert slept.seconds == pytest.approx(4 * (before.seconds - 5) + 5), "a computer that slept"


def test_speeds_are_kept_by_model_and_device(model, tmp_path) -> None:
    store = MemorySettings({"Device": "cuda:0"})
    assert measured_speed(store, model) is None
    remember_speed(store, model, "cuda:0", SPEED)
    assert measured_speed(store, model) == SPEED
    other = tmp_path / "other.ts"
    other.write_bytes(b"0" * 2000)
    assert measured_speed(store, other) is None
    store.set("Device", "cpu")
    assert measured_speed(store, model) is None


@pytest.mark.parametrize("text", ["no json", "[]", '{"auto 1000": 3.0}', '{"auto 1000": {"step": "fast"}}'])
def test_damaged_notes_of_speeds_are_no_speeds(model, text) -> None:
    store = MemorySettings({"TrainingSpeed": text})
    assert measured_speed(store, model) is None
    remember_speed(store, model, "auto", SPEED)
    assert measured_speed(store, model) == SPEED


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (7.4, "7 s"), (44, "40 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_times_are_as_coarse_as_an_estimate(seconds, words) -> None:
    assert duration(seconds) == words


def test_measuring_asks_the_worker_and_the_estimate_follows(stage, bundle, add_scan, played) -> None:
    assert stage.adapting.can_measure() == (False, "Choose a source model first.")
    with pytest.raises(SettingsError, match="Choose a source model"):
        stage.adapting.measure()
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.adapting.set_option("patch_size", [16, 16, 8])
    assert not stage.adapting.estimate().measured
    told: list[str] = []
    stage.subscribe(told.append)
    stage.adapting.measure()
    while not played.submitted:
        stage.tick()
    ((task, request),) = played.submitted
    assert (task, request.model, request.settings.patch_size) == ("measure", bundle, (16, 16, 8))
    assert request.labels.names == ("background", "anterior", "posterior")
    assert request.prediction.device == "cpu"
    played.say(events.Done(to_json(SPEED)))
    while stage.jobs.busy:
        stage.tick()
    assert stage.jobs.outcome.kind == "done" and "adapt" in told
    found = stage.adapting.estimate()
    assert found.measured and found.speed == SPEED


def test_the_real_worker_measures(session, bundle, finish) -> None:
    session.models.add(bundle)
    session.adapting.measure()
    assert finish(session).kind == "done", session.jobs.outcome
    speed = measured_speed(session._desk.settings, bundle)
    assert speed is not None and speed.device == "cpu"
    assert min(speed.step, speed.window, speed.scoring) > 0 and torch.isfinite(torch.tensor(speed.step))
