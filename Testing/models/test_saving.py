from __future__ import annotations

import json

import pytest
import torch
from model_fakes import card, image, network, unet

from TransferRiskLib.errors import ModelError, StorageError
from TransferRiskLib.models import saving
from TransferRiskLib.models.bundle_card import derive_card
from TransferRiskLib.models.bundle_text import inference_config, metadata
from TransferRiskLib.models.card import Normalisation
from TransferRiskLib.models.card_files import card_to_json, read_card
from TransferRiskLib.models.composite import EepAveraged, StackedHead
from TransferRiskLib.models.export import to_torchscript
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle

EEP = {
    "_target_": "TransferRiskLib.models.composite.EepAveraged", "source": unet(out_channels=2),
    "adapted": unet(), "source_activation": "softmax", "eep_weight": 0.5, "targets": 3, "states": 2,
}  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    given = card(spacing=(1.0, 1.0, 2.0), contrasts=("T1",), description="Two halves of the hippocampus.")
    facts = {"cases": ["one", "two", "three"], "seed": 4, "source": "abc"}
    net = network(unet())
    return save_bundle(tmp_path / "toy", given, net, unet(), provenance=facts), given, net


def provenance(folder):
    return json.loads((folder / "configs" / "provenance.json").read_text())


@torch.no_grad()
def outputs(net):
    return net(image())


def test_a_saved_bundle_opens_to_the_same_predictions(saved):
    folder, given, net = saved
    model = open_model(folder)
    assert model.card == given
    assert model.config == unet()
    assert torch.equal(outputs(model.network), outputs(net))


def test_the_torchscript_beside_it_opens_alone(saved):
    folder, given, net = saved
    model = open_model(folder / "models" / "model.ts")
    assert model.card == given
    torch.testing.assert_close(outputs(model.network), outputs(net), rtol=0, atol=1e-5)


def test_an_averaged_network_travels_as_one_model(tmp_path):
    net = network(EEP)
    with torch.no_grad():
        net.eep_weight.fill_(0.3)
        net.conditional.copy_(torch.tensor([[0.9, 0.2], [0.1, 0.3], [0.0, 0.5]]))
    folder = save_bundle(tmp_path / "toy", card(), net, EEP)
    model = open_model(folder)
    assert isinstance(model.network, EepAveraged) and float(model.network.eep_weight) == pytest.approx(0.3)
    assert torch.equal(outputs(model.network), outputs(net))
    alone = torch.jit.load(str(folder / "models" / "model.ts"))
    torch.testing.assert_close(outputs(alone), outputs(net), rtol=0, atol=1e-5)
    assert provenance(folder)["torchscript"]["kind"] == "scripted"


def test_monai_parses_the_workflow_and_loads_the_weights(saved):
    from monai.bundle import ConfigParser

    folder, given, net = saved
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    parser.read_meta(folder / "configs" / "metadata.json")
    parser["bundle_root"] = str(folder)
    loaded = parser.get_parsed_content("network_def").eval()
    loaded.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    assert torch.equal(outputs(loaded), outputs(net))
    assert parser.get_parsed_content("inferer").roi_size == list(given.patch_size)
    names = [type(step).__name__ for step in parser.get_parsed_content("preprocessing").transforms]
    assert names == [
        "LoadImaged", "EnsureChannelFirstd", "Orientationd", "Spacingd", "NormalizeIntensityd", "EnsureTyped"
    ]  # fmt: skip
    assert len(parser.get_parsed_content("postprocessing").transforms) == 4


@pytest.mark.filterwarnings("ignore")
def test_monai_loads_and_verifies_the_bundle_itself(saved):
    import monai.bundle

    folder, given, net = saved
    loaded = monai.bundle.load(
        folder.name, bundle_dir=folder.parent, workflow_type="inference", source="github", device="cpu"
    )
    assert torch.equal(outputs(loaded.eval()), outputs(net))
    script, described, _ = monai.bundle.load(
        folder.name, bundle_dir=folder.parent, load_ts_module=True, source="github", device="cpu"
    )
    assert described["network_data_format"]["outputs"]["pred"]["channel_def"]["2"] == given.labels.names[2]
    torch.testing.assert_close(outputs(script), outputs(net), rtol=0, atol=1e-5)
    configs = folder / "configs"
    monai.bundle.verify_net_in_out(
        "network_def",
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
        device="cpu",
    )


