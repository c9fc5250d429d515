from __future__ import annotations

import hashlib
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

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.card_files import EXTRA_FILE, card_to_json
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel, probe_shape


def save_script(path, net, extra=None):
    torch.jit.save(torch.jit.trace(net, image(first_channels(net))), str(path), _extra_files=extra or {})
    return path


def first_channels(net):
    return next(p.shape[1] for p in net.parameters() if p.ndim == 5)


def test_a_zoo_bundle_predicts_with_its_weights(tmp_path):
    model = open_model(write_zoo_bundle(tmp_path / "toy"))
    expected = torch.softmax(network(unet())(image()), 1)
    torch.testing.assert_close(model.probabilities(image()), expected, rtol=0, atol=1e-6)
    assert model.states == ("background", "anterior", "posterior")
    assert not model.network.training
    assert model.config == unet()
    weights = (tmp_path / "toy" / "models" / "model.pt").read_bytes()
    assert model.digest == hashlib.sha256(weights).hexdigest()


@pytest.mark.parametrize("inside", ["configs/metadata.json", "models/model.pt", "configs"])
def test_a_path_inside_a_bundle_means_the_bundle(tmp_path, inside):
    write_zoo_bundle(tmp_path / "toy")
    assert open_model(tmp_path / "toy" / inside).card.name == "toy"


@pytest.mark.parametrize("key", ["state_dict", "model", "network"])
def test_weights_within_a_checkpoint_are_found(tmp_path, key):
    state = {f"module.{name}": value for name, value in network(unet()).state_dict().items()}
    model = open_model(write_zoo_bundle(tmp_path / "toy", weights={key: state, "epoch": 3}))
    assert torch.equal(model.network(image()), network(unet())(image()))


def test_references_and_literals_in_the_definition_are_resolved(tmp_path):
    definition = unet(out_channels="@classes", strides="$[2, 2]", in_channels="$@inputs")
    config = zoo_inference(definition, [], SOFTMAX)
    config |= {"classes": 3, "inputs": 1}
    config["preprocessing"]["transforms"] = [{"_target_": "ScaleIntensityd"}]
    model = open_model(write_zoo_bundle(tmp_path / "toy", inference=config))
    assert model.config == unet()


def test_a_yaml_configuration_is_read(tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = write_zoo_bundle(tmp_path / "toy")
    old = folder / "configs" / "inference.json"
    old.with_suffix(".yaml").write_text(yaml.safe_dump(json.loads(old.read_text())))
    old.unlink()
    assert open_model(folder).card.spacing == (1.5, 1.5, 2.0)


def test_a_card_of_ours_in_the_bundle_wins(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    (folder / "configs" / "card.json").write_text(json.dumps(card_to_json(card("CA", "SUB", name="mine"))))
    assert open_model(folder).states == ("background", "CA", "SUB")


def test_sigmoid_regions_become_exclusive_states(tmp_path):
    folder = write_zoo_bundle(
        tmp_path / "toy",
        weights=network(unet(out_channels=2)).state_dict(),
        metadata=zoo_metadata(["T1"], ["core", "edema"], [16] * 3),
        inference=zoo_inference(unet(out_channels=2), [{"_target_": "ScaleIntensityd"}], SIGMOID),
    )
    model = open_model(folder)
    probabilities = model.probabilities(image())
    assert model.states == ("background", "core", "edema", "core+edema")
    assert probabilities.shape == (1, 4, 16, 16, 16)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 16, 16, 16))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (unet(channels=[4, 6, 10]), r"shapes: .*model\."),
        (unet(num_res_units=0), r"missing: .*unexpected: .* and \d+ more"),
        (unet(in_channels=2), "takes 2 input channels, but the card names 1"),
        (unet(out_channels=4), "gives 4 outputs"),
        (unet(no_such_argument=1), "cannot be built"),
    ],
)
def test_a_definition_that_does_not_fit_is_explained(tmp_path, definition, message):
    with pytest.raises(ModelError, match=message) as caught:
        open_model(write_zoo_bundle(tmp_path / "toy", definition, weights=network(unet()).state_dict()))
    assert caught.value.file and caught.value.hint


def test_a_torchscript_with_its_card_inside_predicts(tmp_path):
    net = network(unet())
    path = save_script(tmp_path / "toy.ts", net, {EXTRA_FILE: json.dumps(card_to_json(card()))})
    model = open_model(path)
    assert model.config is None
    torch.testing.assert_close(model.probabilities(image()), torch.softmax(net(image()), 1))


def test_a_torchscript_with_its_card_beside_it_predicts(tmp_path):
    path = save_script(tmp_path / "toy.pt", network(unet()))
    with pytest.raises(ModelError, match="has no card") as caught:
        open_model(path)
    assert "toy.card.json" in caught.value.hint
    (tmp_path / "toy.card.json").write_text(
        '{"name": "toy", "channels": ["T1"], "labels": ["background", "a", "b"], "patch_size": [16, 16, 16], '
        '"divisible_by": 4}'
    )
    assert open_model(path).states == ("background", "a", "b")


def test_a_torchscript_that_wants_other_channels_is_refused_on_opening(tmp_path):
    path = save_script(
        tmp_path / "toy.ts", network(unet(in_channels=4)), {EXTRA_FILE: json.dumps(card_to_json(card()))}
    )
    with pytest.raises(ModelError, match=r"wants 4 input channels, but its card names 1 \(T1\)"):
        open_model(path)


