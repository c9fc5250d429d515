"""Scenes that are added to the open one, scene views that are restored: whose choices hold then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session import session as session_module
from TransferRiskLib.session.joining import joined
from TransferRiskLib.session.session import Session
from TransferRiskLib.session.source_models import here
from TransferRiskLib.session.state import (
    AdaptChoice,
    AdaptRun,
    CaseRow,
    MapDisplay,
    MappedCase,
    MapRun,
    ScanRow,
    SegmentChoice,
    SessionState,
)
from TransferRiskLib.session.stored import PARAMETER, load_state, save_state
from TransferRiskLib.tasks.results import ClassSummary

NEWER = '{"version": 99, "state": {}}'


def names(rows):
    return [row.name for row in rows]


def images_of(session, scene):
    """Name of a case to the names of its image and its segmentation."""
    node = scene.GetNodeByID
    return {
        row.name: (node(row.channels["T1"]).GetName(), node(row.segmentation).GetName())
        for row in session.cases.rows
    }


@pytest.fixture
def fill(stage, bundle, add_scan):
    """Puts the cases of some names into the scene and the session."""

    def put(*cases):
        stage.models.add(bundle)
        for number, name in enumerate(cases):
            add_scan(name, number)
        stage.cases.add_from_scene()
        stage.tick()
        return stage

    return put


@pytest.fixture
def other(stage, scene, fill, add_scan, tmp_path):
    """A saved scene with the cases Anna and Bob, a map of Bob and a scan to segment; closed again."""
    fill("Anna", "Bob")
    scan, _ = add_scan("Zoe", 5, labelled=False)
    stage.segmenting.add_volumes([scan.GetID()])
    bob = scene.GetFirstNodeByName("Bob").GetID()
    shown = MapDisplay("Run", "Bob", "risk", 0.25)
    runs = (MapRun("Run", "m", (MappedCase("Bob", bob, {"risk": bob}),)),)
    stage._desk.update(replace(stage.state, runs=runs, display=shown), "maps")
    stage.tick()
    saved = save_scene(scene, tmp_path / "other")
    scene.Clear(False)
    stage.tick()
    return saved


@pytest.fixture
def unused(stage, scene, add_scan, tmp_path):
    """A saved scene from somebody who opened the module and chose nothing; closed again."""
    add_scan("Cleo", 7)
    stage.save_to(stage.parameter_node())
    saved = save_scene(scene, tmp_path / "unused.mrb")
    scene.Clear(False)
    stage.tick()
    return saved


def test_a_scene_that_is_added_brings_its_rows_behind_ours(stage, scene, fill, other):
    fill("Ada", "Anna", "Alf")
    mine = stage.state
    load_scene(scene, other)
    assert stage.state.cases[:3] == mine.cases and stage.state.model == mine.model
    assert images_of(stage, scene) == {
        "Ada": ("Ada", "Ada_label"), "Anna": ("Anna", "Anna_label"), "Alf": ("Alf", "Alf_label"),
        "Anna (2)": ("Anna", "Anna_label"), "Bob": ("Bob", "Bob_label"),
    }  # fmt: skip
    ours, theirs = stage.cases.rows[1], stage.cases.rows[3]
    assert ours.channels["T1"] != theirs.channels["T1"] and ours.segmentation != theirs.segmentation
    assert names(stage.segmenting.rows) == ["Zoe"]
    (run,) = stage.maps.runs
    assert scene.GetNodeByID(run.cases[0].maps["risk"]).GetName() == "Bob"
    assert stage.maps.display == MapDisplay("Run", "Bob", "risk", 0.25), "we showed none"
    stage.tick()
    assert load_state(stage.parameter_node()) == stage.state


@pytest.mark.parametrize("how", ["close and add", "open", "add to an empty scene"])
def test_a_scene_that_is_opened_brings_its_choices_as_they_were(stage, scene, other, fill, how):
    if how != "add to an empty scene":
        fill("Ada")
    if how == "open":
        scene.SetURL(str(other))
        scene.SetRootDirectory(str(other.parent))
        assert scene.Connect()  # one batch of closing and reading, as Slicer opens scenes
    else:
        scene.Clear(False)
        load_scene(scene, other)
    before = load_state(stage.parameter_node())
    assert stage.state == before and names(stage.cases.rows) == ["Anna", "Bob"]
    load_scene(scene, other)  # the same scene once more: other nodes, other rows
    assert names(stage.cases.rows) == ["Anna", "Bob", "Anna (2)", "Bob (2)"]
    assert [run.name for run in stage.maps.runs] == ["Run", "Run (2)"]
    keys = [row.key for row in (*stage.cases.rows, *stage.segmenting.rows)]
    assert len(set(keys)) == 6
    scans = [row.channels["T1"] for row in stage.cases.rows]
    assert len(set(scans)) == 4 and None not in [scene.GetNodeByID(scan) for scan in scans]


def test_a_scene_in_which_nothing_was_chosen_changes_nothing(stage, scene, unused, fill, played):
    fill("Ada")
    stage.maps.compute()
    before = stage.state
    load_scene(scene, unused)
    stage.tick()
    assert stage.state == before and stage.jobs.busy and played.cancelled == []
    assert load_state(stage.parameter_node()) == before


def test_a_running_job_goes_on_when_a_scene_is_added(stage, scene, other, fill, played, finish):
    fill("Ada")
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    load_scene(scene, other)
    stage.tick()
    assert stage.jobs.busy and played.cancelled == [] and names(stage.cases.rows) == ["Ada", "Anna", "Bob"]


def test_data_alone_never_double_what_is_there(stage, scene, tmp_path, fill, add_scan):
    """Not even what equals nothing, itself neither."""
    add_scan("other")
    scene.RemoveNode(stage.parameter_node())
    bare = save_scene(scene, tmp_path / "bare.mrb")
    scene.Clear(False)
    fill("Ada")
    risk = (ClassSummary("Ada", "anterior", 0, *[float("nan")] * 5),)
    stage._desk.update(replace(stage.state, runs=(MapRun("Run", "m", risk=risk),)), "maps")
    load_scene(scene, bare)
    assert names(stage.cases.rows) == ["Ada"] and len(stage.maps.runs) == 1


def test_choices_that_cannot_be_read_leave_ours_alone(stage, scene, fill, tmp_path):
    stage.parameter_node().SetParameter(PARAMETER, NEWER)
    saved = save_scene(scene, tmp_path / "newer.mrb")
    scene.Clear(False)
    stage.tick()
    fill("Ada")
    before = stage.state
    load_scene(scene, saved)
    assert "version 99" in stage.problem and stage.state == before
    stage.tick()
    assert load_state(stage.parameter_node()) == before


def test_choices_of_a_newer_version_stay_in_their_scene_until_something_is_chosen(
    stage, scene, tmp_path, add_scan
):
    add_scan("Ada")
    stage.parameter_node().SetParameter(PARAMETER, NEWER)
    saved = save_scene(scene, tmp_path / "newer.mrb")
    scene.Clear(False)
    load_scene(scene, saved)
    stage.tick()
    assert "version 99" in stage.problem
    assert stage.parameter_node().GetParameter(PARAMETER) == NEWER
    stage.cases.add("Ada")
    stage.tick()
    assert load_state(stage.parameter_node()) == stage.state


def test_a_problem_goes_with_its_scene(stage, scene, settings, tmp_path):
    stage.parameter_node().SetParameter(PARAMETER, NEWER)
    late = Session(scene, lambda interpreter: None, settings, temporary=tmp_path)
    told = []
    late.subscribe(told.append)
    assert late.problem
    scene.Clear(False)
    late.close()
    assert late.problem == "" and "state" in told


@pytest.fixture
def view(scene):
    """Makes a scene view of the kind that keeps all nodes that are no data."""
    import slicer

    scene.RegisterNodeClass(slicer.vtkMRMLSceneViewNode())

    def store():
        node = scene.AddNewNodeByClass("vtkMRMLSceneViewNode", "view")
        node.StoreScene()
        return node

    return store


def test_a_scene_view_brings_no_old_choices_back(stage, scene, view):
    stage.cases.add("Ada")
    stage.tick()
    earlier = view()
    stage.cases.add("Bob")
    stage.tick()
    assert earlier.RestoreScene(True)
    assert names(load_state(stage.parameter_node()).cases) == ["Ada"], "this is what the next save would keep"
    stage.tick()
    assert names(stage.cases.rows) == ["Ada", "Bob"]
    assert load_state(stage.parameter_node()) == stage.state


def test_choices_survive_a_scene_view_from_before_the_module_was_opened(stage, scene, view, add_scan):
    add_scan("Ada")
    scene.RemoveNode(stage.parameter_node())
    earlier = view()
    stage.cases.add("Ada")
    stage.tick()
    mine = stage.parameter_node()
    assert earlier.RestoreScene(True) and mine.GetScene() is None
    stage.tick()
    assert load_state(stage.parameter_node()) == stage.state and names(stage.cases.rows) == ["Ada"]


def test_what_has_not_changed_is_not_written(stage, monkeypatch):
    written = []
    save = session_module.save_state
    monkeypatch.setattr(session_module, "save_state", lambda *given: written.append(1) or save(*given))
    for _ in range(3):
        stage.tick()
    assert written == []
    stage.cases.add("Ada")
    for _ in range(3):
        stage.tick()
    assert written == [1]


FULL = SessionState(
    model="m",
    cases=(CaseRow("k1", "a"),),
    runs=(MapRun("r", "m"),),
    display=MapDisplay("r", "a", "gain"),
    adapt=AdaptChoice("plain"),
    adapted=AdaptRun("folder", "done"),
    scans=(ScanRow("k2", "s"),),
    segment=SegmentChoice("m"),
)


def test_one_state_joined_with_nothing_is_that_state():
    assert joined(FULL, SessionState()) == FULL == joined(SessionState(), FULL)
    look = SessionState(display=MapDisplay(opacity=0.5))
    assert joined(look, SessionState()) == look == joined(SessionState(), look)


def test_where_both_chose_something_ours_stays_and_rows_get_keys_and_names_of_their_own():
    other = SessionState(
        model="n",
        cases=(CaseRow("k2", "A"), CaseRow("k3", "b")),
        runs=(MapRun("r", "n"),),
        display=MapDisplay("r", "A"),
        adapt=AdaptChoice("paper"),
        adapted=AdaptRun("other", "unfinished"),
        scans=(ScanRow("k4", "s"),),
        segment=SegmentChoice("n"),
    )
    both = joined(FULL, other)
    for choice in ("model", "display", "adapt", "adapted", "segment"):
        assert getattr(both, choice) == getattr(FULL, choice)
    assert names(both.cases) == ["a", "A (2)", "b"] and names(both.scans) == ["s", "s (2)"]
    keys = [row.key for row in (*both.cases, *both.scans)]
    assert (keys[0], keys[2:]) == ("k1", ["k3", "k2", "k4"]) and keys[1] not in ("k1", "k2", "k3", "k4")
    assert [(run.name, run.model) for run in both.runs] == [("r", "m"), ("r (2)", "n")]
    without = joined(replace(FULL, runs=(), model="", display=MapDisplay()), other)
    assert (without.model, without.display) == ("n", MapDisplay("r", "A"))
    assert joined(replace(FULL, display=MapDisplay(opacity=0.5)), other).display == MapDisplay("r (2)", "A")


def test_a_demonstration_model_is_found_where_this_installation_has_it():
    ours = demo_models()["tissue-t1w"]
    for folder in (
        "/opt/Slicer-5.12/TransferRiskLib/demo_models",
        "C:\\Slicer\\TransferRiskLib\\demo_models",
    ):
        separator = "/" if folder.startswith("/") else "\\"
        assert here(f"{folder}{separator}tissue-t1w") == str(ours)
    for other in ("", str(ours), "/models/tissue-t1w", "/x/demo_models/other"):
        assert here(other) == other


def test_a_scene_of_another_installation_brings_its_demonstration_model(stage, scene):
    node = stage.parameter_node()
    state = replace(stage.state, model="/elsewhere/TransferRiskLib/demo_models/tissue-t1w")
    save_state(state, node)
    stage.load_from(node)
    assert stage.state.model == str(demo_models()["tissue-t1w"]) and stage.models.can_use()[0]


def test_settings_of_another_version_lock_nothing(stage):
    node = stage.parameter_node()
    choice = AdaptChoice("tomorrow", {"steps": 70, "warp": 9, "batch_size": "many"})
    save_state(replace(stage.state, adapt=choice), node)
    stage.load_from(node)
    assert stage.adapting.settings.steps == 70 and stage.adapting.preset == "recommended"
    assert stage.problem.endswith("left out: warp, batch_size, tomorrow.")
    stage.adapting.set_option("steps", 80)
    assert stage.adapting.settings.steps == 80
