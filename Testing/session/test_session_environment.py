"""Environment: what the worker reported, in words; installation; reports without patient data."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from case_files import image_values, put
from session_tables import REPORTS

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.records import to_json
from TransferRiskLib.session.installing import REQUIREMENTS, TORCH, too_old
from TransferRiskLib.session.session import Session
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


def test_check_asks_a_worker_that_has_not_loaded_the_packages_of_before(session, settings, finish):
    def asked():
        session.environment.probe()
        assert finish(session).kind == "done"
        return session.jobs.worker.pid

    first = asked()
    assert asked() != first


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


def test_the_readme_downloads_all_wheels_that_an_offline_installation_asks_for():
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("pip download")]
    assert set(shlex.split(line)[4:]) == {TORCH, *REQUIREMENTS}


@pytest.mark.parametrize(
    ("versions", "old"),
    [
        ({"torch": "2.13.0+cpu", "monai": "1.6.0", "numpy": None}, []),
        ({"torch": "1.13.1+cu117", "monai": "1.4.0", "numpy": "1.26.4"}, ["torch 1.13.1+cu117"]),
        ({"torch": "2.6.0", "monai": "0.9.1", "numpy": "1.9"}, ["monai 0.9.1", "numpy 1.9"]),
        ({"torch": "2.6", "python": "3.9"}, []),
    ],
)
def test_packages_that_are_too_old_are_seen(versions, old):
    assert too_old(versions) == old


def test_an_old_torch_is_pointed_out_and_replaced(stage, report, tmp_path):
    good = REPORTS["all is well"][0]
    report(replace(good, versions={**good.versions, "torch": "1.13.1"}))
    assert any("Too old: torch 1.13.1" in text for text in stage.environment.warnings())
    assert stage.environment.torch_step(True, None) == "replace"
    assert stage.environment.torch_step(True, tmp_path) == "keep", "the folder has none"
    assert "no wheel of torch" in stage.environment.can_go_ahead(True, tmp_path)[1]


def test_an_installation_that_would_fail_does_not_go_ahead(stage, tmp_path):
    assert stage.environment.can_go_ahead(True, None) == (True, "")
    ok, reason = stage.environment.can_go_ahead(True, tmp_path / "absent")
    assert not ok and str(tmp_path / "absent") in reason
    assert "no wheel of torch" in stage.environment.can_go_ahead(False, tmp_path)[1]
    (tmp_path / "torch-2.8-cp312.whl").touch()
    assert stage.environment.can_go_ahead(False, tmp_path) == (True, "")


def test_an_offline_installation_says_that_nothing_is_downloaded(stage, tmp_path):
    (tmp_path / "torch-2.8-cp312.whl").touch()
    text = stage.environment.installation_text(False, tmp_path)
    assert "(1 wheels); nothing is downloaded." in text and f"--no-index --find-links {tmp_path}" in text
    assert "download" in stage.environment.installation_text(False)


KEPT, REMOVED = "The installed PyTorch is kept.", "is removed first"


@pytest.mark.parametrize(
    ("name", "wheels", "step", "words"),
    [
        ("all is well", None, "keep", KEPT),
        ("all is well", "with torch", "keep", KEPT),
        ("all is well", "without torch", "keep", KEPT),
        ("no card", None, "keep", KEPT),
        ("driver too old", None, "keep", KEPT),
        ("no torch", None, "install", "PyTorch is installed by the PyTorch extension"),
        ("no torch", "with torch", "install", "PyTorch comes from there as well."),
        ("no torch", "without torch", "install", "it will fail"),
        ("CPU-only torch beside a card", None, "replace", REMOVED),
        ("CPU-only torch beside a card", "with torch", "replace", REMOVED),
        ("CPU-only torch beside a card", "without torch", "keep", "is kept, though it cannot be used well"),
        ("broken torch", None, "replace", REMOVED),
        ("broken torch", "with torch", "replace", REMOVED),
        ("broken torch", "without torch", "keep", "is kept, though it cannot be used well"),
    ],
)
def test_torch_is_only_removed_where_another_one_is_to_be_had_and_the_plan_says_so(
    report, tmp_path, name, wheels, step, words
):
    for folder, file in (("with torch", "torch-2.8-cp312.whl"), ("without torch", "torchvision-0.23.whl")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    environment = report(REPORTS[name][0])
    place = tmp_path / wheels if wheels else None
    assert environment.torch_step(True, place) == environment.torch_step(False, place) == step
    text = environment.installation_text(True, place)
    assert words in text
    assert (REMOVED in text) == (step == "replace") and ("kept" in text) == (step == "keep")


def test_before_the_worker_was_asked_slicers_python_says_whether_torch_is_there(stage):
    assert stage.environment.torch_step(True) == "keep" and stage.environment.torch_step(False) == "install"


def test_an_installation_ends_the_warm_worker_and_the_next_job_gets_a_new_one(
    scene, settings, played, finish
):
    connected = []
    session = Session(scene, lambda setting: connected.append(setting) or played, settings)
    done = events.Done(to_json(REPORTS["CPU-only torch beside a card"][0]))
    for number in (1, 2):
        session.environment.probe()
        finish(session, lambda: bool(played.submitted))
        reason = session.jobs.can_start()[1]
        assert reason and session.environment.can_install() == (False, reason)
        with pytest.raises(SettingsError, match="Wait until"):
            session.environment.prepare_installation()
        assert played.closed == number - 1, "a job that runs is left alone"
        played.say(done)
        finish(session)
        session.environment.prepare_installation()
        assert played.closed == number == len(connected) and session.jobs.worker is None
        refused = (False, "Wait until the packages are installed.")
        assert session.jobs.can_start() == session.environment.can_install() == refused
        with pytest.raises(SettingsError, match="packages are installed"):
            session.environment.probe()
        session.environment.end_installation()
        played.submitted.clear()
    session.close()


@pytest.mark.parametrize("named", ["in the settings", "by the variable TRANSFERRISK_PYTHON"])
def test_a_named_interpreter_gets_a_command_and_no_installation(stage, tmp_path, monkeypatch, named):
    python = tmp_path / "my python"
    python.touch(mode=0o755)
    assert stage.environment.own_python == "" and stage.environment.can_install()[0]
    if "variable" in named:
        monkeypatch.setenv("TRANSFERRISK_PYTHON", str(python))
    else:
        stage.environment.set_interpreter(str(python))
    text = stage.environment.installation_text(True)
    command = next(line for line in text.splitlines() if " -m pip install " in line)
    assert shlex.split(command) == [str(python), "-m", "pip", "install", TORCH, *REQUIREMENTS]
    assert named in text and "are installed into" not in text
    offline = stage.environment.installation_text(True, tmp_path / "w")
    assert f"--no-index --find-links {tmp_path / 'w'}" in offline
    assert not stage.environment.can_install()[0]
    with pytest.raises(SettingsError, match="Python of your own"):
        stage.environment.prepare_installation()


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


def close_scene(session, scene, row, volume, segmentation):
    scene.Clear(False)


def remove_all(session, scene, row, volume, segmentation):
    session.cases.remove(row)
    for node in (volume, segmentation):
        scene.RemoveNode(node)


def rename_all(session, scene, row, volume, segmentation):
    session.cases.rename(row, "someone")
    session.cases.set_patient(row, "somebody")
    for node in (volume, segmentation):
        node.SetName("something")


@pytest.mark.parametrize("gone", [close_scene, remove_all, rename_all])
@pytest.mark.parametrize("running", [True, False])
def test_a_bug_report_forgets_no_name_that_its_messages_may_hold(
    stage, scene, bundle, add_scan, played, gone, running
):
    stage.models.add(bundle)
    volume, segmentation = add_scan("Mustermann")
    (row,) = stage.cases.add_from_scene()
    stage.cases.rename(row, "Erika")
    stage.cases.set_patient(row, "Doe")
    volume.SetName("Renamed by hand")
    stage.maps.compute()
    while not played.submitted:
        stage.tick()
    played.say(events.Message("Mustermann_label of Erika (doe): Renamed by hand is slow."))
    failed = events.Failed("ImageError", "Erika is constant.", "See Mustermann_label.", None, "Doe\nErika")
    if running:
        stage.tick()
    else:
        played.say(failed)
        stage.tick()
    gone(stage, scene, row, volume, segmentation)
    stage.tick()
    text = stage.environment.bug_report()
    assert "<case> of <case> (<case>): <case> is slow." in text
    assert running or "<case> is constant." in text
    for secret in ("Mustermann", "Erika", "Doe", "Renamed by hand"):
        assert secret not in text, text


def test_a_bug_report_names_no_patient_of_the_subject_hierarchy(stage, tree, add_scan):
    image, _segmentation = add_scan("MR 12")
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), "Doe^Jane")
    tree.SetItemParent(tree.GetItemByDataNode(image), patient)
    stage.environment.remember_failure("Doe^Jane, jane_doe and Jane: MR 12 is lost")
    assert "\n<case>, <case>_<case> and <case>: <case> is lost" in stage.environment.bug_report()


def test_a_failure_in_the_window_is_reported_without_names(stage, scene, add_scan):
    add_scan("Mustermann")
    assert "window" not in stage.environment.bug_report()
    stage.environment.remember_failure("Traceback\nKeyError: 'Mustermann_label'\n")
    scene.Clear(False)
    assert "Last failure in the window:\nTraceback\nKeyError: '<case>'" in stage.environment.bug_report()


def test_what_a_failed_load_took_back_is_not_named(stage, scene, finish, tmp_path):
    folder = tmp_path / "elsewhere" / "Scans of Erika"
    whole, broken = (put(folder / name / "T1.nii", image_values()) for name in ("Mustermann", "Zacharias"))
    broken.write_bytes(whole.read_bytes()[:400])
    stage.cases.add_folder(folder)
    assert finish(stage).kind == "error" and scene.GetFirstNodeByName("Mustermann") is None
    text = stage.environment.bug_report()
    for secret in ("Mustermann", "Zacharias", "Erika"):
        assert secret not in text, text


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


def test_a_chosen_device_that_is_not_there_is_pointed_out_before_a_job(stage, report, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("a")
    stage.cases.add_from_scene()
    environment = stage.environment
    environment.set_device("cuda:1")
    assert stage.maps.can_compute()[0], "nobody knows yet"
    report(REPORTS["all is well"][0])
    assert environment.warnings() == ("The chosen device cuda:1 is not there: choose another one.",)
    for verdict in (
        stage.maps.can_compute,
        stage.adapting.can_start,
        stage.models.can_rank,
        stage.adapting.can_measure,
    ):
        assert verdict() == (False, "The device cuda:1 is not there: choose another one in section 6.")
    assert environment.can_probe()[0] and stage.cases.can_add_folder()[0]
    for device in ("cuda", "cuda:0", "cpu", "auto"):
        environment.set_device(device)
        assert environment.warnings() == () and stage.maps.can_compute()[0]
