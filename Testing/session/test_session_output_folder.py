"""The folder of adapted models as somebody types it: nothing is ever written anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.session.desk import MemorySettings
from TransferRiskLib.session.output import new_run_folder, output_folder, run_folders


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's folder; Slicer was started in another one."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("home", "started"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "started")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("typed", "folder"),
    [("~/x", "x"), ("~", ""), (" ~/x/ ", "x"), ("", "TransferRisk"), ("  ", "TransferRisk")],
)
def test_a_run_lies_where_the_typed_folder_is_shown_to_be(stage, settings, home, typed, folder):
    stage.adapting.set_output_folder("/elsewhere")
    stage.adapting.set_output_folder(typed)
    assert stage.adapting.output_folder == home / folder
    assert stage.adapting.chosen_output_folder == (str(home / folder) if typed.strip() else "")
    assert stage.adapting.usual_output_folder == home / "TransferRisk"
    assert new_run_folder(settings).parent == home / folder
    assert os.listdir() == []


@pytest.mark.parametrize("typed", ["models", "./models", "../models", "~nobody-of-this-name/models"])
def test_half_a_path_is_refused_and_changes_nothing(stage, settings, home, typed):
    before = stage.adapting.output_folder
    with pytest.raises(SettingsError, match=r"whole path.*begin with ~/"):
        stage.adapting.set_output_folder(typed)
    assert stage.adapting.output_folder == before == Path(settings.get("OutputFolder"))


@pytest.mark.parametrize(("kept", "folder"), [("models", "TransferRisk"), ("~/x", "x")])
def test_what_an_earlier_version_kept_literally_leads_nowhere_unexpected(home, kept, folder):
    settings = MemorySettings({"OutputFolder": kept})
    (Path.cwd() / kept / "adapted-1").mkdir(parents=True)
    assert output_folder(settings) == home / folder
    assert new_run_folder(settings).parent == home / folder
    assert len(run_folders(settings)) == 1
