"""Cases guessed from the scene: no scan and no segmentation goes to two cases, or to the wrong one."""

from __future__ import annotations

import pytest

from TransferRiskLib.session.guessing import find_cases


@pytest.fixture
def given(scene):
    """What the scene suggests for a T1 model: names of volumes and of the segmentation, case by case."""

    def guess(channels=("T1",), used=()):
        def name(identity):
            return scene.GetNodeByID(identity).GetName() if identity else None

        return [
            ([name(node) for node in case.channels.values()], name(case.segmentation))
            for case in find_cases(scene, channels, used)
        ]

    return guess


def without_reference(segmentation):
    """As a segmentation comes from a file: it does not know what it was drawn on."""
    segmentation.RemoveNodeReferenceIDs(segmentation.GetReferenceImageGeometryReferenceRole())
    return segmentation


def test_one_segmentation_goes_to_the_scan_that_it_was_drawn_on_alone(given, scene, add_scan):
    first, _ = add_scan("brain", 1)
    second, _ = add_scan("brain", 2, labelled=False)
    assert given() == [(["brain"], "brain_label"), (["brain"], None)]
    drawn = {case.channels["T1"]: case.segmentation for case in find_cases(scene, ("T1",))}
    assert drawn[first.GetID()] is not None and drawn[second.GetID()] is None


def test_what_was_drawn_on_says_more_than_the_name(given, add_scan):
    _, segmentation = add_scan("scan1", 1)
    add_scan("scan2", 2, labelled=False)
    segmentation.SetName("scan2")
    assert given() == [(["scan1"], "scan2"), (["scan2"], None)]


def test_the_name_does_not_give_away_what_was_drawn_on_a_scan_that_is_in_use(given, add_scan):
    used, segmentation = add_scan("scan1", 1)
    add_scan("scan2", 2, labelled=False)
    segmentation.SetName("scan2")
    assert given(used={used.GetID()}) == [(["scan2"], None)]


def test_a_name_that_one_case_bears_suffices_and_one_that_two_bear_tells_nothing(given, add_scan):
    for name in ("Anna", "Ben"):
        without_reference(add_scan(name)[1])
    assert given() == [(["Anna"], "Anna_label"), (["Ben"], "Ben_label")]
    add_scan("Ben", labelled=False)
    assert given() == [(["Anna"], "Anna_label"), (["Ben"], None), (["Ben"], None)]


def test_what_was_drawn_on_a_label_map_goes_by_its_name(given, scene, add_scan):
    """Slicer lets a segmentation that was imported refer to the label map that it came from."""
    _, segmentation = add_scan("Anna")
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Anna_label")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(label_map)
    assert given() == [(["Anna"], "Anna_label")]


def test_a_second_click_does_not_make_a_case_of_the_patients_other_contrast(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna_T1")
    add_scan("Anna_T2", labelled=False)
    stage.cases.add_from_scene()
    assert [row.name for row in stage.cases.rows] == ["Anna"]
    ok, reason = stage.cases.can_add_from_scene()
    assert not ok and reason.startswith("The scans that are not in use belong to cases that are listed")
    assert stage.segmenting.can_add_from_scene() == (False, reason)
    add_scan("Ben_T1")
    stage.cases.add_from_scene()
    assert [row.name for row in stage.cases.rows] == ["Anna", "Ben"]


def test_a_scan_that_is_asked_for_is_segmented_whoever_it_is_of(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna_T1")
    stage.cases.add_from_scene()
    other, _ = add_scan("Anna_T2", labelled=False)
    stage.segmenting.add_volumes([other.GetID()])
    assert [dict(row.channels) for row in stage.segmenting.rows] == [{"T1": other.GetID()}]


def test_volumes_of_two_cases_of_one_name_stay_in_pairs(given, add_scan):
    for name in ("Anna_T1", "Anna_T1", "Anna_FLAIR", "Anna_FLAIR"):
        add_scan(name, labelled=False)
    assert given(("T1", "FLAIR")) == [(["Anna_T1", "Anna_FLAIR"], None)] * 2


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("Anna_T2", "Ben_T2"), {"T1": "T2"}),
        (("Anna_T1w", "Ben_T1w"), {}),
        (("Anna_T2", "Ben_FLAIR"), {}),
        (("Anna", "Ben"), {}),
    ],
)
def test_an_adapted_model_learns_which_contrast_it_was_trained_on(
    stage, bundle, add_scan, played, names, taken
):
    stage.models.add(bundle)
    for number, name in enumerate(names):
        add_scan(name, number)
    stage.cases.add_from_scene()
    stage.adapting.start()
    while not played.submitted:
        stage.tick()
    target = played.submitted[0][1].target
    assert target.channels == taken
    assert {channel for case in target.cohort.cases for channel in case.images} == {taken.get("T1", "T1")}
