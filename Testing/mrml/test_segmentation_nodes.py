"""Segmentations in MRML."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.mrml.annotation import filled_layers, prepare_segmentation, reference_volume, segments_of
from TransferRiskLib.mrml.nodes import add_volume
from TransferRiskLib.mrml.segmentations import add_segmentation, indices_from_segmentation
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def indices(oblique) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, oblique.shape).astype(np.int16)


def _segment(node, name):
    segmentation = node.GetSegmentation()
    return segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name))


def test_segments_carry_names_colours_and_values_of_the_scheme(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    assert node.GetSegmentation().GetNumberOfSegments() == 2
    assert _segment(node, "Hippocampus").GetColor() == pytest.approx((0.9, 0.6, 0.1))
    assert _segment(node, "Hippocampus").GetLabelValue() == 7
    assert _segment(node, "lesion").GetLabelValue() == 3


def test_a_coded_label_becomes_slicers_terminology_entry(scene, oblique, scheme, indices) -> None:
    import vtk

    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    segment, found = _segment(node, "Hippocampus"), vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), found)
    fields = str(found).split("~")
    assert fields[2] == "SCT^3092008^Hippocampus"
    assert len(fields) == 7


def test_an_added_segment_is_coded_too(scene, oblique, scheme) -> None:
    import vtk

    scan = add_volume(scene, Volume(np.zeros(oblique.shape, np.float32), oblique), "scan")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "begun")
    assert prepare_segmentation(scene, node, scheme, scan, "unused") is node
    segment, found = _segment(node, "Hippocampus"), vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), found) and "SCT^3092008" in str(found)
    assert segment.GetColor() == pytest.approx((0.9, 0.6, 0.1))
    assert reference_volume(node) is scan


def test_indices_come_back_on_an_oblique_grid(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    back = indices_from_segmentation(node, oblique, scheme)
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, indices)


def test_a_volume_node_can_be_the_reference(scene, oblique, scheme, indices) -> None:
    scan = add_volume(scene, Volume(np.zeros(oblique.shape, np.float32), oblique), "scan")
    node = add_segmentation(scene, indices, oblique, scheme, "manual", scan)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is scan
    np.testing.assert_array_equal(indices_from_segmentation(node, scan, scheme), indices)


def test_unlabelled_voxels_are_in_no_segment(scene, oblique, scheme, indices) -> None:
    indices[0] = UNLABELLED
    back = indices_from_segmentation(
        add_segmentation(scene, indices, oblique, scheme, "manual"), oblique, scheme
    )
    assert (back[0] == 0).all()
    np.testing.assert_array_equal(back[1:], indices[1:])


def test_segments_are_sampled_on_a_grid_that_is_shifted_and_larger(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    origin = (oblique.index_to_lps @ [-2, 1, -1, 1])[:3]
    wider = dataclasses.replace(oblique, size=(9, 7, 7), origin=tuple(origin))
    expected = np.zeros(wider.shape, dtype=np.int16)
    expected[1:6, 0:6, 2:8] = indices[:, 1:, :]
    np.testing.assert_array_equal(indices_from_segmentation(node, wider, scheme), expected)


def test_labels_match_by_name_whatever_the_order_and_case(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    other = LabelScheme.of("LESION", "hippocampus")
    expected = np.array([0, 2, 1])[indices]
    np.testing.assert_array_equal(indices_from_segmentation(node, oblique, other), expected)


def test_a_segment_that_no_label_is_called_like_is_refused(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    with pytest.raises(LabelError, match=r"'Hippocampus'.*Rename it to one of lesion"):
        indices_from_segmentation(node, oblique, LabelScheme.of("lesion"))


def test_segments_can_stand_for_other_labels_and_be_left_out(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    one, two = node.GetSegmentation().GetSegmentIDs()
    for identifier in (one, two):
        node.GetSegmentation().GetSegment(identifier).SetName("same name")
    labels = {one: "left", two: None}
    back = indices_from_segmentation(node, oblique, LabelScheme.of("left"), labels)
    np.testing.assert_array_equal(back, indices == 1)


def test_a_segment_whose_name_was_emptied_goes_by_its_identifier(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    segmentation = node.GetSegmentation()
    identifier = segmentation.GetSegmentIdBySegmentName("lesion")
    segmentation.GetSegment(identifier).SetName("")
    assert [label.name for label in segments_of(node)] == ["Hippocampus", identifier]
    assert [there for _, there in filled_layers(node)] == [("Hippocampus", identifier)]
    labels = {identifier: "lesion"}
    np.testing.assert_array_equal(indices_from_segmentation(node, oblique, scheme, labels), indices)


def test_a_segmentation_without_segments_is_all_background(scene, oblique, scheme) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    assert not indices_from_segmentation(node, oblique, scheme).any()


def test_a_segmentation_under_a_transform_is_refused(scene, oblique, scheme, indices) -> None:
    node = add_segmentation(scene, indices, oblique, scheme, "manual")
    node.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "tilt").GetID())
    with pytest.raises(GeometryError, match="tilt"):
        indices_from_segmentation(node, oblique, scheme)


def test_labels_of_another_shape_are_refused(scene, oblique, scheme) -> None:
    with pytest.raises(GeometryError, match=r"\(2, 2, 2\)"):
        add_segmentation(scene, np.zeros((2, 2, 2), np.int16), oblique, scheme, "manual")


def test_surfaces_are_sampled_on_the_grid_and_stay_what_they_are(scene) -> None:
    import slicer
    import vtk

    grid = Geometry((24, 24, 24), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "planned")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    for name, centre in (("near", 6.0), ("far", 16.0)):
        ball = vtk.vtkSphereSource()
        ball.SetCenter(-centre, -12.0, 12.0)  # RAS: the grid runs towards left and back
        ball.SetRadius(4.0)
        ball.SetThetaResolution(48)
        ball.SetPhiResolution(48)
        ball.Update()
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.AddRepresentation("Closed surface", ball.GetOutput())
        node.GetSegmentation().AddSegment(segment)
    found = indices_from_segmentation(node, grid, LabelScheme.of("near", "far"))
    k, j, i = np.indices(grid.shape)
    for index, centre in ((1, 6.0), (2, 16.0)):
        distance = np.sqrt((i - centre) ** 2 + (j - 12.0) ** 2 + (k - 12.0) ** 2)
        assert (found[distance < 3.5] == index).all()
        assert (found[(distance > 4.5) & (found == index)] == 0).all()
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
