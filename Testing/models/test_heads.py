from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from model_fakes import card, image, network, unet

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.composite import StackedHead
from TransferRiskLib.models.heads import head_parameter_names, rebuild_for_labels
from TransferRiskLib.models.source_model import SourceModel

DYNUNET: dict[str, Any] = {
    "_target_": "monai.networks.nets.DynUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
    "kernel_size": [3, 3, 3, 3], "strides": [1, 2, 2, 2], "upsample_kernel_size": [2, 2, 2],
    "filters": [4, 6, 8, 8], "deep_supervision": True, "deep_supr_num": 1, "norm_name": "batch",
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "UNet": unet(num_res_units=0),
    "residual UNet": unet(num_res_units=2),
    "DynUNet": DYNUNET,
    "BasicUNet": {"_target_": "BasicUNet", "in_channels": 1, "out_channels": 3, "features": [4] * 6},
    "SegResNet": {
        "_target_": "SegResNet", "in_channels": 1, "out_channels": 3, "init_filters": 8,
        "blocks_down": [1, 1], "blocks_up": [1],
    },
    "SwinUNETR": {
        "_target_": "SwinUNETR", "in_channels": 1, "out_channels": 3, "feature_size": 12,
        "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "norm_name": "batch",
    },
}  # fmt: skip
NEEDS_EINOPS = pytest.mark.skipif(
    importlib.util.find_spec("einops") is None, reason="MONAI's transformers need einops"
)
ALL = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS_EINOPS if name == "SwinUNETR" else ()) for name in CONFIGS]
)
NAMES = ("anterior", "posterior")


def source(name: str) -> SourceModel:
    return SourceModel(card(*NAMES), network(CONFIGS[name]), CONFIGS[name])


def probe(name: str) -> torch.Tensor:
    return image(size=32 if name in ("SwinUNETR", "BasicUNet") else 16)


@torch.no_grad()
def run(net: torch.nn.Module, name: str) -> torch.Tensor:
    return net(probe(name))


@ALL
def test_unchanged_labels_give_the_same_output_bit_for_bit(name):
    model = source(name)
    rebuilt, config, matched = rebuild_for_labels(model, model.card.labels)
    assert torch.equal(run(rebuilt, name), run(model.network, name))
    assert config == model.config
    assert matched == ("background", *NAMES)


@ALL
def test_labels_in_another_order_permute_the_outputs(name):
    model = source(name)
    rebuilt, _, matched = rebuild_for_labels(model, LabelScheme.of("Posterior", "anterior"))
    torch.testing.assert_close(
        run(rebuilt, name), run(model.network, name)[:, [0, 2, 1]], rtol=1e-4, atol=1e-4
    )
    assert matched == ("background", "Posterior", "anterior")


@ALL
def test_other_labels_get_new_rows_and_everything_else_is_kept(name):
    model = source(name)
    target = LabelScheme.of("lesion", "posterior", "cyst", "vessel")
    rebuilt, config, matched = rebuild_for_labels(model, target, seed=5)
    assert config is not None and config["out_channels"] == 5
    assert run(rebuilt, name).shape[1] == 5
    assert matched == ("background", "posterior")
    head = head_parameter_names(config)
    old, new = model.network.state_dict(), rebuilt.state_dict()
    assert head and set(old) == set(new)
    for key in old:
        if key in head:
            assert old[key].shape != new[key].shape
        else:
            assert torch.equal(old[key], new[key]), key


@ALL
def test_rows_of_matching_labels_move_to_their_new_places(name):
    model = source(name)
    rebuilt, config, _ = rebuild_for_labels(model, LabelScheme.of("lesion", "posterior", "cyst"))
    assert config is not None
    old, new = model.network.state_dict(), rebuilt.state_dict()
    for key in head_parameter_names(config):
        a, b = old[key], new[key]
        for dim in range(a.ndim):
            if a.shape[dim] != b.shape[dim]:
                a, b = a.index_select(dim, torch.tensor([0, 2])), b.index_select(dim, torch.tensor([0, 2]))
        assert torch.equal(a, b), key


