"""An adapted network with its card, and with its source where that takes part in the prediction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.composite import EepAveraged
from TransferRiskLib.models.networks import copy_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.transfer.statistics import JointStatistics


def trained_contrasts(card: ModelCard, channels: Mapping[str, str]) -> tuple[str, ...]:
    """The contrasts that a model adapted from `card` was trained on.

    Args:
        card: Of the source.
        channels: Channel of the card to the channel of the cases that took its place.
    """
    if not channels:
        return card.contrasts
    known = card.contrasts if len(card.contrasts) == len(card.channels) else card.channels
    given = {name.casefold(): other for name, other in channels.items()}
    pairs = zip(card.channels, known, strict=True)
    return tuple(given.get(channel.casefold(), contrast) for channel, contrast in pairs)


def adapted_card(card: ModelCard, target: LabelScheme, name: str = "") -> ModelCard:
    """The card of a model adapted from `card` to the labels of `target`."""
    return dataclasses.replace(
        card,
        name=name or f"{card.name}-adapted",
        labels=target,
        activation="softmax",
        description=f"{card.name}, adapted to {', '.join(target.names[1:])} by transfer risk.",
        keep_largest=(),
        output_order=(),
    )


def with_eep(
    source: SourceModel,
    adapted: torch.nn.Module,
    config: dict[str, Any] | None,
    statistics: JointStatistics,
    weight: float,
) -> tuple[EepAveraged, dict[str, Any] | None]:
    """One network that averages an adapted one with the EEP of its source.

    Args:
        source: The source model.
        adapted: The adapted network.
        config: Its definition; None for TorchScript.
        statistics: Joint statistics of the source's states and the target's labels.
        weight: Share of the EEP.

    Returns:
        The network on the CPU and its definition, None where one of the two has none.
    """
    sizes = {"targets": len(statistics.targets), "states": len(statistics.states)}
    network = EepAveraged(
        copy_network(source.network).to("cpu"),
        adapted,
        source.card.activation,
        weight,
        conditional=torch.as_tensor(statistics.conditional, dtype=torch.float32),
        **sizes,
    ).eval()
    if source.config is None or config is None:
        return network, None
    return network, {
        "_target_": "TransferRiskLib.models.composite.EepAveraged",
        "source": source.config,
        "adapted": config,
        "source_activation": source.card.activation,
        "eep_weight": weight,
        **sizes,
    }
