"""The record of a model's making is read from whatever form the model has, and never trusted."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from tiny_training import tiny_model

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card_files import torchscript_extras
from TransferRiskLib.models.provenance_files import read_object, read_provenance
from TransferRiskLib.models.saving import save_bundle

FACTS = {"task": "adapt", "cases": ["0f"]}


@pytest.fixture
def saved(tmp_path) -> Path:
    model = tiny_model("lesion")
    return save_bundle(tmp_path / "saved", model.card, model.network, model.config, provenance=FACTS)


def test_every_form_tells_the_same(saved, tmp_path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "saved"))
    script = Path(shutil.copy(saved / "models" / "model.ts", tmp_path / "alone.ts"))
    expected = {**FACTS, "torchscript": {"kind": "scripted", "note": ""}}
    for path in (saved, saved / "configs" / "metadata.json", saved / "models" / "model.pt", archive, script):
        assert read_provenance(path) == expected


def test_a_model_of_ours_without_its_record_is_told_from_one_of_others(saved) -> None:
    record, metadata = (saved / "configs" / name for name in ("provenance.json", "metadata.json"))
    record.unlink()
    assert read_provenance(saved) is None
    metadata.write_text(metadata.read_text().replace("saved by TransferRisk", "first version"))
    assert read_provenance(saved) == {}
    metadata.write_text('{"changelog": ["saved by TransferRisk"]}')
    assert read_provenance(saved) == {}


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b"[1]", b"7", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_object_is_none(tmp_path, text) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(text)
    assert read_object(file) == {} == read_object(tmp_path / "none.json") == read_object(tmp_path)


def test_a_record_of_implausible_length_is_not_read(tmp_path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": "' + "x" * (16 * 2**20 - 9) + '"}')
    assert list(read_object(file)) == ["a"]
    file.write_text('{"a": "' + "x" * (16 * 2**20 - 8) + '"}')
    assert read_object(file) == {}


def test_files_that_are_no_models_tell_nothing(tmp_path) -> None:
    (tmp_path / "a.ts").write_bytes(b"PK")
    assert (
        read_provenance(tmp_path / "a.ts")
        == {}
        == read_provenance(tmp_path / "none")
        == read_provenance(tmp_path)
    )


def test_texts_of_implausible_length_in_an_archive_are_refused(tmp_path) -> None:
    """Zeros compress a thousandfold: such a file is small and fills the memory."""
    file = tmp_path / "a.ts"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/code/__torch__.py", "")
        archive.writestr("a/extra/metadata.json", bytes(33 * 2**20))
        archive.writestr("a/extra/inference.json", bytes(31 * 2**20 + 1))
    with pytest.raises(ModelError, match="implausibly long"):
        torchscript_extras(file)
    assert read_provenance(file) == {}
