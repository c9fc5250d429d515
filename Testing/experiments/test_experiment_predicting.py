"""The arithmetic of mixes and ensembles, on numbers small enough for a head."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_study import TINY, tiny
from tiny_training import ball_case, tiny_model

from experiments import predicting
from experiments.bench import Bench
from experiments.checks import parse_experiment
from experiments.predicting import (
    ensemble_predictor,
    keep,
    kept_model,
    mix_predictor,
    mixed,
    renaming,
)
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.settings import preset_settings
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.composite import EepAveraged
from TransferRiskLib.models.intensity_curve import IntensityCurve
from TransferRiskLib.progress import Progress

CASE = Case("case", {})
CONDITIONAL = np.array([[0.9, 0.4], [0.1, 0.6]])
"""P(y|z): the first state is mostly label 0, the second mostly label 1."""
STATES = np.array([0.75, 0.25], np.float32).reshape(2, 1, 1, 1)
OWN = np.array([0.2, 0.8], np.float32).reshape(2, 1, 1, 1)


@dataclass
class StandIn:
    """What the predictors ask of a bench, answered with fixed numbers."""

    methods: dict[str, Any]
    answers: dict[int, np.ndarray] = field(default_factory=dict)
    seed: int = 0
    train: list[Any] = field(default_factory=lambda: [SimpleNamespace(group="a"), SimpleNamespace(group="b")])

    def __post_init__(self) -> None:
        self.study = SimpleNamespace(
            experiment=parse_experiment(tiny(methods=self.methods, probe_within_budget=False))
        )
        self.statistics = SimpleNamespace(conditional=CONDITIONAL)

    def states(self, case: Case) -> np.ndarray:
        return STATES

    def predicted(self, model: Any, case: Case) -> np.ndarray:
        return OWN if model is None else self.answers[model].copy()


def mix(monkeypatch: pytest.MonkeyPatch, partner: str, share: float) -> np.ndarray:
    monkeypatch.setattr(predicting, "kept_model", lambda bench, file: None)
    new = {"kind": "mix", "of": "plain", "with": partner, "share": share}
    bench: Any = StandIn({**TINY["methods"], "new": new})
    return mix_predictor(bench, "new", Path("kept")).probabilities(CASE).ravel()


def test_states_are_renamed_to_their_most_probable_label() -> None:
    table = np.array([[0.7, 0.1, 0.4], [0.2, 0.5, 0.1], [0.1, 0.4, 0.5]])
    assert renaming(table).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert renaming(CONDITIONAL[:, :1]).tolist() == [[1], [0]]


def test_a_mix_is_a_weighted_mean() -> None:
    assert mixed(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.25) == pytest.approx([0.75, 0.25])


def test_a_mix_with_the_eep(monkeypatch: pytest.MonkeyPatch) -> None:
    """EEP = (0.9 · 0.75 + 0.4 · 0.25, 0.1 · 0.75 + 0.6 · 0.25) = (0.775, 0.225)."""
    expected = [0.75 * 0.2 + 0.25 * 0.775, 0.75 * 0.8 + 0.25 * 0.225]
    assert mix(monkeypatch, "eep", 0.25) == pytest.approx(expected, rel=1e-6)


def test_a_mix_with_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renamed, the states stay what they are here: (0.75, 0.25)."""
    assert mix(monkeypatch, "source", 0.5) == pytest.approx([0.5 * 0.95, 0.5 * 1.05], rel=1e-6)


def test_a_mix_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mix(monkeypatch, "none", 0.0) == pytest.approx([0.2, 0.8], rel=1e-6)


@pytest.mark.parametrize(("members", "count"), [(3, 3), ("as-folds", 3)])
def test_an_ensemble_averages_trainings_of_different_seeds(
    monkeypatch: pytest.MonkeyPatch, members: Any, count: int
) -> None:
    """Two training subjects make two folds and a final training: three members."""
    used: list[tuple[int, str]] = []

    def fake(bench: Any, settings: Any, work: Path, member: int) -> Any:
        used.append((predicting.with_seed(settings, bench.seed, member).seed, work.name))
        return SimpleNamespace(model=member, curves={"Final training": None})

    monkeypatch.setattr(predicting, "_adapt", fake)
    new = {"kind": "ensemble", "of": "plain", "members": members}
    answers = {0: OWN, 1: np.array([0.5, 0.5]).reshape(OWN.shape), 2: np.array([0.8, 0.2]).reshape(OWN.shape)}
    bench: Any = StandIn({**TINY["methods"], "new": new}, answers, seed=7)
    predictor = ensemble_predictor(bench, "new", Path("work"))
    assert used == [(7, "member-0"), (1007, "member-1"), (2007, "member-2")]
    assert predictor.trainings == count
    assert predictor.probabilities(CASE).ravel() == pytest.approx([0.5, 0.5], rel=1e-6)
    assert bench.answers[0].ravel() == pytest.approx([0.2, 0.8]), "the members' own predictions stay"


@pytest.fixture
def prepared() -> Iterator[Any]:
    yield ball_case(1)


def test_what_is_kept_predicts_without_the_eep(tmp_path: Path, prepared: Any) -> None:
    source, target = tiny_model("ball"), LabelScheme.of("thing")
    settings = preset_settings("plain", steps=2, batch_size=1, eep_weight=0.5)
    prediction = PredictionSettings("cpu")
    adapted = adapt_model(source, [prepared], target, settings, prediction, tmp_path / "work", Progress())
    network = adapted.model.network
    assert isinstance(network, EepAveraged)
    keep(adapted, tmp_path / "adapted.pt")
    bench: Any = SimpleNamespace(source=source, scheme=target)
    model = kept_model(bench, tmp_path / "adapted.pt")
    assert model.states == ("background", "thing")
    image = prepared.image[None]
    with torch.no_grad():
        alone = torch.softmax(network.adapted(image), dim=1)
    assert torch.allclose(model.probabilities(image), alone, atol=1e-6)
    assert not torch.allclose(alone, adapted.model.probabilities(image), atol=1e-3)


def test_what_is_kept_sees_scans_through_the_same_curves(tmp_path: Path) -> None:
    model = tiny_model("ball")
    curves = (IntensityCurve((-1.0, 0.5), (1.0, -2.0)),)
    adapted: Any = SimpleNamespace(
        model=dataclasses.replace(model, card=dataclasses.replace(model.card, curves=curves))
    )
    keep(adapted, tmp_path / "adapted.pt")
    bench: Any = SimpleNamespace(source=model, scheme=model.card.labels)
    assert kept_model(bench, tmp_path / "adapted.pt").card.curves == curves


def test_a_bench_is_what_the_stand_in_stands_for() -> None:
    assert {"states", "predicted", "statistics", "train"} <= {*dir(Bench)}
