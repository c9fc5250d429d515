"""Named networks: planned as they should be, buildable, and with a head that can be exchanged."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from experiments.config import NetworkSpec
from experiments.networks import plan_levels, plan_network
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.heads import head_parameter_names
from TransferRiskLib.models.networks import build_network

PATCH = {"unet": 16, "dynunet": 16, "segresnet": 16, "swinunetr": 64}


def test_levels_of_an_isotropic_patch_end_at_four_voxels() -> None:
    kernels, strides = plan_levels((32, 40, 32), (1, 1, 1), 9)
    assert strides == [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]], "4, 5 and 4 voxels are left"
    assert kernels == [[3, 3, 3]] * 4
    assert plan_levels((32, 40, 32), (1, 1, 1), 3)[1] == strides[:3]
    assert plan_levels((32, 20, 12), (1, 1, 1), 9)[1][1:] == [[2, 2, 2], [2, 2, 1], [2, 1, 1]], (
        "odd or too short"
    )


def test_coarse_axes_wait_for_the_fine_ones() -> None:
    """At 0.5, 0.5 and 2 mm the third axis is neither mixed nor halved before the others reach 1 mm."""
    kernels, strides = plan_levels((64, 64, 16), (0.5, 0.5, 2.0), 4)
    assert kernels == [[3, 3, 1], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert strides == [[1, 1, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]]


@pytest.mark.parametrize("kind", PATCH)
@pytest.mark.parametrize("size", ["small", "paper"])
def test_every_network_is_planned(kind: Any, size: Any) -> None:
    edge = 128 if size == "paper" else PATCH[kind]
    config, divisible = plan_network(NetworkSpec(kind, size), (edge,) * 3, (1, 1, 1), 2, 3)
    assert config["in_channels"] == 2
    assert config["out_channels"] == 3
    assert edge % divisible == 0


@pytest.mark.parametrize("kind", PATCH)
def test_every_small_network_is_built_with_a_head(kind: Any) -> None:
    config, _ = plan_network(NetworkSpec(kind), (PATCH[kind],) * 3, None, 1, 2)
    head = head_parameter_names(config)
    assert head
    assert len(head) < len(build_network(config).state_dict()) / 4


@pytest.mark.parametrize("kind", ["unet", "dynunet", "segresnet"])
def test_small_networks_keep_the_size_of_a_patch(kind: Any) -> None:
    config, _ = plan_network(NetworkSpec(kind), (16,) * 3, None, 1, 2)
    with torch.no_grad():
        assert build_network(config)(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)


def test_levels_of_a_plain_unet_decide_what_patches_it_takes() -> None:
    config, divisible = plan_network(NetworkSpec("unet", "paper", levels=4), (64,) * 3, None, 1, 2)
    assert config["channels"] == [32, 64, 128, 256]
    assert divisible == math.prod(config["strides"]) == 8


def test_filters_stop_growing() -> None:
    config, divisible = plan_network(NetworkSpec("dynunet", "paper"), (128,) * 3, None, 1, 2)
    assert config["filters"] == [32, 64, 128, 256, 320, 320]
    assert divisible == 32


def test_a_definition_is_taken_as_it_stands() -> None:
    given = {"_target_": "monai.networks.nets.BasicUNet", "features": [4, 4, 4, 4, 4, 4]}
    spec = NetworkSpec("definition", definition=given, divisible_by=16)
    config, divisible = plan_network(spec, (16,) * 3, None, 2, 4)
    assert config == {**given, "spatial_dims": 3, "in_channels": 2, "out_channels": 4}
    assert divisible == 16
    with pytest.raises(SettingsError, match="definition"):
        plan_network(NetworkSpec("definition"), (16,) * 3, None, 1, 2)