@pytest.mark.parametrize(
    ("normalisation", "activation"),
    [
        (Normalisation("zscore", nonzero=True), "softmax"),
        (Normalisation("minmax"), "sigmoid"),
        (Normalisation("percentile", limits=(1.0, 99.0)), "softmax"),
        (Normalisation("window", limits=(-50.0, 150.0)), "softmax"),
        (Normalisation("none"), "softmax"),
    ],
)
def test_the_monai_files_alone_say_the_same_as_the_card(tmp_path, normalisation, activation):
    config = unet(in_channels=2, out_channels=3 if activation == "softmax" else 2)
    keep = ("posterior",) if activation == "softmax" else ()
    given = card(
        channels=("T1", "T2"), contrasts=("T1", "T2"), spacing=(1.0, 1.0, 1.5), orientation="LPS",
        normalisation=normalisation, activation=activation, architecture="UNet", description="A toy.",
        licence="CC0", citation="Nobody 2020", keep_largest=keep,
    )  # fmt: skip
    folder = save_bundle(tmp_path / "toy", given, network(config), config)
    (folder / "configs" / "card.json").unlink()
    assert card_to_json(read_card(folder)) == card_to_json(given)


def test_the_model_card_tells_what_a_reader_needs(saved):
    text = (saved[0] / "docs" / "README.md").read_text()
    for expected in ("not a medical device", "anterior", "T1", "1 x 1 x 2 mm", "3 labelled cases"):
        assert expected in text
    assert "| seed | 4 |" in text


def test_provenance_is_kept_and_undefined_numbers_become_null(tmp_path):
    facts = {"cases": ["one"], "scores": {"dice": 0.5, "hd95": float("nan")}}
    folder = save_bundle(tmp_path / "toy", card(), network(unet()), unet(), provenance=facts)
    kept = provenance(folder)
    assert kept["cases"] == ["one"] and kept["scores"] == {"dice": 0.5, "hd95": None}


def test_a_torchscript_network_with_a_new_head_is_saved_as_torchscript_alone(tmp_path):
    net = StackedHead(torch.jit.trace(network(unet()), image()), 3, 3).eval()
    folder = save_bundle(tmp_path / "toy", card(), net, None)
    assert not (folder / "models" / "model.pt").exists()
    model = open_model(folder)
    assert model.config is None
    torch.testing.assert_close(outputs(model.network), outputs(net), rtol=0, atol=1e-5)


def test_weights_of_another_network_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ModelError, match="do not fit"):
        save_bundle(tmp_path / "toy", card(), network(unet(num_res_units=0)), unet())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_typed_error_that_leaves_the_older_bundle(saved, monkeypatch):
    folder, given, net = saved

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(saving.torch, "save", full)
    with pytest.raises(StorageError, match="file write failed"):
        save_bundle(folder, given, network(unet(), seed=9), unet())
    monkeypatch.undo()
    assert [path.name for path in folder.parent.iterdir()] == ["toy"]
    assert torch.equal(outputs(open_model(folder).network), outputs(net))


class Unscriptable(torch.nn.Module):
    """Python that TorchScript cannot compile, but a trace can follow."""

    def forward(self, image):
        return sum(factor * image for factor in {"a": 1.0, "b": 2.0}.values())


class SizeDependent(torch.nn.Module):
    """A trace of it keeps a number that depends on the size of the traced image."""

    def forward(self, image):
        return image * (lambda **sizes: sizes["x"])(x=int(image.shape[2]))


def test_what_cannot_be_compiled_is_traced():
    script, kind, note = to_torchscript(Unscriptable(), (1, 4, 4, 4))
    assert kind == "traced" and note.startswith("scripted:")
    assert script is not None and torch.equal(script(image()), 3 * image())


def test_a_trace_that_only_fits_one_size_is_left_out():
    script, kind, note = to_torchscript(SizeDependent(), (1, 4, 4, 4), 2)
    assert script is None and kind == "none" and "traced: outputs differ" in note


def test_a_network_without_any_export_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "to_torchscript", lambda *_: (None, "none", "scripted: unsupported"))
    folder = save_bundle(tmp_path / "toy", card(), network(unet()), unet())
    assert not (folder / "models" / "model.ts").exists()
    assert "no TorchScript export: scripted: unsupported" in (folder / "docs" / "README.md").read_text()
    with pytest.raises(ModelError, match="without a definition"):
        save_bundle(tmp_path / "other", card(), network(unet()), None)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize(
    "normalisation",
    [
        Normalisation("zscore", nonzero=True, range=(-1.0, 1.0)),
        Normalisation("minmax", range=(-1.0, 1.0)),
        Normalisation("window", limits=(-5.0, 5.0), range=(0.0, 2.0)),
        Normalisation("percentile", limits=(1.0, 99.0)),
    ],
    ids=lambda value: value.kind,
)
@pytest.mark.parametrize("orientation", ["LPS", None])
def test_the_workflow_says_what_the_card_says(normalisation, orientation):
    given = card(normalisation=normalisation, orientation=orientation)
    derived = derive_card(metadata(given), inference_config(given, unet()), name="toy")
    assert (derived.normalisation, derived.orientation) == (normalisation, orientation)
