"""A folder that takes the place of an earlier one; files of several threads at once."""

from __future__ import annotations

import os
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from TransferRiskLib.atomic import atomic_folder, write_text
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


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")
def test_threads_that_write_at_once_keep_the_mask(tmp_path, monkeypatch):
    """The mask is read by setting it; a thread in between would take none, and leave none."""
    umask = os.umask

    def slow(mask: int) -> int:
        found = umask(mask)
        time.sleep(0.002)
        return found

    before = umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", slow)
        files = [tmp_path / str(number) for number in range(16)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda file: write_text(file, "x"), files))
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
    finally:
        assert umask(before) == 0o027