def test_a_torchscript_that_gives_other_outputs_is_refused_on_opening(tmp_path):
    path = save_script(
        tmp_path / "toy.ts", network(unet(out_channels=5)), {EXTRA_FILE: json.dumps(card_to_json(card()))}
    )
    with pytest.raises(ModelError, match=r"gives 5 output channels.* mean 3"):
        open_model(path)


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_truncated_torchscript_is_a_typed_error(tmp_path, kept):
    path = save_script(tmp_path / "toy.ts", network(unet()), {EXTRA_FILE: json.dumps(card_to_json(card()))})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelError, match="not a TorchScript"):
        open_model(path)


def test_truncated_weights_are_a_typed_error(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    weights = folder / "models" / "model.pt"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read") as caught:
        open_model(folder)
    assert "truncated" in caught.value.hint and caught.value.file == str(weights)


@pytest.mark.parametrize(
    ("broken", "message"),
    [("models/model.pt", "no weights"), ("configs/inference.json", "preprocessing is not a list")],
)
def test_a_missing_part_of_a_bundle_is_named(tmp_path, broken, message):
    folder = write_zoo_bundle(tmp_path / "toy")
    (folder / broken).unlink()
    with pytest.raises(ModelError, match=message):
        open_model(folder)


def test_a_bundle_without_network_is_refused(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    (folder / "configs" / "card.json").write_text(json.dumps(card_to_json(card())))
    (folder / "configs" / "inference.json").unlink()
    with pytest.raises(ModelError, match="does not define its network"):
        open_model(folder)


def test_malformed_json_is_a_typed_error(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    (folder / "configs" / "metadata.json").write_text('{"version": ')
    with pytest.raises(ModelError, match="not valid JSON"):
        open_model(folder)


def test_weights_alone_and_folders_that_are_no_bundles_are_explained(tmp_path):
    torch.save(network(unet()).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="weights without a network"):
        open_model(tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="not a MONAI bundle"):
        open_model(tmp_path)
    with pytest.raises(ModelError, match="no such model"):
        open_model(tmp_path / "absent")


def test_a_batch_with_other_channels_is_refused():
    model = SourceModel(card(), network(unet()))
    with pytest.raises(ModelError, match="2 channels instead of 1"):
        model.probabilities(image(2))


@pytest.mark.parametrize(
    ("patch", "step", "expected"),
    [((16, 16, 16), 4, (16, 16, 16)), ((64, 64, 32), 32, (64, 64, 32)), ((96, 96, 96), 1, (16, 16, 16)),
     ((90, 90, 90), 6, (18, 18, 18))],
)  # fmt: skip
def test_the_probe_is_small_and_allowed_by_the_card(patch, step, expected):
    assert probe_shape(card(patch_size=patch, divisible_by=step)) == expected


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "net.", "model.network."])
def test_a_prefix_that_all_weights_share_is_taken_off(tmp_path, prefix):
    state = {prefix + name: value for name, value in network(unet()).state_dict().items()}
    model = open_model(write_zoo_bundle(tmp_path / "toy", weights={"model": {"state_dict": state}}))
    assert torch.equal(model.network(image()), network(unet())(image()))


@pytest.mark.parametrize(
    "path", ["$@bundle_root + '/models/tuned.pt'", "./models/tuned.pt", "$@ckpt_dir + '/' + @name"]
)
def test_weights_of_another_name_are_those_that_the_configuration_loads(tmp_path, path):
    config = zoo_inference(unet(), [{"_target_": "ScaleIntensityd"}], SOFTMAX)
    config |= {"bundle_root": "/workspace", "ckpt_dir": "$@bundle_root + '/models'", "name": "tuned.pt"}
    config["handlers"] = [
        {"_target_": "CheckpointLoader", "load_path": path, "load_dict": {"model": "@network"}}
    ]
    folder = write_zoo_bundle(
        tmp_path / "toy", inference=config, weights=network(unet(), seed=1).state_dict()
    )
    torch.save(network(unet()).state_dict(), folder / "models" / "tuned.pt")
    model = open_model(folder)
    assert torch.equal(model.network(image()), network(unet())(image()))
    assert model.digest == hashlib.sha256((folder / "models" / "tuned.pt").read_bytes()).hexdigest()
    assert open_model(folder / "models" / "tuned.pt").card.name == "toy"


def test_the_only_weights_file_is_taken_and_of_several_none(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    (folder / "models" / "model.pt").rename(folder / "models" / "fold0.pth")
    assert open_model(folder).card.name == "toy"
    torch.save({}, folder / "models" / "fold1.pth")
    with pytest.raises(ModelError, match=r"several files of weights \(fold0.pth, fold1.pth\)"):
        open_model(folder)


@torch.no_grad()
def test_a_bundle_with_a_network_of_its_own_opens_by_its_torchscript(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy", unet(_target_="scripts.networks.Mine"))
    with pytest.raises(UntrustedModelError, match=r"'scripts.networks.Mine' is code that comes") as caught:
        open_model(folder)
    assert "ckpt_export" in caught.value.hint
    save_script(folder / "models" / "model.ts", network(unet()))
    model = open_model(folder)
    assert model.config is None
    torch.testing.assert_close(model.network(image()), network(unet())(image()))


def test_a_network_for_2d_images_is_named_as_one(tmp_path):
    with pytest.raises(ModelError, match="takes 2-D images"):
        open_model(write_zoo_bundle(tmp_path / "toy", unet(spatial_dims=2)))


def test_definitions_behind_macros_and_idioms_are_resolved(tmp_path):
    config = zoo_inference("%parts#net", [{"_target_": "ScaleIntensityd"}], SOFTMAX)
    config["labels"] = {"background": 0, "anterior": 1, "posterior": 2}
    config["parts"] = {"net": unet(out_channels="$len(@labels)", in_channels="@##inputs"), "inputs": 1}
    model = open_model(write_zoo_bundle(tmp_path / "toy", inference=config))
    assert model.config == unet()