@ALL
def test_a_head_that_is_not_kept_is_new_and_follows_the_seed(name):
    model = source(name)
    first, _, matched = rebuild_for_labels(model, model.card.labels, keep_matching=False, seed=1)
    again, _, _ = rebuild_for_labels(model, model.card.labels, keep_matching=False, seed=1)
    other, _, _ = rebuild_for_labels(model, model.card.labels, keep_matching=False, seed=2)
    assert matched == ()
    assert torch.equal(run(first, name), run(again, name))
    assert not torch.equal(run(first, name), run(other, name))
    assert not torch.equal(run(first, name), run(model.network, name))


def test_the_heads_are_what_follows_the_number_of_outputs():
    assert head_parameter_names(CONFIGS["BasicUNet"]) == {"final_conv.weight", "final_conv.bias"}
    assert any(name.startswith("deep_supervision_heads.") for name in head_parameter_names(DYNUNET))
    assert "model.2.0.adn.N.running_mean" in head_parameter_names(CONFIGS["residual UNet"])


def test_the_global_random_state_is_left_alone():
    model = source("UNet")
    before = torch.random.get_rng_state()
    rebuild_for_labels(model, LabelScheme.of("lesion"), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_rows_of_sigmoid_models_mean_something_else_and_are_not_kept():
    config = unet(out_channels=2)
    model = SourceModel(card(*NAMES, activation="sigmoid"), network(config), config)
    rebuilt, changed, matched = rebuild_for_labels(model, model.card.labels)
    assert matched == ()
    assert changed == unet(out_channels=3)
    assert rebuilt(image()).shape[1] == 3


def test_torchscript_gets_a_head_after_its_outputs_that_selects_matching_labels():
    net = network(unet())
    model = SourceModel(card(*NAMES), torch.jit.trace(net, image()))
    rebuilt, config, matched = rebuild_for_labels(model, LabelScheme.of("posterior", "lesion"))
    assert isinstance(rebuilt, StackedHead) and config is None
    assert matched == ("background", "posterior")
    with torch.no_grad():
        outputs = rebuilt(image())
        torch.testing.assert_close(outputs[:, :2], net(image())[:, [0, 2]])
    assert outputs.shape[1] == 3
    assert head_parameter_names(None) <= set(rebuilt.state_dict())
    rebuilt(image()).square().sum().backward()
    assert all(weight.is_leaf and weight.grad is not None for weight in rebuilt.parameters())


def test_the_torchscript_source_itself_is_not_touched_by_training_the_copy():
    script = torch.jit.trace(network(unet()), image())
    before = script(image())
    rebuilt, _, _ = rebuild_for_labels(SourceModel(card(*NAMES), script), LabelScheme.of("lesion"))
    with torch.no_grad():
        for weight in rebuilt.parameters():
            weight.add_(1.0)
    assert torch.equal(script(image()), before)


def test_of_an_averaged_model_the_adapted_network_goes_on():
    config = {
        "_target_": "TransferRiskLib.models.composite.EepAveraged", "source": unet(out_channels=2),
        "adapted": unet(), "source_activation": "softmax", "eep_weight": 0.5, "targets": 3, "states": 2,
    }  # fmt: skip
    model = SourceModel(card(*NAMES), network(config), config)
    rebuilt, changed, _ = rebuild_for_labels(model, model.card.labels)
    assert changed == unet()
    assert torch.equal(rebuilt(image()), model.network.adapted(image()))
    assert head_parameter_names(config) == {f"adapted.{name}" for name in head_parameter_names(unet())}


def test_a_network_without_a_known_number_of_outputs_is_refused():
    with pytest.raises(ModelError, match="not known how"):
        head_parameter_names({"_target_": "Generator"})
