"""Model files that try to run code of their own."""

from __future__ import annotations

import builtins
import json
import pickle
from pathlib import Path

import pytest
import torch
from model_fakes import SOFTMAX, card, unet, write_zoo_bundle, zoo_inference

from TransferRiskLib.errors import UntrustedModelError
from TransferRiskLib.models.card_files import EXTRA_FILE, card_to_json
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.torchscript import outside_operator


class Malicious:
    """A pickle of this creates a file wherever it is loaded."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self):
        return (builtins.open, (str(self.flag), "w"))


class SavingNetwork(torch.nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, image):
        torch.save(image, self.path)
        return image


class MappingNetwork(SavingNetwork):
    def forward(self, image):
        return image + torch.from_file(self.path, True, 1)


def test_the_malicious_pickle_works_where_it_is_loaded_carelessly(tmp_path):
    pickle.loads(pickle.dumps(Malicious(tmp_path / "flag"))).close()
    assert (tmp_path / "flag").exists()


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, writer):
    folder = write_zoo_bundle(tmp_path / "toy", weights={"state_dict": {}, "x": Malicious(tmp_path / "flag")})
    if writer == "pickle":
        (folder / "models" / "model.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "flag"), protocol=2))
    with pytest.raises(UntrustedModelError, match="could run code"):
        open_model(folder)
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize(
    "definition",
    [
        unet(out_channels="$__import__('os').system('touch flag') or 3"),
        "$__import__('os').system('touch flag')",
        unet(_target_="os.system", command="touch flag"),
        unet(_target_="scripts.networks.MyNet"),
        unet(_target_="monai.networks.nets.torch.load"),
        unet(_target_="monai.networks.blocks.Convolution"),
        unet(_target_="monai.networks.nets.TorchVisionFCModel"),
        unet(_target_="monai.networks.nets.unet.optional_import"),
        unet(_requires_="@evil"),
        unet(_mode_="callable"),
        unet(act={"_target_": "subprocess.run", "args": ["touch", "flag"]}),
        {"_target_": "ResNet", "block": "basic", "layers": [1] * 4, "block_inplanes": [4], "pretrained": "w"},
        {"_target_": "TransferRiskLib.models.composite.EepAveraged", "source": {"_target_": "os.getcwd"},
         "adapted": unet(), "source_activation": "softmax", "eep_weight": 0.5, "targets": 3, "states": 3},
    ],
)  # fmt: skip
def test_definitions_that_ask_for_more_than_a_listed_network_are_refused(tmp_path, monkeypatch, definition):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UntrustedModelError):
        open_model(write_zoo_bundle(tmp_path / "toy", definition))
    assert not (tmp_path / "flag").exists()


def test_expressions_outside_the_network_are_ignored(tmp_path):
    folder = write_zoo_bundle(tmp_path / "toy")
    path = folder / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["initialize"] = [f"$open({str(tmp_path / 'flag')!r}, 'w')"]
    config["imports"] = ["$import scripts"]
    path.write_text(json.dumps(config))
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text(f"open({str(tmp_path / 'flag')!r}, 'w')")
    open_model(folder)
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize("kind", [SavingNetwork, MappingNetwork])
def test_a_torchscript_that_writes_files_is_refused(tmp_path, kind):
    script = torch.jit.script(kind(str(tmp_path / "flag")))
    extras = {EXTRA_FILE: json.dumps(card_to_json(card()))}
    torch.jit.save(script, str(tmp_path / "toy.ts"), _extra_files=extras)
    with pytest.raises(UntrustedModelError, match="reaches outside"):
        open_model(tmp_path / "toy.ts")
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = torch.add(a, b)\ny = ops.prim.NumToTensor(x)", None),
        ("torch . save(x, 'f')", "save"),
        ("torch.#\n  from_file('f')", "from_file"),
        ("ops.symm_mem.get(x)", "ops.symm_mem"),
        ("ops.#\nsymm_mem.get(x)", "ops"),
        ("x : __torch__.torch.classes.evil.Class", "torch.classes"),
    ],
)
def test_operators_that_leave_the_network_are_found_in_the_source(code, expected):
    assert outside_operator(code) == expected


def test_pretrained_weights_are_never_fetched_by_default():
    config = {"_target_": "FlexibleUNet", "in_channels": 1, "out_channels": 2, "backbone": "efficientnet-b0",
              "spatial_dims": 3, "decoder_channels": [4, 4, 4, 4, 4]}  # fmt: skip
    assert build_network(config).training is False
    with pytest.raises(UntrustedModelError, match="weights from elsewhere"):
        build_network({**config, "pretrained": True})


def test_an_expression_behind_a_reference_is_refused(tmp_path):
    config = zoo_inference(unet(out_channels="@classes"), [{"_target_": "ScaleIntensityd"}], SOFTMAX)
    config["classes"] = "$2 + 1"
    with pytest.raises(UntrustedModelError, match=r"network_def#out_channels is the expression '\$2 \+ 1'"):
        open_model(write_zoo_bundle(tmp_path / "toy", inference=config))
