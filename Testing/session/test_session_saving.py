"""The adapted model goes where the user wants it: beside what is there, whole or not at all."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from TransferRiskLib.errors import SettingsError, StorageError
from TransferRiskLib.models.card_files import read_card
from TransferRiskLib.session import output
from TransferRiskLib.session.output import copy_model
from TransferRiskLib.session.state import AdaptRun
from TransferRiskLib.tasks.results import AdaptResult


@pytest.fixture
def adapted(stage, bundle, tmp_path):
    """A session with an adapted model, called tiny."""
    model = tmp_path / "output" / "adapted-1" / "bundle"
    shutil.copytree(bundle, model)
    run = AdaptRun(str(model.parent), "done", AdaptResult(model, model / "history.csv"))
    stage._desk.update(replace(stage.state, adapted=run), "adapt")
    return stage


@pytest.fixture
def chosen(tmp_path):
    """The folder that the user chooses; it holds something."""
    folder = tmp_path / "My models"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_model_is_saved_in_a_folder_of_its_name_beside_what_is_there(adapted, chosen, finish):
    adapted.adapting.save_as(chosen)
    assert adapted.jobs.progress.title == "Saving the model" and adapted.jobs.progress.stage == ""
    outcome = finish(adapted)
    assert (outcome.kind, outcome.task) == ("done", "save")
    assert outcome.message == f"It lies in “{chosen / 'tiny'}”."
    assert files(chosen / "tiny") == files(adapted.adapting.bundle) != {}
    assert read_card(chosen / "tiny").name == "tiny"
    assert (chosen / "letter.txt").read_text() == "dear"
    (chosen / "tiny" / "notes.txt").write_text("mine")
    adapted.adapting.save_as(chosen)
    assert finish(adapted).message == f"It lies in “{chosen / 'tiny-2'}”."
    assert (chosen / "tiny" / "notes.txt").read_text() == "mine", "the earlier model is not replaced"
    assert {path.name for path in chosen.iterdir()} == {"letter.txt", "tiny", "tiny-2"}
    assert "My models" not in adapted.environment.bug_report()


def test_the_copy_is_made_beside_the_main_thread(adapted, chosen, finish, monkeypatch):
    threads, copy2 = set(), shutil.copy2

    def copy(source, target):
        threads.add(threading.current_thread())
        return copy2(source, target)

    monkeypatch.setattr(output.shutil, "copy2", copy)
    adapted.adapting.save_as(chosen)
    assert finish(adapted).kind == "done"
    assert threads and threading.main_thread() not in threads


def test_a_copy_that_is_cancelled_leaves_nothing_behind(adapted, chosen, monkeypatch):
    begun, go_on, copy2 = threading.Event(), threading.Event(), shutil.copy2

    def copy(source, target):
        begun.set()
        assert go_on.wait(60)
        return copy2(source, target)

    monkeypatch.setattr(output.shutil, "copy2", copy)
    adapted.adapting.save_as(chosen)
    while not begun.is_set():
        adapted.tick()
    assert adapted.adapting.can_save_as() == (False, adapted.jobs.can_start()[1])
    adapted.jobs.cancel()
    assert adapted.jobs.outcome.kind == "cancelled"
    go_on.set()
    while any(thread.name == "session-files" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert [path.name for path in chosen.iterdir()] == ["letter.txt"]


def test_a_disk_that_fills_up_is_told_and_nothing_is_left_half_written(adapted, chosen, finish, monkeypatch):
    calls = []

    def full(source, target):
        calls.append(source)
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(output.shutil, "copy2", full)
    adapted.adapting.save_as(chosen)
    outcome = finish(adapted)
    assert outcome.kind == "error" and "No space left" in outcome.message and "disk is full" in outcome.hint
    assert len(calls) == 1 and [path.name for path in chosen.iterdir()] == ["letter.txt"]


def test_a_model_is_not_copied_into_itself(adapted, finish):
    model = adapted.adapting.bundle
    before = files(model)
    for folder in (model, model / "configs"):
        adapted.adapting.save_as(folder)
        outcome = finish(adapted)
        assert outcome.kind == "error" and "is the model itself, or lies in it." in outcome.message
    assert files(model) == before


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("A/B: 7?", "A-B- 7-"),
        ("..", "model"),
        ("x" * 200, "x" * 100),
        (" Hirn & Läsion. ", "Hirn & Läsion"),
    ],
)
def test_any_name_makes_a_folder(bundle, tmp_path, name, folder):
    assert copy_model(bundle, tmp_path, name) == tmp_path / folder
    assert files(tmp_path / folder) == files(bundle)


def test_a_place_that_cannot_be_written_is_named(bundle, tmp_path):
    (tmp_path / "file").touch()
    for parent in (tmp_path / "file", tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match="cannot be written") as refused:
            copy_model(bundle, parent, "mine")
        assert refused.value.hint and str(parent) in refused.value.file


def test_without_a_model_there_is_nothing_to_save(stage, adapted, tmp_path):
    shutil.rmtree(adapted.adapting.bundle)
    verdict = adapted.adapting.can_save_as()
    assert not verdict[0] and verdict == adapted.adapting.can_open() == adapted.adapting.can_use_as_source()
    with pytest.raises(SettingsError, match="is gone"):
        adapted.adapting.save_as(tmp_path)
