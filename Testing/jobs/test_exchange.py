from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib import discarding
from TransferRiskLib.discarding import wait_for_removals
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
    wait_for_removals(10)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_written_while_its_folder_goes_leaves_nothing(tmp_path, a_volume, monkeypatch):
    folder = ExchangeFolder(tmp_path)
    begun, go_on, failed = threading.Event(), threading.Event(), []
    real = sitk.WriteImage

    def held(*arguments, **options):
        begun.set()
        assert go_on.wait(10)
        real(*arguments, **options)

    monkeypatch.setattr(sitk, "WriteImage", held)

    def write():
        for _ in range(2):  # one under way, and one that comes too late
            try:
                folder.write_image(a_volume)
            except StorageError as error:
                failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(10)
    folder.close()
    assert not folder.path.exists(), "gone at once, though somebody writes into it"
    go_on.set()
    thread.join(10)
    wait_for_removals(10)
    assert len(failed) == 2 and list(tmp_path.iterdir()) == []


def test_a_folder_goes_at_once_and_its_contents_beside_the_caller(tmp_path, monkeypatch):
    go_on, threads, real = threading.Event(), [], shutil.rmtree

    def held(*arguments, **options):
        threads.append(threading.current_thread())
        assert go_on.wait(10)
        real(*arguments, **options)

    monkeypatch.setattr(discarding.shutil, "rmtree", held)
    (tmp_path / "run" / "inputs").mkdir(parents=True)
    discarding.discard(tmp_path / "run")
    assert not (tmp_path / "run").exists() and len(list(tmp_path.iterdir())) == 1
    go_on.set()
    wait_for_removals(10)
    assert list(tmp_path.iterdir()) == [] and threading.main_thread() not in threads
    discarding.discard(tmp_path / "run")  # and once more is no error


def test_folders_of_dead_processes_are_removed_and_those_of_living_ones_kept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = tmp_path / f"transferrisk-{dead.pid}-abc_1234"
    living = tmp_path / f"transferrisk-{os.getpid()}-abc_1234"
    stranger = tmp_path / f"transferrisk-{dead.pid}-results"  # a year may be such a number
    half_gone = tmp_path / f".transferrisk-going-{dead.pid}-123"
    for path in (orphan, half_gone, living, stranger):
        path.mkdir()
    with ExchangeFolder(tmp_path):
        wait_for_removals(10)
        assert not orphan.exists() and not half_gone.exists()
        assert living.exists() and stranger.exists()


def test_beside_a_discarded_folder_only_what_was_being_removed_goes(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = [tmp_path / f"transferrisk-{dead.pid}-{end}" for end in ("results", "abc_1234")]
    half_gone = tmp_path / f".transferrisk-going-{dead.pid}-123"
    for path in (*mine, half_gone, tmp_path / "run"):
        path.mkdir()
    discarding.discard(tmp_path / "run")
    wait_for_removals(10)
    assert sorted(tmp_path.iterdir()) == sorted(mine)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_what_a_killed_process_unpacked_is_found(tmp_path):
    script = (
        "import tempfile, time; from TransferRiskLib.discarding import temporary_prefix\n"
        "with tempfile.TemporaryDirectory(prefix=temporary_prefix()): print(flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(list(tmp_path.iterdir())) == 1
    discarding.remove_orphans(tmp_path)
    wait_for_removals(10)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        ExchangeFolder(tmp_path / "absent")
