"""A folder that takes the place of an earlier one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from TransferRiskLib.atomic import atomic_folder
from TransferRiskLib.errors import StorageError


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path):
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "result") as scratch:
            (scratch / "a.txt").write_text(text)
    assert (tmp_path / "result" / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_an_old_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "a.txt").write_text("old")
    replace = os.replace

    def refuse(source, target):
        if Path(target).name == "result" and not Path(source).name.endswith("-old"):
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match="Access is denied"), atomic_folder(tmp_path / "result") as scratch:
        (scratch / "a.txt").write_text("new")
    assert (tmp_path / "result" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
