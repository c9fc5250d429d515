"""What the views show."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml import heat, overlay
from TransferRiskLib.mrml.nodes import add_volume
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((20, 30, 10), (1.0, 1.0, 3.0), (-10.0, 20.0, 5.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture
def a_slice_node(scene):
    """An axial slice view's node of 400 x 200 pixels, as a slice view has it."""
    node = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    node.SetLayoutName("Red")
    node.SetOrientation("Axial")
    node.SetDimensions(400, 200, 1)
    return node


@pytest.fixture
def scan(scene):
    values = np.random.default_rng(0).uniform(100, 200, GRID.shape).astype(np.float32)
    values[:, :5] = 0
    return add_volume(scene, Volume(values, GRID), "scan")


def test_scan_and_heat_go_to_every_slice_view(scene, scan) -> None:
    composites = [scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode") for _ in range(2)]
    risk = heat.add_map(scene, Volume(np.zeros(GRID.shape), GRID), "risk", "risk")
    overlay.show_in_slices(scene, scan, risk, 0.4)
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == scan.GetID()
        assert composite.GetForegroundVolumeID() == risk.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.4)
    overlay.set_heat_opacity(scene, 0.9)
    assert composites[1].GetForegroundOpacity() == pytest.approx(0.9)


def test_a_scan_that_was_not_shown_is_brought_into_the_views(scene, scan, a_slice_node) -> None:
    scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    overlay.show_in_slices(scene, scan)
    # 20 mm wide and 30 mm high in a view twice as wide as high: the height decides.
    assert a_slice_node.GetFieldOfView()[:2] == pytest.approx((60.0, 30.0))
    matrix = a_slice_node.GetSliceToRAS()
    # The grid's corner is half a voxel outside of the first voxel's centre.
    assert [matrix.GetElement(row, 3) for row in range(3)] == pytest.approx([0.5, -34.5, 18.5])


def test_a_scan_is_brought_into_a_view_that_was_dragged_away(scene, scan, a_slice_node) -> None:
    scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    a_slice_node.SetSliceOrigin(500.0, -300.0, 0.0)  # as Slicer does when the mouse drags a slice
    overlay.show_in_slices(scene, scan)
    assert pixel(a_slice_node, (-0.5, 34.5, 18.5)) == pytest.approx((200.0, 100.0))  # the view's middle


def test_a_view_that_was_dragged_away_does_not_have_the_point_of_its_slice(scene, a_slice_node) -> None:
    point = (1.0, 2.0, 9.0)
    a_slice_node.JumpSliceByCentering(-1.0, -2.0, 9.0)
    a_slice_node.SetFieldOfView(40.0, 20.0, 1.0)
    assert overlay.in_view(scene, point)
    a_slice_node.SetSliceOrigin(0.0, 11.0, 0.0)  # half the height is 10 mm
    assert not overlay.in_view(scene, point)
    a_slice_node.JumpSliceByOffsetting(0.0, 0.0, 0.0)
    a_slice_node.SetSliceOrigin(19.0, 9.0, 0.0)
    assert overlay.in_view(scene, point)
    overlay.jump_to(scene, point, centre=True)
    assert pixel(a_slice_node, point) == pytest.approx((200.0, 100.0))


def pixel(node, lps) -> tuple[float, float]:
    """Where a slice view draws a point, from its lower left corner."""
    import vtk

    to_xy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), to_xy)
    return to_xy.MultiplyPoint((-lps[0], -lps[1], lps[2], 1.0))[:2]


def test_views_stay_where_they_are_while_the_scan_stays(scene, scan, a_slice_node) -> None:
    scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    overlay.show_in_slices(scene, scan)
    overlay.jump_to(scene, (1.0, 2.0, 9.0), centre=True)
    risk = heat.add_map(scene, Volume(np.zeros(GRID.shape), GRID), "risk", "risk")
    overlay.show_in_slices(scene, scan, risk)
    overlay.show_in_slices(scene, scan)
    matrix = a_slice_node.GetSliceToRAS()
    assert [matrix.GetElement(row, 3) for row in range(3)] == pytest.approx([-1.0, -2.0, 9.0])
    overlay.show_in_slices(scene, None)
    assert matrix.GetElement(2, 3) == pytest.approx(9.0)


