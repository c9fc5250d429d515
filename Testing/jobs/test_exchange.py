from __future__ import annotations

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from TransferRiskLib.errors import SettingsError, StorageError
from TransferRiskLib.jobs.exchange import ExchangeFolder
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def a_volume():
    geometry = Geometry((4, 3, 2), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), geometry)


def test_images_arrive_as_uncompressed_float_with_their_geometry(tmp_path, a_volume):
    with ExchangeFolder(tmp_path) as folder:
        path = folder.write_image(a_volume)
        header = path.read_bytes().split(b"\n\n", 1)[0].decode()
        assert "encoding: raw" in header and "type: float" in header
        again = read_volume(path)
        np.testing.assert_array_equal(again.array, a_volume.array)
        assert again.array.dtype == np.float32
        assert again.geometry == a_volume.geometry


def test_labels_keep_their_integers(tmp_path, a_volume):
    with ExchangeFolder(tmp_path) as folder:
        again = read_volume(folder.write_labels(a_volume))
        assert again.array.dtype == np.int16
        with pytest.raises(SettingsError, match="float64"):
            folder.write_labels(a_volume.with_array(a_volume.array.astype(float)))


@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_only_the_user_can_look_inside(tmp_path):
    with ExchangeFolder(tmp_path) as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.folder().stat().st_mode) == 0o700


def test_everything_is_removed_and_nothing_lies_beside(tmp_path, a_volume):
    folder = ExchangeFolder(tmp_path)
    folder.write_image(a_volume)
    (folder.folder() / "result.txt").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [folder.path.name]
    folder.close()
    folder.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="orphans are looked for on POSIX only")
def test_folders_of_dead_processes_are_removed_and_those_of_living_ones_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = tmp_path / f"transferrisk-{dead.pid}-abc"
    living = tmp_path / f"transferrisk-{os.getpid()}-abc"
    stranger = tmp_path / "transferrisk-notes-abc"
    for path in (orphan, living, stranger):
        path.mkdir()
    with ExchangeFolder(tmp_path):
        assert not orphan.exists()
        assert living.exists() and stranger.exists()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        ExchangeFolder(tmp_path / "absent")
