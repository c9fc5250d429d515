"""*Annotate*: which segments a case gets to draw. The model knows anterior and posterior."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.mrml.annotation import reference_volume, segments_of
from TransferRiskLib.mrml.nodes import geometry_of
from TransferRiskLib.mrml.segmentations import add_segmentation, indices_from_segmentation


@pytest.fixture
def cases(stage, scene, bundle, add_scan):
    """Adds a case with a segmentation of these names, the first of them drawn or all empty; its key."""
    stage.models.add(bundle)

    def add(name, *labels, drawn=True):
        volume, _ = add_scan(name, labelled=False)
        if labels:
            indices = np.zeros((16, 18, 20), np.int16)
            indices[4:9, 5:9, 5:9] = int(drawn)
            scheme = LabelScheme.of(*labels)
            add_segmentation(scene, indices, geometry_of(volume), scheme, f"{name}_label", volume)
        return stage.cases.add_from_scene()[0]

    return add


@pytest.fixture
def annotate(stage):
    """Clicks *Annotate*; names of the segments that there are then."""

    def click(key):
        return [segment.name for segment in segments_of(stage.cases.prepare_annotation(key)[0])]

    return click


def test_a_case_that_has_one_of_the_models_labels_gets_the_others(stage, cases, annotate):
    started, fresh = cases("Anna", "posterior", drawn=False), cases("Ben")
    assert annotate(started) == ["posterior", "anterior"]
    assert annotate(fresh) == ["anterior", "posterior"]
    assert annotate(started) == ["posterior", "anterior"], "once"


def test_the_models_labels_come_first_then_those_of_the_cases(stage, scene, cases, annotate):
    first, fresh = cases("Anna", "lesion", "posterior"), cases("Ben")
    node, volume = scene.GetFirstNodeByName("Anna_label"), scene.GetFirstNodeByName("Anna")
    before = indices_from_segmentation(node, volume, LabelScheme.of("lesion", "posterior"))
    assert annotate(fresh) == ["anterior", "posterior", "lesion"]
    assert annotate(first) == ["lesion", "posterior", "anterior"]
    after = indices_from_segmentation(node, volume, LabelScheme.of("lesion", "posterior", "anterior"))
    np.testing.assert_array_equal(after, before)
    assert (before == 1).sum() == 5 * 4 * 4, "what was drawn stays"


def test_labels_that_were_merged_are_not_asked_for_apart(stage, cases, annotate):
    merged, fresh = cases("Anna", "anterior", "posterior"), cases("Ben")
    for segment in ("anterior", "posterior"):
        stage.cases.set_label(merged, segment, "hippocampus")
    assert annotate(merged) == ["anterior", "posterior"]
    assert annotate(fresh) == ["hippocampus"]
    assert stage.cases.target_labels().names == ("background", "hippocampus")


def test_a_label_that_a_segment_of_another_name_stands_for_is_not_missing(stage, cases, annotate):
    key = cases("Anna", "head", "posterior")
    stage.cases.set_label(key, "head", "anterior")
    assert annotate(key) == ["head", "posterior"]


@pytest.mark.parametrize("meaning", [None, "background", "anterior"])
def test_a_label_that_was_mapped_away_is_asked_of_no_case(stage, cases, annotate, meaning):
    key, fresh = cases("Anna", "anterior", "posterior"), cases("Ben")
    stage.cases.set_label(key, "posterior", meaning)
    assert annotate(key) == ["anterior", "posterior"]
    assert annotate(fresh) == ["anterior"]


def test_where_all_that_is_drawn_is_unknown_to_the_model_its_labels_are_not_asked_for(stage, cases, annotate):
    key, fresh = cases("Anna", "hippocampus"), cases("Ben")
    assert annotate(key) == annotate(fresh) == ["hippocampus"]


def test_a_new_segment_has_its_labels_colour_and_the_reference_stays(stage, scene, cases, add_scan):
    key = cases("Anna", "posterior", drawn=False)
    drawn_on, _ = add_scan("drawn on this", labelled=False)
    node = scene.GetFirstNodeByName("Anna_label")
    node.SetReferenceImageGeometryParameterFromVolumeNode(drawn_on)
    stage.cases.prepare_annotation(key)
    added = segments_of(node)[1]
    anterior = stage.models.card.labels.foreground[0]
    assert (added.name, added.colour) == ("anterior", pytest.approx(anterior.colour))
    assert reference_volume(node) is drawn_on
