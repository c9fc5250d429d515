"""Miniature networks and bundles for the tests of `models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.networks import build_network

UNET: dict[str, Any] = {
    "_target_": "monai.networks.nets.UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
    "channels": [4, 6, 8], "strides": [2, 2], "num_res_units": 1, "norm": "batch",
}  # fmt: skip


def unet(**changes: Any) -> dict[str, Any]:
    return {**UNET, **changes}


def card(*labels: str, **changes: Any) -> ModelCard:
    """A card that fits `UNET`."""
    given: dict[str, Any] = {
        "name": "toy", "channels": ("T1",), "labels": LabelScheme.of(*(labels or ("anterior", "posterior"))),
        "patch_size": (16, 16, 16), "divisible_by": 4,
    }  # fmt: skip
    return ModelCard(**{**given, **changes})


def network(config: dict[str, Any], seed: int = 0) -> torch.nn.Module:
    """A network whose every weight and running statistic is random, so that a lost one shows."""
    torch.manual_seed(seed)
    net = build_network(config)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn_like(value) * 0.3
                value.copy_(drawn.abs() + 0.5 if "running_var" in name else drawn)
    return net


def image(channels: int = 1, size: int = 16) -> torch.Tensor:
    return torch.rand((1, channels, size, size, size), generator=torch.Generator().manual_seed(7))


def zoo_metadata(channels: list[str], outputs: list[str], shape: list[Any]) -> dict[str, Any]:
    """metadata.json in the shape of the MONAI Model Zoo."""

    def entry(names: list[str]) -> dict[str, Any]:
        return {
            "type": "image", "modality": "MR", "num_channels": len(names), "spatial_shape": shape,
            "dtype": "float32", "channel_def": {str(n): name for n, name in enumerate(names)},
        }  # fmt: skip

    return {
        "version": "0.1.0",
        "description": "A toy.",
        "network_data_format": {"inputs": {"image": entry(channels)}, "outputs": {"pred": entry(outputs)}},
    }


def zoo_inference(
    network_def: Any, transforms: list[dict[str, Any]], final: dict[str, Any]
) -> dict[str, Any]:
    """inference.json in the shape of the MONAI Model Zoo, expressions included."""
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "network_def": network_def,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": transforms},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "overlap": 0.5},
        "postprocessing": {"_target_": "Compose", "transforms": [final]},
    }


CT_TRANSFORMS: list[dict[str, Any]] = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1,
     "clip": True},
]  # fmt: skip
SOFTMAX = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
SIGMOID = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}


def write_zoo_bundle(
    folder: Path,
    network_def: Any = None,
    *,
    weights: Any = None,
    metadata: dict[str, Any] | None = None,
    inference: dict[str, Any] | None = None,
) -> Path:
    """A bundle as the Model Zoo ships them: no card of ours."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    network_def = unet() if network_def is None else network_def
    described = metadata or zoo_metadata(["T1"], ["background", "anterior", "posterior"], [16, 16, 16])
    (folder / "configs" / "metadata.json").write_text(json.dumps(described))
    config = inference or zoo_inference(network_def, CT_TRANSFORMS, SOFTMAX)
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    state = network(unet()).state_dict() if weights is None else weights
    torch.save(state, folder / "models" / "model.pt")
    return folder
