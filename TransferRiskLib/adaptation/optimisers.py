"""The optimiser of a training."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from TransferRiskLib.adaptation.settings import AdaptationSettings


def make_optimizer(
    settings: AdaptationSettings,
    parameters: Sequence[torch.nn.Parameter],
    new_head: Sequence[torch.nn.Parameter],
) -> torch.optim.Optimizer:
    """A fresh optimiser; the `factor` of each of its groups is what the group's learning rate is
    multiplied by.

    Args:
        settings: Which optimiser, and the rate of a new head.
        parameters: What is trained.
        new_head: Those of them, and perhaps others, whose rate is multiplied by `settings.head_rate`.
    """
    s, new = settings, {id(parameter) for parameter in new_head}
    groups = [
        {"params": [p for p in parameters if (id(p) in new) == is_new], "factor": factor}
        for is_new, factor in ((False, 1.0), (True, s.head_rate))
    ]
    if s.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=s.learning_rate, weight_decay=s.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=s.learning_rate,
        momentum=s.momentum,
        weight_decay=s.weight_decay,
        nesterov=s.momentum > 0,
    )
