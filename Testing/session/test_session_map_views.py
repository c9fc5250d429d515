"""Maps in the views: which is shown, how, and where it jumps to."""

from __future__ import annotations

import pytest
import vtk
from played_maps import shown

from TransferRiskLib.errors import CaseError
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.styles import style_of


def test_another_map_opacity_and_threshold_reach_the_views_and_the_state(mapped, scene, views):
    composite, _ = views
    mapped.maps.show_kind("gain")
    gain = shown(scene, mapped, "gain")
    assert composite.GetForegroundVolumeID() == gain.GetID()
    assert (
        heat.legend_of(gain).GetVisibility()
        and not heat.legend_of(shown(scene, mapped, "risk")).GetVisibility()
    )
    mapped.maps.set_opacity(0.25)
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)
    mapped.maps.show_kind("risk")
    assert mapped.maps.threshold() == style_of("risk").threshold
    mapped.maps.set_threshold(1.0, 2.0)
    for number in range(2):
        mapped.maps.show_case(f"case{number}")
        display = shown(scene, mapped, "risk").GetVolumeDisplayNode()
        assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == pytest.approx((1.0, 2.0))
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)
    mapped.maps.show_kind("")
    assert composite.GetForegroundVolumeID() is None
    display = mapped.state.display
    assert (display.case, display.opacity, display.thresholds) == ("case1", 0.25, {"risk": (1.0, 2.0)})


@pytest.mark.parametrize(
    ("kind", "handles", "moved", "shown_values"),
    [
        ("risk", (0.5, 3.0), (1.0, 3.0), (1.0, 1e6)),
        ("risk", (0.5, 3.0), (0.0, 2.0), (1e-6, 2.0)),  # zero is where nobody annotated
        ("risk", (0.5, 3.0), (0.0, 2.9999999), (1e-6, 1e6)),
        ("relative-risk", (0.4, 2.0), (1.0, 2.0), (1.0, 1e6)),
        ("expected-risk", (0.25, 1.5), (0.05, 1.5), (0.05, 1e6)),
        ("gain", (-2.0, 2.0), (-2.0, -0.5), (-50.0, -0.5)),
        ("gain", (-2.0, 2.0), (0.5, 2.0), (0.5, 50.0)),
        ("gain", (-2.0, 2.0), (-1.0, 1.0), (-1.0, 1.0)),
    ],
)
def test_a_handle_at_the_end_of_its_range_hides_nothing_there(
    stage, scene, bundle, add_scan, played, answer_maps, finish, kind, handles, moved, shown_values
):
    """The worst spots lie beyond the end of the colours."""
    stage.models.add(bundle)
    add_scan("case0")
    stage.cases.add_from_scene()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer_maps((kind,))
    assert finish(stage).kind == "done", stage.jobs.outcome
    display = shown(scene, stage, kind).GetVolumeDisplayNode()
    assert stage.maps.threshold_handles() == handles, "as it comes, nothing at the open ends is hidden"
    node = stage.parameter_node()
    stage.maps.set_threshold(*moved)
    stage.save_to(node)
    for _ in range(2):
        assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == pytest.approx(shown_values)
        assert stage.maps.threshold() == shown_values
        assert stage.maps.threshold_handles() == pytest.approx(moved, abs=1e-5), "where they were put"
        stage.maps.set_threshold(0.6, 0.7)
        stage.load_from(node)


def test_one_map_at_a_time_is_rendered_in_3d(mapped, scene):
    def rendered():
        displays = nodes_of(scene, "vtkMRMLVolumeRenderingDisplayNode")
        return [d.GetDisplayableNode() for d in displays if d.GetVisibility()]

    assert rendered() == []
    mapped.maps.set_rendering(True)
    assert rendered() == [shown(scene, mapped, "risk")]
    mapped.maps.show_case("case1")
    assert rendered() == [shown(scene, mapped, "risk")]
    mapped.maps.set_rendering(False)
    assert rendered() == []


def test_a_click_on_a_case_jumps_to_its_worst_spot(mapped, scene, views):
    composite, view = views
    mapped.maps.jump_to_worst("case1")
    assert view.GetSliceOffset() == pytest.approx(13.0)
    assert composite.GetBackgroundVolumeID() == scene.GetFirstNodeByName("case1").GetID()


def test_one_deleted_map_is_offered_no_more_and_another_is_shown(mapped, scene, views):
    composite, _ = views
    scene.RemoveNode(shown(scene, mapped, "risk"))
    assert mapped.maps.kinds() == ("gain",)
    assert mapped.maps.can_adjust() == (False, "No map is shown.")
    mapped.maps.show_case("case0")
    assert mapped.maps.display.kind == "gain"
    assert composite.GetForegroundVolumeID() == shown(scene, mapped, "gain").GetID()
    mapped.maps.show_kind("")
    assert composite.GetForegroundVolumeID() is None and mapped.maps.display.kind == ""
    assert mapped.maps.can_adjust() == (False, "No map is shown.")


