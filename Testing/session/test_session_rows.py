"""What the window hears and says of its rows: changes of chosen nodes, remarks."""

from __future__ import annotations

import pytest

from TransferRiskLib.mrml import annotation
from TransferRiskLib.session import row_checks


@pytest.fixture
def two(stage, bundle, add_scan):
    """A session with two complete cases; their keys."""
    stage.models.add(bundle)
    for number, name in enumerate(("Anna", "Berta")):
        add_scan(name, number)
    return stage.cases.add_from_scene()


@pytest.fixture
def told(stage):
    """The changes that the session told of."""
    changes = []
    stage.subscribe(changes.append)
    return changes


def observers(node):
    """How many observe a change of a node or of the transform above it."""
    return int(node.HasObserver("ModifiedEvent")) + int(node.HasObserver(node.TransformModifiedEvent))


def test_an_roi_that_is_placed_is_told_once_it_stands_still(stage, scene, two, told):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    stage.cases.set_region(two[0], "roi", roi.GetID())
    for _ in range(3):
        stage.tick()
    assert any("not placed" in text for text in stage.cases.missing(two[0]))
    told.clear()
    for size in (2.0, 4.0, 6.0):
        roi.SetSize(size, size, size)
        stage.tick()
    assert "cases" not in told, "it is being dragged"
    stage.tick()
    stage.tick()
    assert told.count("cases") == 1
    assert not any("not placed" in text for text in stage.cases.missing(two[0]))
    told.clear()
    stage.tick()
    assert "cases" not in told


def test_a_transform_above_a_chosen_volume_is_told(stage, scene, two, told):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turn")
    for _ in range(3):
        stage.tick()
    told.clear()
    scene.GetFirstNodeByName("Anna").SetAndObserveTransformNodeID(transform.GetID())
    for _ in range(3):
        stage.tick()
    assert "cases" in told


def test_nodes_are_watched_as_long_as_a_row_has_them(stage, scene, two):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    before = observers(roi)
    stage.cases.set_region(two[0], "roi", roi.GetID())
    stage.tick()
    assert len(stage._watch._observed) == 6  # two volumes, two segmentations, an ROI twice
    stage.cases.set_region(two[0], "everything")
    stage.tick()
    assert len(stage._watch._observed) == 4 and observers(roi) == before
    stage.close()
    assert stage._watch._observed == []


def test_a_pass_over_the_window_checks_every_row_once(stage, two, monkeypatch):
    asked = []
    real = row_checks.missing_annotation

    def counted(desk, row, channels):
        asked.append(row.key)
        return real(desk, row, channels)

    monkeypatch.setattr(row_checks, "missing_annotation", counted)
    read = []
    real_segments = annotation.segments_by_id
    monkeypatch.setattr(annotation, "segments_by_id", lambda node: read.append(node) or real_segments(node))
    with stage.cases.glance():
        for _ in range(3):
            assert [stage.cases.missing(key) for key in two] == [[], []]
            assert stage.maps.can_compute()[0] and stage.adapting.can_start()[0]
            assert [stage.cases.remarks(key) for key in two] == [[], []]
            assert stage.cases.label_choices() == ("background", "anterior", "posterior")
    assert sorted(asked) == sorted(two)
    assert len(read) == 2, "a brain atlas has a hundred segments"
    stage.cases.missing(two[0])
    assert len(asked) == 3, "outside of it a row is looked at as it is now"


def test_likely_mistakes_are_remarked_on(stage, scene, two):
    anna, berta = two
    assert stage.cases.remarks(anna) == stage.cases.remarks(berta) == []
    node = scene.GetFirstNodeByName("Berta_label")
    segmentation = node.GetSegmentation()
    segmentation.GetSegment(segmentation.GetNthSegmentID(1)).SetName("Segment_1")
    assert any("Segment_1" in text for text in stage.cases.remarks(berta))
    assert any("has no posterior" in text for text in stage.cases.remarks(berta))
    assert any("has no Segment_1" in text for text in stage.cases.remarks(anna))
    stage.cases.set_label(berta, segmentation.GetNthSegmentID(1), "posterior")
    assert stage.cases.remarks(anna) == stage.cases.remarks(berta) == []
    stage.cases.set_region(anna, "axial")
    stage.cases.set_label(anna, "posterior", None)
    assert stage.cases.remarks(anna) == [], "only what is wholly annotated makes background of the rest"
    stage.cases.set_segmentation(anna, node.GetID())
    assert any("Berta" in text for text in stage.cases.remarks(anna))
    assert [stage.cases.missing(key) for key in two] == [[], []], "remarks are no obstacle"
