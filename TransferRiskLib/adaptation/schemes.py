"""Which parameters a transfer scheme trains, and how it holds them to the source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.composite import EepAveraged, StackedHead

# How the names of the encoder's parameters begin, per class of MONAI network. Names, because the order of
# execution and the resolution of features do not tell: the dense skips of UNet++ run between the levels of
# its encoder, those of UNETR rise from the coarsest features, and SegResNet reduces channels before it rises.
_UNET = r"model\.(1\.submodule\.)*"
_SEGRESNET = r"convInit\.|down_layers\."
ENCODERS: Mapping[str, str] = {
    "DynUNet": r"input_block\.|downsamples\.|bottleneck\.",
    "BasicUNet": r"conv_0\.|down_",
    "BasicUNetPlusPlus": r"conv_\d_0\.",
    # every level but the coarsest is (down, level below, up)
    "UNet": _UNET + r"(?!1\.submodule\.|2\.)",
    # here the up part is spread over attention, upconv and merge; model.2 reduces channels for the output
    "AttentionUnet": _UNET + r"(?!1\.|2\.)",
    "VNet": r"in_tr\.|down_tr",
    "FlexibleUNet": r"encoder\.",
    "SegResNet": _SEGRESNET,
    "SegResNetVAE": _SEGRESNET,
    "SegResNetDS": r"encoder\.",
    "SegResNetDS2": r"encoder\.",
    "MedNeXt": r"stem\.|enc_stages\.|down_blocks\.|bottleneck\.",
    "SwinUNETR": r"swinViT\.|encoder\d+\.",
    "UNETR": r"vit\.|encoder\d+\.",
}


def encoder_parameters(network: torch.nn.Module) -> set[str]:
    """Names of the encoder's parameters, bottleneck included.

    TorchScript keeps the name of the class that it was made from. Of a `StackedHead` the encoder of the
    network beneath is taken; of an `EepAveraged`, that of the adapted network, and all of the source.

    Raises:
        SettingsError: for an architecture whose encoder is not known.
    """
    if isinstance(network, StackedHead):
        return {f"source.{name}" for name in encoder_parameters(network.source)}
    if isinstance(network, EepAveraged):
        source = {name for name, _ in network.named_parameters() if name.startswith("source.")}
        return source | {f"adapted.{name}" for name in encoder_parameters(network.adapted)}
    kind = str(getattr(network, "original_name", type(network).__name__))
    begins = re.compile(ENCODERS.get(kind, "(?!)"))
    names = {name for name, _ in network.named_parameters()}
    encoder = {name for name in names if begins.match(name)}
    if not encoder or encoder == names:  # another class of that name, where it is TorchScript
        raise SettingsError(
            f"It is not known which part of a {kind} is the encoder.",
            hint=f"The frozen encoder is for {', '.join(ENCODERS)}; choose another scheme.",
        )
    return encoder


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
