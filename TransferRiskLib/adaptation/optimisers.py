"""The optimiser of a training, and its usual learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.models.source_model import first_convolution

SGD_RATE = 0.01
ADAMW_RATE = 0.001
WIDE = 32
"""Features of the first convolution from which on `ADAMW_RATE` holds."""
LARGEST_FACTOR = 3.0
"""On `ADAMW_RATE`, for narrower networks: with 8 features 0.003 was as good as 0.001 or better wherever both
were tried (`experiments/LOG.md`, 15); between 8 and 32 nothing was, and the factor goes as one over the
width (Yang et al., "Tensor Programs V", 2022, for hidden layers and Adam)."""


def learning_rate(settings: AdaptationSettings, network: torch.nn.Module) -> float:
    """The learning rate of the first step: as set, or by optimiser and width of the network."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    if settings.optimizer == "sgd":
        return SGD_RATE
    first = first_convolution(network)
    width = WIDE if first is None else first.shape[0]
    return ADAMW_RATE * min(LARGEST_FACTOR, max(1.0, WIDE / width))


def make_optimizer(
    settings: AdaptationSettings,
    rate: float,
    parameters: Sequence[torch.nn.Parameter],
    new_head: Sequence[torch.nn.Parameter],
) -> torch.optim.Optimizer:
    """A fresh optimiser; the `factor` of each of its groups is what the group's learning rate is
    multiplied by.

    Args:
        settings: Which optimiser, and the factor of a new head.
        rate: Learning rate.
        parameters: What is trained.
        new_head: Those of them, and perhaps others, whose rate is multiplied by `settings.head_rate`.
    """
    s, new = settings, {id(parameter) for parameter in new_head}
    groups = [
        {"params": [p for p in parameters if (id(p) in new) == is_new], "factor": factor}
        for is_new, factor in ((False, 1.0), (True, s.head_rate))
    ]
    if s.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=s.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=rate,
        momentum=s.momentum,
        weight_decay=s.weight_decay,
        nesterov=s.momentum > 0,
    )