def test_only_the_legend_of_the_shown_map_is_visible(scene) -> None:
    empty = Volume(np.zeros(GRID.shape), GRID)
    risk, gain = (heat.add_map(scene, empty, kind, kind) for kind in ("risk", "gain"))
    before = heat.legend_of(gain).GetMTime()
    overlay.show_legend_only_of(scene, gain)
    assert heat.legend_of(gain).GetVisibility()
    assert heat.legend_of(gain).GetMTime() > before, "views look at it again, now that they have its map"
    assert not heat.legend_of(risk).GetVisibility()
    overlay.show_legend_only_of(scene, None)
    assert not heat.legend_of(gain).GetVisibility()


def test_the_legend_of_somebody_elses_volume_stays_as_it_is(scene, scan) -> None:
    import slicer

    risk = heat.add_map(scene, Volume(np.zeros(GRID.shape), GRID), "risk", "risk")
    legends = [slicer.vtkMRMLColorLegendDisplayNode() for _ in range(2)]
    for legend in legends:
        scene.AddNode(legend)
    scan.AddAndObserveDisplayNodeID(legends[0].GetID())  # the other one belongs to nothing
    for shown in (True, False):
        for legend in legends:
            legend.SetVisibility(shown)
        for node in (risk, None):
            overlay.show_legend_only_of(scene, node)
            assert [bool(legend.GetVisibility()) for legend in legends] == [shown, shown]
            assert heat.legend_of(risk).GetVisibility() == (node is risk)


def test_grey_levels_of_a_scan_leave_the_background_out(scan) -> None:
    overlay.show_scan(scan)
    display = scan.GetVolumeDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(101, abs=1)
    assert display.GetWindowLevelMax() == pytest.approx(199.5, abs=1)


def test_jumping_takes_lps(scene, a_slice_node) -> None:
    overlay.jump_to(scene, (3.0, 4.0, 12.0), centre=True)
    matrix = a_slice_node.GetSliceToRAS()
    assert [matrix.GetElement(row, 3) for row in range(3)] == pytest.approx([-3.0, -4.0, 12.0])


def test_a_box_fills_the_view_and_the_slice_stays(scene, a_slice_node) -> None:
    overlay.jump_to(scene, (0.0, 0.0, 12.0))
    overlay.zoom_to(scene, np.array([-20.0, 0.0, 0.0]), np.array([20.0, 50.0, 99.0]), margin=1.0)
    # 40 mm wide and 50 mm high in a view twice as wide as high: the height decides.
    assert a_slice_node.GetFieldOfView()[:2] == pytest.approx((100.0, 50.0))
    matrix = a_slice_node.GetSliceToRAS()
    assert [matrix.GetElement(row, 3) for row in range(3)] == pytest.approx([0.0, -25.0, 12.0])


def test_room_for_a_legend_is_kept_below_the_box(scene, a_slice_node) -> None:
    overlay.jump_to(scene, (0.0, 0.0, 12.0))
    overlay.zoom_to(scene, np.array([-20.0, 0.0, 0.0]), np.array([20.0, 40.0, 9.0]), margin=1.0, reserve=0.2)
    assert a_slice_node.GetFieldOfView()[1] == pytest.approx(50.0)
    # The lowest fifth (10 mm) stays free: in the axial view up is anterior, +A.
    centre = a_slice_node.GetSliceToRAS().GetElement(1, 3)
    assert centre - 25.0 == pytest.approx(-40.0 - 10.0)


def test_outlines_and_surfaces_can_be_limited_to_some_segments(scene, scheme) -> None:
    indices = np.zeros(GRID.shape, np.int16)
    indices[2:6, 3:12, 3:12] = 1
    indices[6:9, 3:12, 3:12] = 2
    node = add_segmentation(scene, indices, GRID, scheme, "manual")
    overlay.show_outlines(node, fill=0.2, only={"lesion"})
    overlay.show_surfaces(node, {"Hippocampus": 0.4})
    display = node.GetDisplayNode()
    assert display.GetSegmentVisibility2DOutline("lesion")
    assert not display.GetSegmentVisibility2DOutline("Hippocampus")
    assert display.GetSegmentOpacity3D("Hippocampus") == pytest.approx(0.4)
    assert not display.GetSegmentVisibility3D("lesion")
    assert node.GetClosedSurfaceInternalRepresentation("Hippocampus").GetNumberOfPoints() > 0
