"""How each kind of method predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.bench import Bench
from experiments.methods import members, settings_of, with_seed, within_budget
from TransferRiskLib.adaptation.adapting import AdaptedModel, adapt_model
from TransferRiskLib.adaptation.checkpoints import copy_of, load_state, save_state
from TransferRiskLib.adaptation.packaging import adapted_card
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.cases.case import Case
from TransferRiskLib.models.composite import EepAveraged
from TransferRiskLib.models.intensity_curve import IntensityCurve
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.transfer.maps import expected_empirical_prediction

Probabilities = np.ndarray
"""(Y, k, j, i) float32, on a case's own grid."""


@dataclass(frozen=True)
class Predictor:
    """A method, trained.

    Attributes:
        probabilities: Of a test case.
        trainings: That it took.
        adapted: Of `adapt`.
    """

    probabilities: Callable[[Case], Probabilities]
    trainings: int = 0
    adapted: AdaptedModel | None = None


def renaming(conditional: np.ndarray) -> np.ndarray:
    """P(y|z) with every state given wholly to its most probable label, (Y, Z) of 0 and 1."""
    table = np.zeros_like(conditional)
    table[conditional.argmax(axis=0), np.arange(conditional.shape[1])] = 1.0
    return table


def mixed(own: Probabilities, other: Probabilities, share: float) -> Probabilities:
    """`share` of `other` and the rest of `own`."""
    return ((1 - share) * own + share * other).astype(np.float32)


def source_predictor(bench: Bench) -> Predictor:
    """The source alone; its labels are the target's."""
    return Predictor(bench.states)


def eep_predictor(bench: Bench) -> Predictor:
    """The source translated by P(y|z), without any training."""
    return Predictor(lambda case: _translated(bench.statistics.conditional, bench, case))


def adapted_predictor(
    bench: Bench, method: str, work: Path, chosen: dict[str, Any] | None = None
) -> Predictor:
    """One adaptation."""
    adapted = _adapt(bench, _settings(bench, method, chosen), work, 0)
    return Predictor(lambda case: bench.predicted(adapted.model, case), len(adapted.curves), adapted)


def ensemble_predictor(
    bench: Bench, method: str, work: Path, chosen: dict[str, Any] | None = None
) -> Predictor:
    """Probabilities averaged over adaptations with different seeds."""
    spec = bench.study.experiment.methods[method]
    count = members(spec, [case.group for case in bench.train], bench.seed)
    settings = _settings(bench, method, chosen)
    all_members = [_adapt(bench, settings, work / f"member-{n}", n) for n in range(count)]

    def probabilities(case: Case) -> Probabilities:
        total = bench.predicted(all_members[0].model, case)
        for each in all_members[1:]:
            total += bench.predicted(each.model, case)
        return total / count

    return Predictor(probabilities, sum(len(each.curves) for each in all_members))


def mix_predictor(bench: Bench, method: str, kept: Path) -> Predictor:
    """A trained model without its own share of the EEP, with another share of the source.

    Args:
        kept: What `keep` wrote.
    """
    spec = bench.study.experiment.methods[method]
    assert spec.share is not None, "checked with the configuration"
    share, model = spec.share, kept_model(bench, kept)
    if spec.partner == "none":
        return Predictor(lambda case: bench.predicted(model, case))
    conditional = bench.statistics.conditional
    table = conditional if spec.partner == "eep" else renaming(conditional)
    return Predictor(lambda case: mixed(bench.predicted(model, case), _translated(table, bench, case), share))


def keep(adapted: AdaptedModel, file: Path) -> None:
    """Write an adapted network, without the EEP that may take part in its prediction."""
    network, config = adapted.model.network, adapted.model.config
    assert config is not None, "sources of experiments have definitions"
    if isinstance(network, EepAveraged):
        network, config = network.adapted, config["adapted"]
    curves = to_json(adapted.model.card.curves)
    save_state(file, {"network": copy_of(network.state_dict()), "config": config, "curves": curves})


def kept_model(bench: Bench, file: Path) -> SourceModel:
    """The network that `keep` wrote."""
    state = load_state(file)
    network = build_network(state["config"])
    network.load_state_dict(state["network"])
    curves = from_json(tuple[IntensityCurve, ...], state["curves"], "curves")
    card = dataclasses.replace(adapted_card(bench.source.card, bench.scheme), curves=curves)
    return SourceModel(card, network, state["config"])


def _settings(bench: Bench, method: str, chosen: dict[str, Any] | None) -> AdaptationSettings:
    e = bench.study.experiment
    settings = settings_of(e, method, chosen)
    return within_budget(settings, bench.source, bench.scheme) if e.probe_within_budget else settings


def _adapt(bench: Bench, settings: AdaptationSettings, work: Path, member: int) -> AdaptedModel:
    seeded = with_seed(settings, bench.seed, member)
    return adapt_model(
        bench.source, bench.train, bench.scheme, seeded, bench.study.prediction, work, bench.progress
    )


def _translated(table: np.ndarray, bench: Bench, case: Case) -> Probabilities:
    states = torch.from_numpy(bench.states(case))
    return expected_empirical_prediction(table, states).numpy()
