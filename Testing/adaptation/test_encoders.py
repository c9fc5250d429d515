"""The encoders by name, against what the coarsest features of each built network are made of."""

from __future__ import annotations

import re

import pytest
import torch
from tiny_training import TINY
from torch import Tensor, nn

from TransferRiskLib.adaptation.schemes import ENCODERS, encoder_parameters
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.composite import EepAveraged, StackedHead
from TransferRiskLib.models.networks import build_network

UNET = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": (4, 8, 8), "strides": (2, 2)}
SEGRESNET = {"init_filters": 8, "in_channels": 1, "out_channels": 2}
FEATURES = (4, 4, 4, 8, 8, 4)
DYNUNET = {key: value for key, value in TINY.items() if key != "_target_"}
TRANSFORMER = {
    "in_channels": 1,
    "out_channels": 2,
    "img_size": (32, 32, 32),
    "feature_size": 4,
    "hidden_size": 24,
    "mlp_dim": 24,
    "num_heads": 4,
}
# Network, its arguments, the module that makes the coarsest features, and (a pattern) what else is encoder:
# on the skip connections, or never used.
CASES = [
    ("UNet", UNET, "model.1.submodule.1.submodule", None),
    ("UNet", {**UNET, "num_res_units": 2}, "model.1.submodule.1.submodule", None),
    ("UNet", {**UNET, "channels": (4, 8), "strides": (2,)}, "model.1.submodule", None),
    ("AttentionUnet", UNET, "model.1.submodule.1.submodule", None),
    ("BasicUNet", {"out_channels": 2, "features": FEATURES}, "down_4", None),
    ("BasicUNetPlusPlus", {"out_channels": 2, "features": FEATURES}, "conv_4_0", None),
    ("DynUNet", DYNUNET, "bottleneck", None),
    ("DynUNet", {**DYNUNET, "deep_supervision": True, "deep_supr_num": 1}, "bottleneck", None),
    ("DynUNet", {**DYNUNET, "res_block": True}, "bottleneck", None),
    ("VNet", {"out_channels": 2}, "down_tr256", None),
    (
        "FlexibleUNet",
        {"in_channels": 1, "out_channels": 2, "backbone": "efficientnet-b0", "spatial_dims": 3},
        "encoder",
        r"encoder\.(_conv_head|_bn1|_fc)\.",
    ),
    ("SegResNet", SEGRESNET, "down_layers.3", None),
    ("SegResNetVAE", {**SEGRESNET, "input_image_size": (32, 32, 32), "vae_nz": 8}, "down_layers.3", None),
    ("SegResNetDS", {**SEGRESNET, "blocks_down": (1, 1, 1)}, "encoder", None),
    ("SegResNetDS2", {**SEGRESNET, "blocks_down": (1, 1, 1)}, "encoder", None),
    ("MedNeXt", {"init_filters": 4, "in_channels": 1, "out_channels": 2}, "bottleneck", None),
    (
        "SwinUNETR",
        {"in_channels": 1, "out_channels": 2, "feature_size": 12, "norm_name": "batch"},
        "encoder10",
        r"encoder[1-4]\.",
    ),
    ("UNETR", TRANSFORMER, "vit", r"encoder[1-4]\.|vit\.blocks\.\d+\.(norm_)?cross_attn\."),
]


def coarsest(output) -> Tensor:
    """Of a module that gives several resolutions the last; of a vision transformer its last tokens."""
    if isinstance(output, Tensor):
        return output
    return output[0] if output[0].ndim == 3 else [x for x in output if isinstance(x, Tensor)][-1]


def made_of(network: nn.Module, place: str, size: int = 32) -> set[str]:
    """Names of the parameters that the output of a submodule depends on."""
    found: list[Tensor] = []
    handle = network.get_submodule(place).register_forward_hook(
        lambda module, arguments, output: found.append(coarsest(output))
    )
    network(torch.randn(1, 1, size, size, size))
    handle.remove()
    network.zero_grad(set_to_none=True)
    found[0].sum().backward()
    return {name for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("kind", "arguments", "place", "besides"), CASES)
def test_the_encoder_is_what_the_coarsest_features_are_made_of(kind, arguments, place, besides):
    network = build_network({"_target_": kind, **arguments})
    encoder = encoder_parameters(network)
    reached = made_of(network, place)
    assert reached and reached <= encoder
    rest = encoder - reached
    assert bool(rest) == bool(besides)
    assert all(re.match(besides or "(?!)", name) for name in rest), rest


def test_every_architecture_is_tested():
    assert {kind for kind, *_ in CASES} == set(ENCODERS)


def test_the_encoder_of_a_unet_by_hand():
    names = encoder_parameters(build_network({"_target_": "UNet", **UNET}))
    assert names == {
        f"{layer}.{part}"
        for layer in ("model.0", "model.1.submodule.0", "model.1.submodule.1.submodule")
        for part in ("conv.weight", "conv.bias", "adn.A.weight")
    }


def test_the_encoder_within_wrappers_and_torchscript():
    network = build_network({"_target_": "DynUNet", **DYNUNET})
    inner = encoder_parameters(network)
    scripted = torch.jit.trace(network, torch.zeros(1, 1, 16, 16, 16))
    assert encoder_parameters(StackedHead(scripted, 2, 3)) == {f"source.{name}" for name in inner}
    averaged = EepAveraged(build_network({"_target_": "UNet", **UNET}), network, "softmax", 0.5, 2, 2)
    encoder = encoder_parameters(averaged)
    # the source of an average never trains
    assert {n for n, _ in averaged.named_parameters()} - encoder == {
        f"adapted.{name}" for name, _ in network.named_parameters() if name not in inner
    }


@pytest.mark.parametrize("name", ["Conv3d", "UNet"])
def test_an_unknown_network_is_refused_also_under_a_known_name(name):
    network = type(name, (nn.Conv3d,), {})(1, 1, 1)
    with pytest.raises(SettingsError, match=f"which part of a {name} is the encoder") as caught:
        encoder_parameters(network)
    assert "DynUNet" in caught.value.hint
