"""Folders of others and drives that are gone: the module opens, and says what cannot be read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from locked import lock
from session_fakes import PlayedWorker
from session_tables import BUTTONS

from TransferRiskLib.errors import ModelError, StorageError
from TransferRiskLib.session.desk import MemorySettings
from TransferRiskLib.session.estimating import _TYPICAL_BYTES, weights_bytes
from TransferRiskLib.session.output import copy_model, finished_bundles
from TransferRiskLib.session.session import Session
from TransferRiskLib.session.state import AdaptRun
from TransferRiskLib.session.training import is_resumable
from TransferRiskLib.tasks.results import AdaptResult

DENIED = "cannot be read (Permission denied)."


@pytest.fixture
def colleagues(tmp_path, bundle, monkeypatch):
    """A colleague's folder, closed to others, with a run of an adaptation in it."""
    run = tmp_path / "colleague" / "adapted-1"
    shutil.copytree(bundle, run / "bundle")
    (run / "result.json").write_text("{}")
    (run / "session.json").write_text("{}")
    (run / "inputs").mkdir()
    return lock(monkeypatch, tmp_path / "colleague")


def others(session):
    return [
        (entry.name, entry.problem) for entry in session.models.entries if entry.origin != "demonstration"
    ]


@pytest.mark.parametrize("key", ["ModelFolder", "OutputFolder", "AddedModels"])
def test_the_module_opens_though_a_place_of_its_settings_cannot_be_read(scene, colleagues, key):
    place = str(colleagues / "adapted-1" / "bundle") if key == "AddedModels" else str(colleagues)
    value = json.dumps([place]) if key == "AddedModels" else place
    session = Session(scene, lambda setting: PlayedWorker(), MemorySettings({key: value}))
    session.close()
    if key == "OutputFolder":
        assert others(session) == []
    else:
        ((name, problem),) = others(session)
        assert name == place.rsplit("/", 1)[1] and problem.startswith(DENIED)


def test_a_disk_with_a_folder_of_its_own_is_a_folder_of_models(stage, bundle, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    shutil.copytree(bundle, disk / "mine")
    (disk / "lost+found" / "configs").mkdir(parents=True)
    lock(monkeypatch, disk / "lost+found")
    stage.models.set_folder(str(disk))
    assert others(stage) == [("tiny", "")]


def test_a_folder_of_models_that_cannot_be_read_is_refused_and_the_old_one_stays(stage, settings, colleagues):
    settings.set("ModelFolder", "")
    told = []
    stage.subscribe(told.append)
    with pytest.raises(ModelError, match="Permission denied"):
        stage.models.set_folder(str(colleagues))
    assert (stage.models.folder, told) == ("", [])


def test_a_scene_whose_model_is_a_colleagues_says_so_everywhere(stage, add_scan, colleagues):
    add_scan("Anna")
    stage.models.choose(colleagues / "adapted-1" / "bundle")
    stage.cases.add_from_scene()
    stage.segmenting.add_volumes([stage.cases.rows[0].channels["image"]])
    assert stage.models.chosen.problem.startswith(DENIED)
    assert stage.cases.channels == ("image",)
    verdicts = {name: can(stage)() for name, (can, _) in BUTTONS.items()}
    assert DENIED in verdicts["compute"][1] and DENIED in verdicts["segment"][1]


def test_an_adapted_model_that_cannot_be_reached_is_gone(stage, colleagues, settings):
    run = colleagues / "adapted-1"
    result = AdaptResult(run / "bundle", run / "history.csv")
    stage._desk.update(replace(stage.state, adapted=AdaptRun(str(run), "done", result)), "adapt")
    assert stage.adapting.can_save_as() == (False, f"The adapted model is gone: {run / 'bundle'}")
    assert stage.segmenting.model is None
    assert not is_resumable(run)
    settings.set("OutputFolder", str(colleagues))
    assert finished_bundles(settings) == []


def test_the_size_of_a_model_whose_drive_is_gone_is_guessed(bundle, tmp_path, monkeypatch):
    shutil.copytree(bundle, tmp_path / "drive" / "tiny")
    before = weights_bytes(tmp_path / "drive" / "tiny")
    lock(monkeypatch, tmp_path / "drive")
    assert before != weights_bytes(tmp_path / "drive" / "tiny") == _TYPICAL_BYTES


def test_a_place_for_a_copy_that_cannot_be_looked_into_is_named(bundle, colleagues):
    with pytest.raises(StorageError, match="Permission denied"):
        copy_model(bundle, colleagues, "copy")


def test_a_folder_of_cases_that_cannot_be_read_is_refused(stage, finish, colleagues):
    stage.cases.add_folder(colleagues)
    assert "Permission denied" in finish(stage).message
