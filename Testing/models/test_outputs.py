"""Networks with several outputs, and outputs in another order than the labels."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from model_fakes import (
    SIGMOID,
    SOFTMAX,
    card,
    image,
    network,
    unet,
    write_zoo_bundle,
    zoo_inference,
    zoo_metadata,
)
from torch import nn

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import EXTRA_FILE, card_to_json
from TransferRiskLib.models.composite import EepAveraged, PickedOutput
from TransferRiskLib.models.heads import head_parameter_names, rebuild_for_labels
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.outputs import with_one_output
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.models.source_model import SourceModel

SCALED = [{"_target_": "ScaleIntensityd", "keys": "image"}]
NESTED_UNET = {"_target_": "BasicUNetPlusPlus", "in_channels": 1, "out_channels": 3, "features": [4] * 6,
               "deep_supervision": True}  # fmt: skip


def write_tumour_bundle(folder):
    """Sigmoids of tumour core, whole tumour, enhancing tumour in this order."""
    return write_zoo_bundle(
        folder,
        weights=network(unet()).state_dict(),
        metadata=zoo_metadata(["T1c"], ["Tumor core", "Whole tumor", "Enhancing tumor"], [16] * 3),
        inference=zoo_inference(unet(), SCALED, SIGMOID),
    )


@torch.no_grad()
def test_tumour_regions_become_states_from_the_outside_in(tmp_path):
    model = open_model(write_tumour_bundle(tmp_path / "toy"))
    assert model.states == ("background", "Whole tumor", "Tumor core", "Enhancing tumor")
    assert model.card.output_order == ()  # what is opened is in order
    core, whole, enhancing = torch.sigmoid(network(unet())(image()))[0]
    core = torch.minimum(core, whole)
    enhancing = torch.minimum(enhancing, core)
    expected = torch.stack([1 - whole, whole - core, core - enhancing, enhancing])
    torch.testing.assert_close(model.probabilities(image())[0], expected, atol=1e-6, rtol=0)


def test_a_model_adapted_from_reordered_outputs_is_a_plain_network_of_the_same_weights(tmp_path):
    model = open_model(write_tumour_bundle(tmp_path / "toy"))
    rebuilt, config, kept = rebuild_for_labels(model, LabelScheme.of("cyst"))
    assert config == unet(out_channels=2) and kept == ()
    head = head_parameter_names(config)
    for name, value in rebuilt.state_dict().items():
        assert name in head or torch.equal(value, network(unet()).state_dict()[name])


@torch.no_grad()
def test_reordered_softmax_rows_move_with_their_labels(tmp_path):
    metadata = zoo_metadata(["T1"], ["anterior", "background", "posterior"], [16] * 3)
    definition = unet(num_res_units=0)  # its last layer has a row for each output
    net = network(definition)
    model = open_model(
        write_zoo_bundle(tmp_path / "toy", definition, metadata=metadata, weights=net.state_dict())
    )
    logits = net(image())
    assert model.card.labels.names == ("background", "anterior", "posterior")
    assert torch.equal(model.network(image()), logits[:, [1, 0, 2]])
    rebuilt, _, kept = rebuild_for_labels(model, LabelScheme.of("posterior"))
    assert kept == ("background", "posterior")
    torch.testing.assert_close(rebuilt(image()), logits[:, [1, 2]])


@torch.no_grad()
def test_an_eep_average_over_reordered_outputs_is_saved_and_opened(tmp_path):
    model = open_model(write_tumour_bundle(tmp_path / "toy"))
    adapted = network(unet(out_channels=2), seed=1)
    config = {
        "_target_": "TransferRiskLib.models.composite.EepAveraged", "source": model.config,
        "adapted": unet(out_channels=2), "source_activation": "nested", "eep_weight": 0.5, "targets": 2,
        "states": 4,
    }  # fmt: skip
    net = EepAveraged(
        model.network, adapted, "nested", 0.5, 2, 4, [[0.9, 0.2, 0.1, 0.4], [0.1, 0.8, 0.9, 0.6]]
    )
    folder = save_bundle(tmp_path / "saved", card("cyst"), net.eval(), config)
    assert torch.equal(open_model(folder).network(image()), net(image()))


@torch.no_grad()
@pytest.mark.parametrize("deep", [True, False])
def test_of_a_unet_plus_plus_the_deepest_output_is_taken(tmp_path, deep):
    definition = {**NESTED_UNET, "deep_supervision": deep}
    net = network(definition)
    config = zoo_inference(definition, SCALED, SOFTMAX)
    config["inferer"]["roi_size"] = [32, 32, 32]
    model = open_model(write_zoo_bundle(tmp_path / "toy", inference=config, weights=net.state_dict()))
    probe = image(size=32)
    assert torch.equal(model.network(probe), net(probe)[-1])
    rebuilt, config, kept = rebuild_for_labels(model, LabelScheme.of("posterior"))
    assert kept == ("background", "posterior")
    torch.testing.assert_close(rebuilt(probe), net(probe)[-1][:, [0, 2]])
    assert head_parameter_names(config) <= set(rebuilt.state_dict())
    assert config["source"] == {**definition, "out_channels": 2}


class Several(nn.Module):
    """A network whose outputs are wrapped by `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.inner, self.kind = nn.Conv3d(1, 3, 1), kind

    def forward(self, batch):
        full = self.inner(batch)
        half = nn.functional.avg_pool3d(full, 2)
        return {
            "list": [full, half],
            "last": [half, full],
            "named": {"features": batch, "pred": full, "other": full * 2},
            "none": (full, None),
            "double": [full, full * 2],
            "small": [half, half],
            "text": "nothing",
        }[self.kind]


@torch.no_grad()
@pytest.mark.parametrize(("kind", "key"), [("list", 0), ("last", 1), ("named", "pred"), ("none", 0)])
def test_the_output_of_the_images_size_and_the_cards_channels_is_taken(kind, key):
    net = Several(kind)
    model = with_one_output(SourceModel(card(), net))
    assert isinstance(model.network, PickedOutput) and model.network.key == key
    assert torch.equal(model.network(image()), net.inner(image()))
    model.verify()


@pytest.mark.parametrize(
    ("kind", "message"), [("double", "which of them"), ("small", "none of the shape"), ("text", "none of")]
)
def test_outputs_that_do_not_tell_which_is_meant_are_refused_with_their_shapes(kind, message):
    with pytest.raises(ModelError, match=message) as caught:
        with_one_output(SourceModel(card(), Several(kind)))
    assert "only output" in caught.value.hint


@torch.no_grad()
def test_a_torchscript_with_several_outputs_in_another_order_is_opened(tmp_path):
    net = Several("last")
    given = dataclasses.replace(card(), activation="nested", labels=LabelScheme.of("a", "b", "c"),
                                output_order=(2, 0, 1))  # fmt: skip
    extras = {EXTRA_FILE: json.dumps(card_to_json(given))}
    torch.jit.save(torch.jit.trace(net, image()), str(tmp_path / "toy.ts"), _extra_files=extras)
    model = open_model(tmp_path / "toy.ts")
    torch.testing.assert_close(model.network(image()), net.inner(image())[:, [2, 0, 1]])
    assert model.states == ("background", "a", "b", "c")
    rebuilt, config, _ = rebuild_for_labels(model, LabelScheme.of("cyst"))
    assert config is None and rebuilt(image()).shape[1] == 2


@pytest.mark.parametrize("order", [(0, 0), (0,), (1, 2)])
def test_an_order_that_does_not_name_every_output_once_is_refused(order):
    with pytest.raises(ModelError, match="each of the outputs 0 to 1 once"):
        ModelCard("toy", ("T1",), LabelScheme.of("a", "b"), activation="nested", output_order=order)
