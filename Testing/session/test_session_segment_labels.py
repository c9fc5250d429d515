"""What a segment stands for stays with the segment: renamed, saved and opened, in another segmentation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.mrml.nodes import geometry_of
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.drawings import read_drawing
from TransferRiskLib.session.stored import PARAMETER


@pytest.fixture
def one(stage, bundle, add_scan):
    """A session with one complete case; its key."""
    stage.models.add(bundle)
    add_scan("Anna")
    return stage.cases.add_from_scene()[0]


def segmentation(scene, name="Anna_label"):
    return scene.GetFirstNodeByName(name).GetSegmentation()


def rename(scene, segment, name, node="Anna_label"):
    segmentation(scene, node).GetSegment(segment).SetName(name)


def indices(session, key):
    row = session.state.case(key)
    grid = geometry_of(session._desk.node(row.channels["T1"]))
    return read_drawing(session._desk, row, grid, session.cases.target_labels()).indices()


def reopened(scene, folder):
    saved = save_scene(scene, folder / "scene.mrb")
    scene.Clear(False)
    load_scene(scene, saved)


def test_a_renamed_segment_keeps_its_label_in_all_that_reads_it(stage, scene, one):
    stage.cases.set_label(one, "anterior", "hippocampus")
    stage.cases.set_label(one, "posterior", None)
    before = indices(stage, one)
    rename(scene, "anterior", "Segment_7")
    rename(scene, "posterior", "not sure")
    assert stage.cases.segments(one) == {"anterior": "Segment_7", "posterior": "not sure"}
    assert stage.cases.segment_labels(one) == {"anterior": "hippocampus", "posterior": None}
    assert stage.cases.target_labels().names == ("background", "hippocampus")
    assert stage.cases.missing(one) == [] and stage.cases.remarks(one) == [], "Segment_7 was given a meaning"
    np.testing.assert_array_equal(indices(stage, one), before)
    assert (before == 1).any() and (before == UNLABELLED).any()
    rename(scene, "anterior", "hippocampus")
    stage.cases.set_label(one, "anterior", "background")
    assert "None of its segments stands for a label." in stage.cases.missing(one)


def test_a_segment_of_which_nothing_was_said_is_the_label_of_its_new_name(stage, scene, one):
    rename(scene, "anterior", "head")
    assert stage.cases.segment_labels(one) == {"anterior": "head", "posterior": "posterior"}


def test_renamed_segments_keep_their_labels_in_a_saved_scene(stage, scene, one, tmp_path):
    stage.cases.set_label(one, "anterior", "head")
    rename(scene, "anterior", "first")
    stage.tick()
    reopened(scene, tmp_path)
    assert stage.cases.segment_labels(one) == {"anterior": "head", "posterior": "posterior"}
    assert stage.cases.segments(one)["anterior"] == "first"
    rename(scene, "anterior", "second")
    assert stage.cases.segment_labels(one)["anterior"] == "head"


def test_a_scene_of_an_earlier_version_went_by_names(stage, scene, one, tmp_path):
    """There `posterior` is what the segment with the ID `anterior` is called."""
    rename(scene, "anterior", "posterior")
    rename(scene, "posterior", "tail")
    stage.tick()
    node = stage.parameter_node()
    record = json.loads(node.GetParameter(PARAMETER))
    record["version"] = 1
    record["state"]["cases"][0]["labels"] = {"posterior": None, "tail": "end", "gone": "x"}
    node.SetParameter(PARAMETER, json.dumps(record))
    reopened(scene, tmp_path)
    assert stage.state.case(one).labels == {"anterior": None, "posterior": "end"}
    stage.cases.rename(one, "Anna, 2")
    stage.tick()
    reopened(scene, tmp_path)
    assert stage.state.case(one).labels == {"anterior": None, "posterior": "end"}, "now by ID"


def test_another_segmentation_takes_over_what_was_said_of_names(stage, scene, one, add_scan):
    add_scan("Berta", 1)
    rename(scene, "posterior", "tail", "Berta_label")
    rename(scene, "anterior", "posterior", "Berta_label")
    stage.cases.set_label(one, "anterior", "head")
    stage.cases.set_label(one, "posterior", None)
    stage.cases.set_segmentation(one, scene.GetFirstNodeByName("Berta_label").GetID())
    assert stage.cases.segment_labels(one) == {"anterior": None, "posterior": "tail"}
    stage.cases.set_segmentation(one, None)
    stage.cases.set_segmentation(one, scene.GetFirstNodeByName("Anna_label").GetID())
    assert stage.cases.segment_labels(one) == {"anterior": "anterior", "posterior": None}
    scene.RemoveNode(scene.GetFirstNodeByName("Anna_label"))
    stage.cases.set_segmentation(one, scene.GetFirstNodeByName("Berta_label").GetID())
    assert stage.state.case(one).labels == {}, "equal IDs of another segmentation mean nothing"


def test_the_next_segment_with_a_removed_ones_id_means_itself(stage, scene, one, tmp_path):
    stage.cases.set_label(one, "posterior", None)
    segmentation(scene).RemoveSegment("posterior")
    stage.tick()
    reopened(scene, tmp_path)
    segmentation(scene).AddEmptySegment("posterior", "new")
    assert stage.cases.segment_labels(one) == {"anterior": "anterior", "posterior": "new"}
