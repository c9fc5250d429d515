from __future__ import annotations

import shutil
import tempfile
import zipfile

import pytest
import torch
from model_fakes import image, network, unet, write_zoo_bundle

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.card_files import read_card
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.packed import is_packed, unpacked


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder of temporary files of its own, to see that nothing is left in it."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert not list((tmp_path / "temporary").iterdir())


def packed(tmp_path, within="toy", **changes):
    """A ZIP of a bundle as the Model Zoo offers them for download: one folder in it."""
    write_zoo_bundle(tmp_path / "in" / "toy", **changes)
    base = tmp_path / "in" if within else tmp_path / "in" / "toy"
    return tmp_path / shutil.make_archive("toy_v0.1.0", "zip", base)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return packed(tmp_path)


def test_a_packed_bundle_opens_like_its_folder(archive):
    assert is_packed(archive)
    assert read_card(archive).name == "toy"
    model = open_model(archive)
    assert model.path == archive
    assert torch.equal(model.network(image()), network(unet())(image()))


def test_a_bundle_may_be_packed_without_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_card(packed(tmp_path, within="")).name == "toy_v0.1.0"


def test_the_card_alone_is_read_without_unpacking_weights(archive):
    with unpacked(archive, weights=False) as folder:
        assert (folder / "configs" / "inference.json").stat().st_size > 0
        assert (folder / "models" / "model.pt").stat().st_size == 0


def test_scripts_are_left_in_the_archive(archive):
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("toy/scripts/__init__.py", "raise SystemExit")
        opened.writestr("__MACOSX/toy/configs/metadata.json", "")
    with unpacked(archive, weights=True) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["configs", "models"]


def test_an_error_within_names_the_archive_and_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = packed(tmp_path, network_def=unet(_target_="scripts.net.Mine"))
    with pytest.raises(UntrustedModelError, match="comes with the bundle") as caught:
        open_model(archive)
    assert caught.value.file == str(archive / "configs" / "inference.json")
    assert "Unpack" in caught.value.hint


@pytest.mark.parametrize("name", ["toy/configs/../../../flag", "toy/configs//../flag", "toy/models/c:/flag"])
def test_files_that_would_land_elsewhere_are_refused(archive, tmp_path, name):
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, "evil")
    with pytest.raises(ModelError, match="outside itself"):
        open_model(archive)
    assert not list(tmp_path.rglob("flag"))


def test_a_damaged_archive_is_a_typed_error(archive):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("toy/configs/metadata.json")
    start = info.header_offset + 30 + len(info.filename)
    content[start + 10 : start + 60] = bytes(50)
    archive.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be unpacked"):
        read_card(archive)


def test_a_zip_of_something_else_is_no_bundle(tmp_path):
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as opened:
        opened.writestr("scans/metadata.json", "{}")
    assert not is_packed(tmp_path / "scans.zip")
    with pytest.raises(ModelError, match="not a TorchScript"):
        read_card(tmp_path / "scans.zip")
