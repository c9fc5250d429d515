"""The network a training starts from."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from TransferRiskLib.adaptation.checkpoints import copy_of
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.averaging import average_weights
from TransferRiskLib.models.heads import head_parameter_names, rebuild_for_labels
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import SourceModel


@dataclass
class Start:
    """A network before its training.

    Attributes:
        network: For the target's labels, on the CPU.
        config: Its definition; None for TorchScript.
        head: Names of the parameters that the linear probe trains.
        fresh: Names of the parameters that do not come from the source.
        probe_steps: Steps of the linear probe.
        before: The weights, to average with later.
    """

    network: torch.nn.Module
    config: dict[str, Any] | None
    head: set[str]
    fresh: set[str]
    probe_steps: int
    before: dict[str, torch.Tensor]

    def averaged(self, state: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
        """`share` of the trained weights and the rest of the start's (WiSE-FT); a fresh parameter has
        no start worth averaging with and stays as it was trained."""
        if share == 1:
            return state
        before = {name: state[name] if name in self.fresh else self.before[name] for name in state}
        return average_weights(before, state, share)


def starting_network(source: SourceModel, target: LabelScheme, settings: AdaptationSettings) -> Start:
    """The source's network with a head for the target's labels, as the settings ask.

    Raises:
        SettingsError: from scratch with a TorchScript source, whose architecture cannot be rebuilt,
            or a head that is to be kept although labels are missing from the source.
    """
    names = {name.casefold() for name in source.card.labels.names}
    missing = [name for name in target.names if name.casefold() not in names]
    matches = source.card.activation == "softmax" and not missing
    if settings.head == "keep" and settings.scheme != "scratch" and not matches:
        raise SettingsError(
            "The head cannot be kept: the source does not segment "
            f"{', '.join(missing) or 'exclusive labels'}.",
            hint="Choose the head 'auto' or 'probe', or name the labels as the source does.",
        )
    # a background row alone is not worth keeping: its logits would drown those of fresh rows
    shared = [name for name in target.names[1:] if name.casefold() in names]
    keep = settings.head == "keep" or (settings.head == "auto" and bool(shared))
    network, config, _ = rebuild_for_labels(source, target, keep_matching=keep, seed=settings.seed)
    head = head_parameter_names(config)
    complete = keep and matches
    fresh = set() if complete else set(head)
    if settings.scheme == "scratch":
        if config is None:
            raise SettingsError(
                "A TorchScript model cannot be trained from scratch: its architecture cannot be rebuilt.",
                hint="Use the model as a MONAI bundle.",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = build_network(copy.deepcopy(config))
        fresh = {name for name, _ in network.named_parameters()}
    probing = settings.head in ("auto", "probe") and not complete and settings.scheme != "scratch"
    steps = settings.probe_steps if probing else 0
    return Start(network, config, head, fresh, steps, copy_of(network.state_dict()))
