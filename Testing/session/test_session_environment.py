"""Environment: what the worker reported, in words; installation; reports without patient data."""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path

import pytest
from session_tables import REPORTS

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.records import to_json
from TransferRiskLib.session.installing import REQUIREMENTS, TORCH
from TransferRiskLib.session.privacy import Scrubber
from TransferRiskLib.tasks import probe as probing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def report(stage, played):
    def tell(result):
        stage.environment.probe()
        while stage.jobs.progress and stage.jobs.progress.phase == "preparing":
            stage.tick()
        played.say(events.Done(to_json(result)))
        while stage.jobs.busy:
            stage.tick()
        return stage.environment

    return tell


@pytest.mark.parametrize("name", REPORTS)
def test_what_should_be_repaired_is_pointed_out(report, name):
    result, expected = REPORTS[name]
    environment = report(result)
    assert environment.report == result
    assert len(environment.warnings()) == len(expected)
    for warning, words in zip(environment.warnings(), expected, strict=True):
        assert words in warning


def test_devices_are_listed_with_their_memory_and_can_be_chosen(report):
    environment = report(REPORTS["all is well"][0])
    assert dict(environment.summary())["cuda:0"] == "RTX (24.0 GB, 20.0 GB free)"
    assert environment.device_choices() == ("auto", "cuda:0", "cpu")
    environment.set_device("auto")
    assert environment.device_kind() == "cuda"
    environment.set_device("cpu")
    assert environment.device_kind() == "cpu"


def test_an_interpreter_that_is_not_there_is_refused(stage, played, tmp_path):
    with pytest.raises(SettingsError, match="does not exist"):
        stage.environment.set_interpreter(str(tmp_path / "python"))
    assert stage.environment.interpreter == "" and played.closed == 0


def test_requirements_are_those_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in (TORCH, *REQUIREMENTS):
        assert f'"{requirement}"' in text, requirement


def test_an_offline_installation_says_that_nothing_is_downloaded(stage, tmp_path):
    (tmp_path / "torch-2.8-cp312.whl").touch()
    text = stage.environment.installation_text(tmp_path)
    assert "nothing is downloaded" in text and f"--no-index --find-links {tmp_path}" in text
    assert "download" in stage.environment.installation_text()


@pytest.mark.parametrize("named", ["in the settings", "by the variable TRANSFERRISK_PYTHON"])
def test_a_named_interpreter_gets_a_command_and_no_installation(stage, tmp_path, monkeypatch, named):
    python = tmp_path / "my python"
    python.touch(mode=0o755)
    assert stage.environment.own_python == "" and stage.environment.can_install()[0]
    if "variable" in named:
        monkeypatch.setenv("TRANSFERRISK_PYTHON", str(python))
    else:
        stage.environment.set_interpreter(str(python))
    text = stage.environment.installation_text()
    command = next(line for line in text.splitlines() if " -m pip install " in line)
    assert shlex.split(command) == [str(python), "-m", "pip", "install", TORCH, *REQUIREMENTS]
    assert named in text and "are installed into" not in text
    assert f"--no-index --find-links {tmp_path / 'w'}" in stage.environment.installation_text(tmp_path / "w")
    assert not stage.environment.can_install()[0]
    with pytest.raises(SettingsError, match="Python of your own"):
        stage.environment.require_installable()


def test_the_setting_wins_over_the_variable(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERRISK_PYTHON", "/elsewhere/python")
    python = tmp_path / "python"
    python.touch(mode=0o755)
    stage.environment.set_interpreter(str(python))
    assert stage.environment.own_python == str(python)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("patch_size", [0, 16, 16], "at least 1 voxel"),
        ("patch_size", [16, 16], "a list of 3"),
        ("weight_refresh", ["often"], "must be a number"),
        ("weight_refresh", [1.5], "between 0 and 1"),
        ("momentum", 1.0, "less than 1"),
        ("augmentation", {"mirror_axes": [3]}, "different ones"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_its_reason(stage, field, value, reason):
    with pytest.raises(SettingsError, match=reason):
        stage.adapting.set_option(field, value)
    assert stage.adapting.overrides == {}


def test_a_patch_that_the_model_cannot_take_is_refused_before_the_start(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("a")
    stage.cases.add_from_scene()
    stage.adapting.set_option("patch_size", [16, 16, 20])
    assert "multiple" not in stage.adapting.can_start()[1]
    stage.adapting.set_option("patch_size", [16, 16, 18])
    assert "multiple of 4" in stage.adapting.can_start()[1]


def test_a_bug_report_names_no_case_and_no_place_of_the_user(stage, bundle, add_scan, played):
    home = Path.home()
    stage.models.add(bundle)
    add_scan("Mustermann Erika")
    stage.cases.add_from_scene()
    stage.maps.compute()
    while not played.submitted:
        stage.tick()
    image = played.submitted[0][1].target.cohort.cases[0].images["T1"].path
    code = ROOT / "TransferRiskLib" / "tasks" / "map.py"
    played.say(
        events.Message(f"Read {home}/My scans/erika mustermann.nii.gz: 3 components"),
        events.Failed(
            "ImageError", "is constant.", "See Mustermann Erika.", str(image),
            f'File "{code}", line 7, in map_risk\n  open("/mnt/pacs/erika/1.dcm")\n'
            "C:\\Users\\eve\\x.nii lost",
        ),
    )  # fmt: skip
    stage.tick()
    text = stage.environment.bug_report()
    secrets = ("Mustermann", "Erika", "erika", str(home) + "/My", "My scans", "/mnt/pacs", "eve", str(image))
    for secret in secrets:
        assert secret not in text, f"{secret}: {text}"
    assert 'File "<path>/TransferRiskLib/tasks/map.py", line 7' in text
    assert "is constant." in text and "3 components" in text and "the log" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 of 3 done (50 %/s)", "2 of 3 done (50 %/s)"),
        ("T1/T2 and 3.5 nats", "T1/T2 and 3.5 nats"),
        ("/home/eve/a b/c.nii: is truncated", "<path>: is truncated"),
        ('"/data/x y.nii"', '"<path>"'),
        ("in /opt/v/site-packages/torch/nn.py:3", "in <path>/site-packages/torch/nn.py:3"),
        ("case A1 and a10", "case <case> and a10"),
    ],
)
def test_paths_and_names_are_scrubbed_and_nothing_else(text, expected):
    assert Scrubber({"A1"}, Path("/home/eve")).scrub(text) == expected


def test_the_user_of_this_computer_is_not_named():
    user = getpass.getuser()
    assert user not in Scrubber(()).scrub(f"{Path.home()}/{user}/scan.nii.gz")


def test_cards_of_the_driver_are_found_where_its_tool_is(monkeypatch, tmp_path):
    monkeypatch.setattr(probing.shutil, "which", lambda name: None)
    assert probing.nvidia_cards() == ()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(probing.shutil, "which", lambda name: str(tool))
    assert probing.nvidia_cards() == ("NVIDIA H200",)
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert probing.nvidia_cards() == ()
