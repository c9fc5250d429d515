"""Nodes that are removed: MRML gives their IDs to others, the state does not follow."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.segmentation_files import write_seg_nrrd
from TransferRiskLib.jobs import events
from TransferRiskLib.mrml.nodes import volume_from_node
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.state import CaseRow, MappedCase, MapRun, ScanRow, SessionState
from TransferRiskLib.session.state_nodes import GONE, node_ids, with_node_ids, without_removed
from TransferRiskLib.session.stored import load_state

NO_VOLUME = "There is no volume for T1 any more."
NO_SEGMENTATION = "Its segmentation is not in the scene any more."


@pytest.fixture
def two(stage, bundle, add_scan):
    """A session with the cases Anna and Ben."""
    stage.models.add(bundle)
    for seed, name in enumerate(("Anna", "Ben")):
        add_scan(name, seed)
    stage.cases.add_from_scene()
    stage.tick()
    return stage


@pytest.fixture
def reopen(scene, tmp_path):
    """Saves the scene and opens it again."""

    def again():
        saved = save_scene(scene, tmp_path / "scene.mrb")
        scene.Clear(False)
        load_scene(scene, saved)

    return again


def remove(scene, *names):
    """Remove nodes by name; their IDs."""
    nodes = [scene.GetFirstNodeByName(name) for name in names]
    identities = [node.GetID() for node in nodes]
    for node in nodes:
        scene.RemoveNode(node)
    return identities


def row_of(session, name):
    return next(row for row in session.cases.rows if row.name == name)


def lacks(session, name):
    return session.cases.missing(row_of(session, name).key)


def test_every_kind_of_node_is_found_and_renamed():
    mapped = MappedCase("x", "scan", {"risk": "map"}, {"eep-segmentation": "eep"})
    state = SessionState(
        cases=(CaseRow("k", "a", {"T1": "a"}, "f", roi="roi"),),
        scans=(ScanRow("l", "scan", {"T1": "a"}, True, "b", "c", ("d", "e")),),
        runs=(MapRun("map", "m", (mapped,)),),
    )
    assert node_ids(state) == {"a", "b", "c", "d", "e", "f", "roi", "scan", "map", "eep"}
    other = with_node_ids(state, str.upper)
    assert node_ids(other) == {identity.upper() for identity in node_ids(state)}
    assert (other.cases[0].name, other.runs[0].name) == ("a", "map"), "names are no IDs"
    assert without_removed(state, lambda identity: True) is state
    left = without_removed(state, lambda identity: len(identity) > 1)
    assert node_ids(left) == {GONE, "roi", "scan", "map", "eep"}


def test_after_opening_a_row_does_not_take_the_next_patient_for_its_own(two, scene, reopen, add_scan):
    gone = remove(scene, "Ben", "Ben_label")
    two.tick()
    reopen()
    zoe = add_scan("Zoe", 5)
    assert [node.GetID() for node in zoe] == gone, "MRML gives the IDs again"
    two.tick()
    assert lacks(two, "Anna") == []
    assert lacks(two, "Ben") == [NO_VOLUME, NO_SEGMENTATION]
    assert [row.name for row in two.cases.usable_labelled()] == ["Anna"]


def test_in_an_opened_scene_too_a_removed_node_has_no_heir(two, scene, reopen, add_scan):
    reopen()
    gone = remove(scene, "Ben", "Ben_label")
    zoe = add_scan("Zoe", 5)  # before any tick
    assert [node.GetID() for node in zoe] == gone
    assert lacks(two, "Ben") == [NO_VOLUME, NO_SEGMENTATION]
    two.tick()
    two.cases.set_channel(row_of(two, "Ben").key, "T1", zoe[0].GetID())  # chosen, it is what it is
    assert lacks(two, "Ben") == [NO_SEGMENTATION]
    assert load_state(two.parameter_node()).cases[1].segmentation == GONE


def test_a_node_that_went_while_no_session_looked_has_no_heir_either(two, scene, reopen, add_scan):
    two.close()
    gone = remove(scene, "Ben")
    reopen()
    assert add_scan("Zoe", 5)[0].GetID() == gone[0]
    rows = {row.name: row for row in load_state(two.parameter_node()).cases}
    assert rows["Ben"].channels == {"T1": GONE}
    assert scene.GetNodeByID(rows["Anna"].channels["T1"]).GetName() == "Anna"


def test_a_removed_node_is_told(two, scene):
    told = []
    two.subscribe(told.append)
    remove(scene, "Ben")
    two.tick()
    assert "cases" in told and load_state(two.parameter_node()) == two.state


def test_a_removed_roi_has_no_heir(two, scene, reopen):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "region")
    two.cases.set_region(row_of(two, "Ben").key, "roi", roi.GetID())
    remove(scene, "region")
    two.tick()
    reopen()
    scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "another")
    assert lacks(two, "Ben") == ["Choose the ROI that was annotated."]


def test_maps_are_not_brought_in_for_a_scan_whose_id_went_to_another(
    two, scene, reopen, add_scan, played, finish, tmp_path
):
    reopen()
    two.maps.compute()
    finish(two, lambda: bool(played.submitted))
    gone = remove(scene, "Anna")
    assert add_scan("Zoe", 5)[0].GetID() == gone[0]
    (tmp_path / "s.json").write_text('{"histogram": null}')
    result = {
        "score": None, "statistics": str(tmp_path / "s.json"), "summary": str(tmp_path / "s.csv"), "risk": [],
        "cases": [{"case": "Anna", "maps": {"risk": str(tmp_path / "risk.nii.gz")}}],
    }  # fmt: skip
    played.say(events.Done(result))
    outcome = finish(two)
    assert "The volume of “Anna” was removed" in outcome.message and two.maps.runs == ()


def test_what_is_handed_over_is_what_the_row_meant_at_the_start(two, scene, reopen, add_scan, played, finish):
    reopen()
    two.maps.compute()
    two.tick()  # Anna's image is being written
    gone = remove(scene, "Ben")
    assert add_scan("Zoe", 5)[0].GetID() == gone[0]
    outcome = finish(two)
    assert outcome.message == "The case “Ben” has no volume for T1 any more." and played.submitted == []


@pytest.mark.parametrize("how", ["another row", "another scan in the row"])
def test_a_segmentation_goes_to_no_row_but_that_of_its_scan(
    stage, scene, bundle, add_scan, played, finish, tmp_path, how
):
    stage.models.add(bundle)
    anna, _ = add_scan("Anna", labelled=False)
    (key,) = stage.segmenting.add_volumes([anna.GetID()])
    stage.segmenting.segment()
    finish(stage, lambda: bool(played.submitted))
    zoe, _ = add_scan("Zoe", 5, labelled=False)
    if how == "another row":
        stage.segmenting.remove(key)
        assert stage.segmenting.add_volumes([zoe.GetID()]) != [key]
    else:
        stage.segmenting.set_channel(key, "T1", zoe.GetID())
    scan, labels = volume_from_node(anna), tmp_path / "anna.seg.nrrd"
    drawn = (scan.array > 150).astype(np.int16)
    write_seg_nrrd(drawn, scan.geometry, LabelScheme.of("anterior", "posterior"), labels)
    played.say(events.Done({"scans": [{"case": "Anna", "segmentation": str(labels)}]}))
    assert finish(stage).kind == "done", stage.jobs.outcome
    assert [row.segmentation for row in stage.segmenting.rows] == [None]