def test_a_case_whose_scan_is_gone_shows_its_map_and_no_other_patient(mapped, scene, views):
    composite, view = views
    offset = view.GetSliceOffset()
    scene.RemoveNode(scene.GetFirstNodeByName("case1"))
    with pytest.raises(CaseError, match="scan of “case1” is not in the scene"):
        mapped.maps.jump_to_worst("case1")
    assert mapped.maps.display.case == "case1" and view.GetSliceOffset() == offset
    assert composite.GetBackgroundVolumeID() is None
    assert composite.GetForegroundVolumeID() == shown(scene, mapped, "risk").GetID()


def test_a_worst_spot_outside_of_the_view_is_brought_into_its_middle(mapped, scene, views):
    _, view = views
    mapped.maps.show_case("case1")
    view.SetFieldOfView(4.0, 4.0, 1.0)
    view.JumpSliceByCentering(-8.0, 8.0, 0.0)  # RAS, far from the spot (1, 2, 13) LPS
    mapped.maps.jump_to_worst("case1")
    centre = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    assert centre == pytest.approx([-1.0, -2.0, 13.0])


def test_maps_that_arrive_while_the_user_is_elsewhere_wait(
    stage, scene, views, bundle, add_scan, played, answer_maps, finish
):
    composite, _ = views
    stage.models.add(bundle)
    add_scan("case0")
    stage.cases.add_from_scene()
    stage.maps.leave()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer_maps()
    outcome = finish(stage)
    assert outcome.kind == "done" and "once you return" in outcome.message
    assert composite.GetForegroundVolumeID() is None
    stage.maps.enter()
    assert composite.GetForegroundVolumeID() == shown(scene, stage, "risk").GetID()
    stage.maps.show_kind("gain")
    composite.SetForegroundVolumeID(None)
    stage.maps.leave()
    stage.maps.enter()
    assert composite.GetForegroundVolumeID() is None, "nothing new arrived: the views stay as they are"


def test_the_worst_spot_is_where_the_map_is_shown_when_all_was_moved(mapped, scene, views):
    _, view = views
    move = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 5.0)
    move.SetMatrixTransformToParent(matrix)
    for node in [scene.GetFirstNodeByName("case1"), *map_nodes(scene, mapped, "case1")]:
        node.SetAndObserveTransformNodeID(move.GetID())
    mapped.maps.jump_to_worst("case1")
    assert view.GetSliceOffset() == pytest.approx(13.0 + 5.0)
    assert mapped.maps.remark() == ""


@pytest.mark.parametrize("how", ["transform", "hardened", "replaced"])
def test_a_scan_that_was_moved_under_its_map_is_pointed_out(mapped, scene, how):
    scan = scene.GetFirstNodeByName("case0")
    assert mapped.maps.remark() == ""
    if how == "replaced":
        scan.SetSpacing(2.0, 2.0, 2.0)
    else:
        move = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 1.0)
        move.SetMatrixTransformToParent(matrix)
        scan.SetAndObserveTransformNodeID(move.GetID())
        if how == "hardened":
            scan.HardenTransform()
    told = []
    mapped.subscribe(told.append)
    mapped.tick(), mapped.tick()
    assert "maps" in told or how == "replaced", "the window asks again"
    assert mapped.maps.remark().startswith("The scan of case0 was moved")
    mapped.maps.show_case("case1")
    assert mapped.maps.remark() == ""


def test_maps_whose_files_were_moved_do_not_pass_for_maps(mapped, scene, views):
    composite, _ = views
    for node in map_nodes(scene, mapped, "case0"):
        node.SetAndObserveImageData(None)
    assert mapped.maps.kinds() == () and mapped.maps.can_show() == (True, "")
    assert mapped.maps.can_adjust() == (False, "No map is shown.")
    mapped.maps.refresh()
    assert composite.GetForegroundVolumeID() is None
    for node in map_nodes(scene, mapped, "case1"):
        node.SetAndObserveImageData(None)
    lost = (False, "The files of this run's maps could not be read: compute them again.")
    assert mapped.maps.can_show() == mapped.maps.can_adjust() == lost


def map_nodes(scene, session, name):
    case = next(c for c in session.maps.shown.cases if c.case == name)
    return [scene.GetNodeByID(identity) for identity in case.maps.values()]
