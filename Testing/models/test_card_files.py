from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from locked import lock
from model_fakes import card, image, network, unet, write_zoo_bundle, zoo_inference, zoo_metadata

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card_files import (
    EXTRA_FILE,
    card_from_json,
    card_to_json,
    list_models,
    read_card,
    torchscript_extras,
)

ROOT = Path(__file__).resolve().parents[2]


def script(path: Path, **extras: str) -> Path:
    files = {name.replace("__", "."): text for name, text in extras.items()}
    torch.jit.save(torch.jit.trace(network(unet()), image()), str(path), _extra_files=files)
    return path


def test_a_card_survives_json():
    given = card("a", "b", activation="nested", spacing=(1.0, 2.0, 3.0), contrasts=("T1",))
    assert card_from_json(json.loads(json.dumps(card_to_json(given)))) == given


@pytest.mark.parametrize("orientation", ["XYZ", "RLS", "RA", "ras"])
def test_a_card_with_no_orientation_is_refused(orientation):
    with pytest.raises(ModelError, match="which is none"):
        card("a", orientation=orientation)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_a_card_with_an_impossible_spacing_is_refused(step):
    with pytest.raises(ModelError, match="spacing that is not positive"):
        card("a", spacing=(1.0, step, 1.0))


def test_labels_may_be_a_list_of_names():
    short = {"name": "x", "channels": ["CT"], "labels": ["background", "liver"]}
    assert card_from_json(short).labels.names == ("background", "liver")
    with pytest.raises(ModelError, match="first label is 'liver'"):
        card_from_json({**short, "labels": ["liver", "spleen"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "relu"}, "activation"),
        ({"spacings": [1, 1, 1]}, "spacings"),
        ({"labels": None}, "labels"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(change, message):
    value = {"name": "x", "channels": ["CT"], "labels": ["background", "liver"], **change}
    with pytest.raises(ModelError, match=message) as caught:
        card_from_json(value, Path("card.json"))
    assert caught.value.file == "card.json" and caught.value.hint


def test_extra_files_of_an_archive_are_read_without_loading_it(tmp_path):
    path = script(tmp_path / "toy.ts", transferrisk_card__json=json.dumps(card_to_json(card())))
    assert set(torchscript_extras(path)) == {EXTRA_FILE}
    assert read_card(path) == card()


def test_the_metadata_of_a_monai_export_makes_a_card(tmp_path):
    final = {"_target_": "AsDiscreted", "argmax": True}
    inference = zoo_inference(unet(), [{"_target_": "ScaleIntensityd"}], final)
    path = script(
        tmp_path / "toy.ts",
        metadata__json=json.dumps(zoo_metadata(["T1"], ["background", "a", "b"], [16, 16, 16])),
        inference__json=json.dumps(inference),
    )
    derived = read_card(path)
    assert derived.labels.names == ("background", "a", "b")
    assert derived.normalisation.kind == "minmax"


def test_a_folder_lists_its_models_and_what_is_wrong_with_them(tmp_path):
    write_zoo_bundle(tmp_path / "b_zoo")
    script(tmp_path / "a_script.ts", transferrisk_card__json=json.dumps(card_to_json(card(name="scripted"))))
    (tmp_path / "c_broken.ts").write_bytes(b"nothing")
    shutil.make_archive(str(tmp_path / "d_packed"), "zip", tmp_path, "b_zoo")
    shutil.make_archive(str(tmp_path / "e_images"), "zip", tmp_path / "b_zoo" / "models")
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "images").mkdir()
    listed = list_models(tmp_path)
    assert [path.name for path, _ in listed] == ["a_script.ts", "b_zoo", "c_broken.ts", "d_packed.zip"]
    assert [getattr(found, "name", None) for _, found in listed] == ["scripted", "b_zoo", None, "b_zoo"]
    assert isinstance(listed[2][1], ModelError)
    assert list_models(tmp_path / "absent") == []


def test_what_cannot_be_read_is_left_out_of_a_list_unless_it_is_a_model(tmp_path, monkeypatch):
    write_zoo_bundle(tmp_path / "own")
    write_zoo_bundle(tmp_path / "closed")
    (tmp_path / "closed.ts").write_bytes(b"model")
    lock(monkeypatch, tmp_path / "closed")
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: real(_denied(self), *a, **k))
    listed = list_models(tmp_path)
    assert [path.name for path, _ in listed] == ["closed.ts", "own"]
    assert listed[0][1].message == "cannot be read (Permission denied)."
    with pytest.raises(ModelError, match="Permission denied") as caught:
        list_models(tmp_path / "closed")
    assert "access" in caught.value.hint and caught.value.file == str(tmp_path / "closed")
    with pytest.raises(ModelError, match="Permission denied"):
        read_card(tmp_path / "closed")


def _denied(path):
    if path.name == "closed.ts":
        raise PermissionError(errno.EACCES, "Permission denied")
    return path


def test_cards_are_read_without_importing_torch(tmp_path):
    write_zoo_bundle(tmp_path / "toy")
    script(tmp_path / "toy.ts", transferrisk_card__json=json.dumps(card_to_json(card())))
    code = (
        "import sys; from pathlib import Path; from TransferRiskLib.models.card_files import list_models; "
        "print([found.name for _, found in list_models(Path(sys.argv[1]))]); "
        "assert 'torch' not in sys.modules and 'monai' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['toy', 'toy']"


@pytest.mark.parametrize("chosen", ["", "fold_0", "fold_0/checkpoint_final.pth", ".."])
def test_a_trained_nnunet_is_recognised_and_its_way_named(tmp_path, chosen):
    trained = tmp_path / "Dataset007_Toy" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (trained / "fold_0").mkdir(parents=True)
    (trained / "plans.json").write_text("{}")
    (trained / "dataset.json").write_text("{}")
    (trained / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
    with pytest.raises(ModelError, match="nnU-Net") as caught:
        read_card(trained / chosen)
    assert "TorchScript" in caught.value.hint and "Docs/models.md" in caught.value.hint
