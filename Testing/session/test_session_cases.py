"""Rows of cases: guessed from the scene, loaded from folders, annotated, handed over."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from case_files import image_values, put
from vtk.util.numpy_support import vtk_to_numpy

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.cases.simulate import simulate_cohort
from TransferRiskLib.mrml.annotation import segments_of
from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.mrml.nodes import add_volume, geometry_of, volume_from_node
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.session import loading
from TransferRiskLib.session.drawings import Drawing, read_drawing
from TransferRiskLib.session.guessing import find_cases, unique
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def one(stage, bundle, add_scan):
    """A session with one complete case; its key."""
    stage.models.add(bundle)
    add_scan("Anna")
    return stage.cases.add_from_scene()[0]


def indices(session, key):
    row = session.state.case(key)
    grid = geometry_of(session._desk.node(row.channels["T1"]))
    return read_drawing(session._desk, row, grid, session.cases.target_labels()).indices()


def test_channels_and_segmentations_are_found_by_name(scene, add_scan):
    for name in ("Anna_T1", "Anna_FLAIR", "Berta_T1"):
        add_scan(name, labelled=False)
    volume, _ = add_scan("Clara")
    found = {case.name: case for case in find_cases(scene, ("T1", "FLAIR"), set())}
    assert set(found) == {"Anna", "Berta", "Clara"}
    assert set(found["Anna"].channels) == {"T1", "FLAIR"} and set(found["Berta"].channels) == {"T1"}
    assert found["Clara"].segmentation == scene.GetFirstNodeByName("Clara_label").GetID()
    assert found["Anna"].segmentation is None
    assert [case.name for case in find_cases(scene, ("T1",), {volume.GetID()})] == ["Anna", "Berta"]


def test_two_volumes_of_one_name_become_two_cases(stage, bundle, add_scan):
    stage.models.add(bundle)
    for seed in range(2):
        add_scan("scan", seed, labelled=False)
    stage.cases.add_from_scene()
    assert [row.name for row in stage.cases.rows] == ["scan", "scan (2)"]
    assert unique("Scan", ["scan", "SCAN (2)"]) == "Scan (3)"
    assert unique("a" * 240, ["a" * 240]) == "a" * 240 + " (2)"
    assert unique("T1: axial", ["T1/ axial"]) == "T1: axial (2)", "their results go into folders"


def test_a_row_stays_itself_when_others_go(stage, one):
    other = stage.cases.add("Berta")
    stage.cases.remove(one)
    assert [row.key for row in stage.cases.rows] == [other]
    assert stage.cases.add("Berta") != other and stage.cases.rows[-1].name == "Berta (2)"


def test_a_folder_of_cases_is_loaded_a_volume_a_tick_with_its_labels(stage, scene, bundle, finish, tmp_path):
    cohort = simulate_cohort(tmp_path / "cohort", 1, 3)
    stage.models.add(bundle)
    stage.cases.add_folder(tmp_path / "cohort")
    assert finish(stage).kind == "done"
    assert [row.name for row in stage.cases.rows] == [case.name for case in cohort.cases]
    assert [stage.cases.missing(row.key) for row in stage.cases.rows] == [[]]
    assert stage.cases.target_labels().names == ("background", "CSF", "GM", "WM", "lesion")
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_a_folder_without_cases_is_refused(stage, finish, tmp_path):
    stage.cases.add_folder(tmp_path)
    outcome = finish(stage)
    assert outcome.kind == "error" and str(tmp_path) in outcome.message and outcome.hint
    assert not stage.jobs.busy


def test_a_folder_is_read_beside_the_gui_thread(stage, finish, tmp_path, monkeypatch):
    put(tmp_path / "cohort" / "Anna" / "T1.nii.gz", image_values())
    threads, real = [], loading.read_cohort

    def watched(*arguments, **options):
        threads.append(threading.current_thread())
        return real(*arguments, **options)

    monkeypatch.setattr(loading, "read_cohort", watched)
    stage.cases.add_folder(tmp_path / "cohort")
    assert threads == []
    assert finish(stage).kind == "done" and threads and threading.main_thread() not in threads


def test_a_folder_of_another_contrast_does_not_pass_for_the_models(stage, scene, bundle, finish, tmp_path):
    for name, contrast in (("Anna", "T2"), ("Berta", "T1w")):
        put(tmp_path / "cohort" / name / f"{contrast}.nii.gz", image_values())
    stage.models.add(bundle)
    stage.cases.add_folder(tmp_path / "cohort")
    assert finish(stage).kind == "done"
    remarks = {row.name: stage.cases.remarks(row.key) for row in stage.cases.rows}
    assert remarks == {"Anna": ["tiny was trained on T1; the volume is named T2."], "Berta": []}


def test_cancelling_a_load_takes_back_what_was_loaded(stage, scene, tmp_path):
    for name in ("Anna", "Berta"):
        put(tmp_path / "cohort" / name / "T1.nii.gz", image_values())
    stage.cases.add_folder(tmp_path / "cohort")
    while not scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"):
        stage.tick()
    stage.jobs.cancel()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert stage.cases.rows == ()


def test_annotation_begins_with_the_models_labels_as_segments(stage, bundle, add_scan):
    stage.models.add(bundle)
    volume, _ = add_scan("Anna", labelled=False)
    (key,) = stage.cases.add_from_scene()
    node, drawn_on = stage.cases.prepare_annotation(key)
    assert drawn_on is volume
    labels = stage.models.card.labels.foreground
    assert [(s.name, s.colour) for s in segments_of(node)] == [
        (label.name, pytest.approx(label.colour)) for label in labels
    ]
    assert stage.cases.prepare_annotation(key) == (node, volume), "a second time brings back the same"


def test_unmapped_segments_are_labels_of_their_own_name_and_none_is_unlabelled(stage, one):
    whole = indices(stage, one)
    assert set(np.unique(whole)) == {0, 1, 2}
    stage.cases.set_label(one, "posterior", None)
    assert stage.cases.target_labels().names == ("background", "anterior")
    left = indices(stage, one)
    np.testing.assert_array_equal(left == UNLABELLED, whole == 2)
    stage.cases.set_label(one, "posterior", "background")
    np.testing.assert_array_equal(indices(stage, one), np.where(whole == 1, 1, 0))
    stage.cases.set_label(one, "posterior", "ANTERIOR")
    assert stage.cases.target_labels().names == ("background", "anterior"), "the model's spelling"
    np.testing.assert_array_equal(indices(stage, one), np.minimum(whole, 1))


@pytest.mark.parametrize("meaning", [None, "background"])
def test_a_case_in_which_no_label_is_drawn_is_not_complete(stage, scene, one, meaning):
    segmentation = scene.GetFirstNodeByName("Anna_label").GetSegmentation()
    stage.cases.set_label(one, "posterior", meaning)
    assert stage.cases.missing(one) == [] and stage.cases.is_labelled(one)
    assert segmentation.GetNumberOfLayers() == 1, "two segments share a label map"
    image = segmentation.GetLayerDataObject(0)
    drawn = vtk_to_numpy(image.GetPointData().GetScalars())
    drawn[drawn == segmentation.GetSegment("anterior").GetLabelValue()] = 0
    image.Modified()
    assert stage.cases.missing(one) == ["Nothing is drawn in what stands for a label: anterior."]
    assert "Nothing is drawn" in stage.maps.can_compute()[1]
    assert stage.cases.usable_unlabelled() == list(stage.cases.rows), "worth annotating"
    stage.cases.set_label(one, "posterior", "posterior")
    assert stage.cases.missing(one) == []


def test_segments_that_differ_in_capitals_alone_are_told_apart(stage, scene, one):
    segmentation = scene.GetFirstNodeByName("Anna_label").GetSegmentation()
    segmentation.GetSegment(segmentation.GetNthSegmentID(1)).SetName("ANTERIOR")
    whole = indices(stage, one)
    assert set(np.unique(whole)) == {0, 1}, "one label by two names"
    stage.cases.set_label(one, "posterior", None)  # by its ID
    left = indices(stage, one)
    assert (left == 1).any() and (left == UNLABELLED).any()


def test_only_slices_that_carry_annotation_count(stage, scene, bundle, add_scan):
    stage.models.add(bundle)
    volume, _ = add_scan("Anna", labelled=False)
    drawn = np.zeros((16, 18, 20), np.int16)
    drawn[4, 5:9, 5:9] = drawn[11, 5:9, 5:9] = 1
    scheme = stage.models.card.labels
    node = add_segmentation(scene, drawn, geometry_of(volume), scheme, "Anna_label", volume)
    (key,) = stage.cases.add_from_scene()
    assert stage.state.case(key).segmentation == node.GetID()
    stage.cases.set_region(key, "slices")
    found = indices(stage, key)
    assert set(np.flatnonzero((found >= 0).any(axis=(1, 2)))) == {4, 11}
    np.testing.assert_array_equal(found[4], drawn[4])


THICK = ((0, 3, 6, 9), slice(20, 44), slice(24, 36))
"""A structure that is small in the plane, drawn in every third of ten thick slices."""


@pytest.mark.parametrize(
    "direction",
    ["axial", "coronal"],  # the thick axis lies head to foot, or front to back
)
def test_slices_of_a_stack_are_those_in_its_plane(stage, scene, bundle, direction):
    stage.models.add(bundle)
    drawn = np.zeros((10, 64, 64), np.int16)
    drawn[list(THICK[0]), THICK[1], THICK[2]] = 1
    # drawn in 4 of 10 slices, but in 12 of 64 columns: the smaller share would be the wrong direction
    columns = {"axial": np.eye(3), "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])}[direction]
    # flipped and a little oblique
    turn = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    matrix = turn @ columns @ np.diag([-1.0, 1.0, -1.0])
    grid = Geometry((64, 64, 10), (1.0, 1.0, 5.0), (3.0, -4.0, 5.0), tuple(matrix.ravel().tolist()))
    volume = add_volume(scene, Volume(np.ones((10, 64, 64), np.float32), grid), "Anna")
    add_segmentation(scene, drawn, grid, stage.models.card.labels, "Anna_label", volume)
    (key,) = stage.cases.add_from_scene()
    stage.cases.set_region(key, "slices")
    assert any("axial, coronal or sagittal" in remark for remark in stage.cases.remarks(key))
    found = indices(stage, key)
    assert set(np.flatnonzero((found >= 0).any(axis=(1, 2)))) == {0, 3, 6, 9}
    assert (found[1] == UNLABELLED).all() and (found[3] == drawn[3]).all()
    stage.cases.set_region(key, direction)
    np.testing.assert_array_equal(indices(stage, key), found)
    assert stage.cases.remarks(key) == []
    stage.cases.set_region(key, "sagittal")
    columns = indices(stage, key)
    assert set(np.flatnonzero((columns >= 0).all(axis=(0, 1)))) == set(range(24, 36))


def test_the_direction_of_slices_can_be_said_where_voxels_are_cubes(stage, scene, bundle):
    stage.models.add(bundle)
    drawn = np.zeros((16, 16, 16), np.int16)
    drawn[2:12:2, 4:8, 7] = 1  # 5 axial, 4 coronal, 1 sagittal slice
    grid = Geometry((16, 16, 16), (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    volume = add_volume(scene, Volume(np.ones((16,) * 3, np.float32), grid), "Anna")
    add_segmentation(scene, drawn, grid, stage.models.card.labels, "Anna_label", volume)
    (key,) = stage.cases.add_from_scene()
    counts = {}
    for region in ("slices", "axial", "coronal", "sagittal"):
        stage.cases.set_region(key, region)
        counts[region] = int((indices(stage, key) >= 0).sum()) // 256
        assert bool(stage.cases.remarks(key)) == (region == "slices")
    assert counts == {"slices": 5, "axial": 5, "coronal": 4, "sagittal": 1}


def shear(scene):
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "affine")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 1, 0.05)
    node.SetMatrixTransformToParent(matrix)
    return node


def test_a_sheared_scan_is_no_complete_case_before_or_after_hardening(stage, scene, one):
    volume = scene.GetFirstNodeByName("Anna")
    assert stage.cases.missing(one) == []
    volume.SetAndObserveTransformNodeID(shear(scene).GetID())
    assert any("right angles" in text for text in stage.cases.missing(one))
    volume.HardenTransform()
    assert volume.GetParentTransformNode() is None
    assert any("right angles" in text for text in stage.cases.missing(one))
    assert not stage.maps.can_compute()[0]
    stage.cases.remove(one)
    (scan,) = stage.segmenting.add_from_scene()
    assert any("right angles" in text for text in stage.segmenting.missing(scan))


def test_a_rigid_transform_is_to_be_hardened(stage, scene, one):
    import vtk

    turn = vtk.vtkTransform()
    turn.RotateZ(30)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turn")
    node.SetMatrixTransformToParent(turn.GetMatrix())
    volume = scene.GetFirstNodeByName("Anna")
    volume.SetAndObserveTransformNodeID(node.GetID())
    assert any("harden it first" in text for text in stage.cases.missing(one))
    volume.HardenTransform()
    assert not any("right angles" in text for text in stage.cases.missing(one))


def test_voxels_without_an_extent_are_named(stage, scene, one):
    node = scene.GetFirstNodeByName("Anna")
    node.DisableModifiedEventOn()
    node.SetSpacing(1.0, 1.0, 0.0)
    assert any("without an extent" in text for text in stage.cases.missing(one))


def test_only_the_inside_of_a_turned_roi_counts(stage, scene, one):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    volume = scene.GetFirstNodeByName("Anna")
    whole = indices(stage, one)
    centre = np.argwhere(whole > 0).mean(axis=0)[::-1]
    lps = (geometry_of(volume).index_to_lps @ [*centre, 1])[:3]
    import vtk

    turn = vtk.vtkTransform()
    turn.Translate(-lps[0], -lps[1], lps[2])
    turn.RotateZ(45)
    roi.SetAndObserveObjectToNodeMatrix(turn.GetMatrix())
    roi.SetSize(4.0, 100.0, 100.0)
    stage.cases.set_region(one, "roi", roi.GetID())
    found = indices(stage, one)
    places = np.argwhere(np.ones(found.shape, bool))[:, ::-1]
    world = np.c_[places, np.ones(len(places))] @ geometry_of(volume).index_to_lps.T
    offset = (world[:, :3] - lps) * [-1, -1, 1]
    along = offset @ [np.cos(np.pi / 4), np.sin(np.pi / 4), 0]
    inside = ((np.abs(along) <= 2) & (np.abs(offset[:, 2]) <= 50)).reshape(found.shape)
    np.testing.assert_array_equal(found >= 0, inside)


@pytest.mark.parametrize("region", ["everything", "slices", "roi"])
def test_an_annotation_that_holds_no_label_in_its_region_is_refused(stage, scene, one, finish, region):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    roi.SetCenter(8.0, -9.0, 5.0)  # a corner of the scan
    roi.SetSize(1.0, 1.0, 1.0)
    stage.cases.set_region(one, region, roi.GetID())
    if region != "roi":
        segmentation = scene.GetFirstNodeByName("Anna_label")
        segmentation.GetSegmentation().RemoveSegment("anterior")
        segmentation.GetSegmentation().GetSegment("posterior").SetLabelValue(9)  # no voxel has it
    assert indices(stage, one) is None
    stage.maps.compute()
    outcome = finish(stage)
    assert (outcome.kind, outcome.message) == ("error", "The annotation of “Anna” holds no label.")


def test_voxels_are_worked_on_beside_the_gui_thread(stage, scene, one, finish, played, monkeypatch):
    beside = []

    def watch(real):
        def watched(*arguments):
            beside.append(threading.current_thread() is not threading.main_thread())
            return real(*arguments)

        return watched

    monkeypatch.setattr(Box, "holds", watch(Box.holds))
    monkeypatch.setattr(Drawing, "indices", watch(Drawing.indices))
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    roi.SetSize(100.0, 100.0, 100.0)
    stage.cases.set_region(one, "roi", roi.GetID())
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    assert beside == [True, True]


def test_a_volume_keeps_its_values_on_the_way_to_the_worker(stage, scene, one, played):
    from TransferRiskLib.volumes.io import read_volume

    stage.maps.compute()
    while not played.submitted:
        stage.tick()
    (case,) = played.submitted[0][1].target.cohort.cases
    sent, shown = read_volume(case.images["T1"].path), volume_from_node(scene.GetFirstNodeByName("Anna"))
    np.testing.assert_array_equal(sent.array, shown.array)
    assert sent.geometry.difference(shown.geometry) is None
