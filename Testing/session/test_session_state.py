"""The state in a scene's parameter node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.session import Session
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
    SuggestedNext,
    SuggestedScan,
)
from TransferRiskLib.session.stored import PARAMETER, load_state, parameter_node, save_state
from TransferRiskLib.tasks.results import AdaptResult, ClassSummary, Lineage, ModelScore


def full(volume: str, segmentation: str) -> SessionState:
    score = ModelScore(
        "tiny", Path("models/tiny"), -0.5, 0.25, {"lesion": 0.125}, lineage=Lineage(True, ("x",))
    )
    labels = {"anterior": None, "posterior": "lesion"}
    mapped = MappedCase("x", volume, {"risk": volume}, {"eep-segmentation": segmentation}, (1.0, 2.0, -3.5))
    rows = (ClassSummary("x", "lesion", 7, 0.5, 0.25, 0.0, 1.0, 0.125),)
    histogram = {"edges": [0.0, 1.0], "targets": ["a"], "counts": [[3]]}
    audit = (AuditRow("lesion", 0.5, 0.25, 2, 1, 1),)
    result = AdaptResult(Path("out/bundle"), Path("out/h.csv"), {"lesion": 0.5}, audit)
    curves = {"Fold 1: loss": ((5.0, 0.5), (10.0, 0.25))}
    return SessionState(
        model="models/tiny",
        ranking=(score,),
        cases=(CaseRow("row-1", "Grüße; <&\"'>", {"T1": volume}, segmentation, labels, "slices"),),
        runs=(MapRun("Run 1", "models/tiny", (mapped,), rows, histogram, {"joint": [[1.5]]}, score),),
        display=MapDisplay("Run 1", "x", "gain", 0.5, {"risk": (0.25, 1e6)}, True),
        adapt=AdaptChoice("paper", {"steps": 7, "weight_refresh": [0.5]}, "mine"),
        adapted=AdaptRun("out/adapted-1", "done", result, curves),
        scans=(ScanRow("row-2", "y", {"T1": volume}, False, segmentation, None, (volume,), "why"),),
        segment=SegmentChoice("m", True, True),
        suggested=SuggestedNext(
            "models/tiny", (SuggestedScan("row-1", 0.5, (1.0, 2.0, -3.5), {"T1": volume}),)
        ),
    )


def test_every_part_of_the_state_is_json_and_back():
    state = full("vtkMRMLScalarVolumeNode1", "vtkMRMLSegmentationNode1")
    assert from_json(SessionState, json.loads(json.dumps(to_json(state)))) == state


def test_an_opened_scene_has_the_state_with_the_node_ids_of_now(scene, add_scan, tmp_path):
    volume, segmentation = add_scan("mine")
    state = full(volume.GetID(), segmentation.GetID())
    save_state(state, parameter_node(scene))
    saved = save_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(False)
    add_scan("in the way", 3)  # takes the IDs of the saved nodes
    load_scene(scene, saved)
    loaded = load_state(parameter_node(scene))
    mine = scene.GetFirstNodeByName("mine")
    assert mine.GetID() != volume.GetID() or mine is not volume
    expected = full(mine.GetID(), scene.GetFirstNodeByName("mine_label").GetID())
    assert loaded == expected
    assert scene.GetNodeByID(loaded.cases[0].channels["T1"]).GetName() == "mine"


def test_references_follow_the_state(scene, add_scan):
    volume, segmentation = add_scan("mine")
    node = parameter_node(scene)
    save_state(full(volume.GetID(), segmentation.GetID()), node)
    save_state(SessionState(cases=(CaseRow("row-1", "x", {"T1": volume.GetID()}),)), node)
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    referenced = {node.GetNodeReferenceID(role) for role in roles}
    assert referenced - {None} == {volume.GetID()}


@pytest.fixture
def bare(scene, add_scan, tmp_path):
    """A saved scene with a scan, from somebody who does not have this module."""
    add_scan("other")
    scene.RemoveNode(parameter_node(scene))
    saved = save_scene(scene, tmp_path / "bare.mrb")
    scene.Clear(False)
    return saved


def test_a_scene_without_choices_opens_empty_after_one_with_some(stage, scene, bare):
    stage.cases.add("Anna")
    stage.tick()
    scene.Clear(False)
    load_scene(scene, bare)
    assert stage.state == SessionState()
    assert scene.GetFirstNodeByName("other") is not None


def test_a_session_begins_with_the_choices_of_the_scene_that_is_open(scene, add_scan, settings, tmp_path):
    volume, segmentation = add_scan("mine")
    chosen = full(volume.GetID(), segmentation.GetID())
    save_state(chosen, parameter_node(scene))
    late = Session(scene, lambda interpreter: None, settings, temporary=tmp_path)
    try:
        assert late.state == chosen and late.problem == ""
        late.tick()
        assert load_state(parameter_node(scene)) == chosen
    finally:
        late.close()
    parameter_node(scene).SetParameter("session", "{")
    damaged = Session(scene, lambda interpreter: None, settings, temporary=tmp_path)
    damaged.close()
    assert damaged.state == SessionState() and damaged.problem


def test_data_that_are_added_to_the_scene_leave_choices_and_job_alone(stage, scene, bare, add_scan, bundle):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.maps.compute()
    before = stage.state
    load_scene(scene, bare)
    assert stage.state == before and before.cases and stage.jobs.busy


def test_there_is_one_parameter_node(scene):
    assert parameter_node(scene) is parameter_node(scene)
    assert parameter_node(scene).GetModuleName() == "TransferRisk"


def test_an_empty_parameter_node_is_an_empty_state(scene):
    node = parameter_node(scene)
    node.SetParameter(PARAMETER, "")
    assert load_state(node) == SessionState()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "cannot be read"),
        ('{"version": 99, "state": {}}', "version 99"),
        ('{"version": 1, "state": {"wheels": 4}}', "wheels"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_told(stage, scene, text, words):
    stage.cases.add("Anna")
    node = stage.parameter_node()
    node.SetParameter(PARAMETER, text)
    with pytest.raises(SettingsError, match=words):
        stage.load_from(node)
    assert [row.name for row in stage.cases.rows] == ["Anna"]


def test_changes_reach_the_parameter_node_with_the_next_tick(stage):
    stage.cases.add("Anna")
    stage.tick()
    assert load_state(stage.parameter_node()) == stage.state
    stage.cases.add("Berta")
    stage.tick()
    assert [row.name for row in load_state(stage.parameter_node()).cases] == ["Anna", "Berta"]
