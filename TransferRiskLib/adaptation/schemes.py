"""Which parameters a transfer scheme trains, and how it holds them to the source."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from TransferRiskLib.errors import SettingsError

# First parts of the parameter names that belong to the encoder, per class of MONAI network.
ENCODERS: Mapping[str, tuple[str, ...]] = {
    "DynUNet": ("input_block", "downsamples", "bottleneck"),
    "BasicUNet": ("conv_0", "down_"),
    "SegResNet": ("convInit", "down_layers"),
    "SegResNetDS": ("encoder",),
    "SwinUNETR": ("swinViT", "encoder"),
    "UNETR": ("vit", "encoder"),
}


def encoder_parameters(network: torch.nn.Module) -> set[str]:
    """Names of the encoder's parameters.

    Raises:
        SettingsError: for an architecture whose encoder is not known.
    """
    kind = type(network).__name__
    if kind not in ENCODERS:
        raise SettingsError(
            f"It is not known which part of a {kind} is the encoder.",
            hint=f"The frozen encoder is for {', '.join(ENCODERS)}; choose another scheme.",
        )
    prefixes = ENCODERS[kind]
    return {name for name, _ in network.named_parameters() if name.startswith(prefixes)}


def set_trainable(network: torch.nn.Module, names: Collection[str]) -> list[torch.nn.Parameter]:
    """Freeze all parameters but the named ones, which are returned."""
    trainable = []
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)
        if name in names:
            trainable.append(parameter)
    return trainable


class SourceAnchor:
    """L2-SP: half the squared distance to the source's weights (Li, Grandvalet and Davoine, ICML 2018).

    Args:
        network: The network at its start.
        head: Parameters that have no counterpart in the source; they are pulled towards zero.
        strength: Of both pulls.
    """

    def __init__(self, network: torch.nn.Module, head: Collection[str], strength: float) -> None:
        self.strength = strength
        self.start = {
            name: torch.zeros_like(value) if name in head else value.detach().clone()
            for name, value in network.named_parameters()
        }

    def __call__(self, network: torch.nn.Module) -> torch.Tensor:
        """The penalty, a scalar."""
        parts = [
            ((value - self.start[name]) ** 2).sum()
            for name, value in network.named_parameters()
            if value.requires_grad
        ]
        return 0.5 * self.strength * torch.stack(parts).sum()
