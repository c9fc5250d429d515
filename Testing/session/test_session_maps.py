"""Maps in the scene: what is shown, how, and where it jumps to."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import vtk

from TransferRiskLib.errors import CaseError
from TransferRiskLib.jobs import events
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.mrml.styles import style_of
from TransferRiskLib.session.guessing import mark_result
from TransferRiskLib.session.state import MappedCase, MapRun
from TransferRiskLib.volumes.io import read_volume, write_volume

HISTOGRAM = {"targets": ["background", "anterior"], "edges": [0.0, 1.0, 2.0], "counts": [[5, 1], [0, 2]]}
ROW = {
    "case": "case0", "label": "anterior", "voxels": 2, "mean": 1.25, "median": 1.0, "q05": 0.5, "q95": 2.0,
    "negative_share": 0.5,
}  # fmt: skip
WORST = {"case0": (0.0, 3.0, 7.0), "case1": (1.0, 2.0, 13.0)}


@pytest.fixture
def views(scene):
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetOrientation("Axial")
    return composite, view


@pytest.fixture
def answer(played, tmp_path):
    """Plays the worker's answer to the latest map job: constant maps of 1.5."""

    def tell(kinds=("risk", "gain")):
        request = played.submitted[-1][1]
        cases = []
        for case in request.target.cohort.cases:
            scan = read_volume(case.images["T1"].path)
            files = {kind: tmp_path / f"{case.name}-{kind}.nii.gz" for kind in kinds}
            for path in files.values():
                write_volume(scan.with_array(np.full(scan.array.shape, 1.5, np.float32)), path)
            maps = {kind: str(path) for kind, path in files.items()}
            cases.append({"case": case.name, "maps": maps, "worst_lps": list(WORST[case.name])})
        (tmp_path / "summary.json").write_text(json.dumps({"histogram": HISTOGRAM}))
        (tmp_path / "statistics.json").write_text('{"joint": 1}')
        score = {"model": "tiny", "path": "m", "leep": -0.5, "normalised": 0.25, "per_class": {}}
        result = {
            "score": score, "statistics": str(tmp_path / "statistics.json"),
            "summary": str(tmp_path / "summary.csv"), "cases": cases, "risk": [ROW],
        }  # fmt: skip
        played.say(events.Done(result))

    return tell


@pytest.fixture
def mapped(stage, views, bundle, add_scan, played, answer, finish):
    """A session with one run of maps of two cases."""
    stage.models.add(bundle)
    for number in range(2):
        add_scan(f"case{number}", number)
    stage.cases.add_from_scene()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer()
    assert finish(stage).kind == "done", stage.jobs.outcome
    return stage


def shown(scene, session, kind):
    case = next(c for c in session.maps.shown.cases if c.case == session.maps.display.case)
    return scene.GetNodeByID(case.maps[kind])


def test_a_finished_run_is_shown_with_its_table_histogram_and_score(mapped, scene, views):
    composite, _ = views
    assert mapped.maps.shown.name == "Transfer risk 1 (tiny)"
    assert composite.GetForegroundVolumeID() == shown(scene, mapped, "risk").GetID()
    assert composite.GetBackgroundVolumeID() == scene.GetFirstNodeByName("case0").GetID()
    assert mapped.maps.table()[1] == (
        ("case0", "anterior", "2", "1.250", "1.000", "0.500", "2.000", "50.0%"),
    )
    assert mapped.maps.histogram() == ((0.0, 1.0, 2.0), {"background": (5, 1), "anterior": (0, 2)})
    assert mapped.maps.score_sentence() == "tiny tells 25% of what there is to know about the labels here."


@pytest.mark.parametrize(("normalised", "warned"), [(0.099, True), (0.1, False)])
def test_maps_of_a_model_that_tells_next_to_nothing_are_called_what_they_are(mapped, normalised, warned):
    run = mapped.maps.shown
    told = replace(run, score=replace(run.score, normalised=normalised))
    mapped._desk.update(replace(mapped.state, runs=(told,)), "maps")
    assert ("Too little to find its errors by" in mapped.maps.score_sentence()) is warned


def test_maps_of_a_run_lie_in_its_folder(mapped, scene):
    import slicer

    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for kind in ("risk", "gain"):
        item = tree.GetItemByDataNode(shown(scene, mapped, kind))
        assert tree.GetItemName(tree.GetItemParent(item)) == "Transfer risk 1 (tiny)"


def test_gain_is_hidden_where_the_annotation_says_background(mapped, scene):
    from TransferRiskLib.mrml.nodes import volume_from_node

    values = volume_from_node(shown(scene, mapped, "gain")).array
    assert set(np.unique(values)) == {np.float32(1.5), np.float32(heat.NOT_SHOWN)}
    assert shown(scene, mapped, "gain").GetDescription().startswith("999 marks")
    assert shown(scene, mapped, "risk").GetDescription().startswith("0 marks")


def test_values_of_maps_are_made_ready_beside_the_gui_thread(
    stage, views, bundle, add_scan, played, answer, finish, monkeypatch
):
    real, beside = heat.shown_values, []

    def watched(*arguments):
        beside.append(threading.current_thread() is not threading.main_thread())
        return real(*arguments)

    monkeypatch.setattr(heat, "shown_values", watched)
    stage.models.add(bundle)
    add_scan("case0")
    stage.cases.add_from_scene()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer()
    assert finish(stage).kind == "done"
    assert beside == [True, True]


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
    stage, scene, bundle, add_scan, played, answer, finish, kind, handles, moved, shown_values
):
    """The worst spots lie beyond the end of the colours."""
    stage.models.add(bundle)
    add_scan("case0")
    stage.cases.add_from_scene()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer((kind,))
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


def test_a_second_run_has_its_own_name_and_a_removed_one_takes_its_nodes(
    mapped, scene, played, answer, finish
):
    first = [scene.GetNodeByID(node) for case in mapped.maps.shown.cases for node in case.maps.values()]
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    answer(("risk",))
    finish(mapped)
    assert [run.name for run in mapped.maps.runs] == ["Transfer risk 1 (tiny)", "Transfer risk 2 (tiny)"]
    mapped.maps.show_run("Transfer risk 1 (tiny)")
    identities = [node.GetID() for node in first]
    mapped.maps.remove_run("Transfer risk 1 (tiny)")
    assert all(scene.GetNodeByID(identity) is None for identity in identities)
    assert mapped.maps.display.run == "Transfer risk 2 (tiny)"
    mapped.maps.remove_run("Transfer risk 2 (tiny)")
    assert mapped.maps.can_show() == (False, "Compute risk maps first.")


def test_a_run_gets_another_name_when_a_scene_brought_one_of_its_name(mapped, played, answer, finish):
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    runs = (*mapped.state.runs, MapRun("Transfer risk 2 (tiny)", "m"))
    mapped._desk.update(replace(mapped.state, runs=runs), "maps")
    answer(("risk",))
    finish(mapped)
    assert [run.name for run in mapped.maps.runs][2:] == ["Transfer risk 2 (tiny) (2)"]
    assert mapped.maps.shown is mapped.maps.runs[2]


def test_maps_that_were_deleted_by_hand_are_missed(mapped, scene):
    for case in mapped.maps.shown.cases:
        for node in case.maps.values():
            scene.RemoveNode(scene.GetNodeByID(node))
    gone = (False, "The maps of this run are not in the scene any more.")
    assert mapped.maps.can_show() == gone and mapped.maps.can_adjust() == gone
    assert mapped.maps.kinds() == ()
    mapped.maps.show_case("case1")  # and nothing breaks


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


def test_a_chart_follows_the_shown_run_and_goes_with_the_last(mapped, scene, played, answer, finish):
    from TransferRiskLib.mrml.plots import series_of

    def tops():
        chart = (
            mapped.maps.show_histogram() if not scene.GetFirstNodeByClass("vtkMRMLPlotChartNode") else None
        )
        chart = chart or scene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
        return [series.GetTableNode().GetTable().GetValue(0, 1).ToDouble() for series in series_of(chart)]

    assert tops() == [5.0, 0.0]
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    answer()
    finish(mapped)
    changed = replace(mapped.maps.runs[1], histogram={**HISTOGRAM, "counts": [[9, 1], [4, 2]]})
    mapped._desk.update(replace(mapped.state, runs=(mapped.maps.runs[0], changed)), "maps")
    mapped.maps.show_run(changed.name)
    assert tops() == [9.0, 4.0]
    mapped.maps.remove_run(changed.name)
    assert tops() == [5.0, 0.0]
    mapped.maps.remove_run(mapped.maps.runs[0].name)
    for kind in ("PlotChart", "PlotSeries", "Table"):
        assert scene.GetFirstNodeByClass(f"vtkMRML{kind}Node") is None


def test_a_scan_that_goes_while_its_maps_are_computed_costs_the_others_nothing(
    stage, scene, views, bundle, add_scan, played, answer, finish
):
    stage.models.add(bundle)
    for number in range(2):
        add_scan(f"case{number}", number)
    stage.cases.add_from_scene()
    stage.cases.add("half-made")
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer()
    scene.RemoveNode(scene.GetFirstNodeByName("case0"))
    outcome = finish(stage)
    assert outcome.kind == "done" and [case.case for case in stage.maps.shown.cases] == ["case1"]
    assert "not complete: half-made." in outcome.message and "meanwhile: case0." in outcome.message


def test_maps_that_arrive_while_the_user_is_elsewhere_wait(
    stage, scene, views, bundle, add_scan, played, answer, finish
):
    composite, _ = views
    stage.models.add(bundle)
    add_scan("case0")
    stage.cases.add_from_scene()
    stage.maps.leave()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer()
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


def contents(scene):
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def test_a_removed_run_leaves_no_display_property_or_storage_node_behind(
    tree, mapped, scene, played, answer, finish, tmp_path
):
    save_scene(scene, tmp_path / "one")  # gives storage nodes to what is there
    before = contents(scene)
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    answer()
    finish(mapped)
    mapped.maps.set_rendering(True)
    mapped.maps.show_case("case1")
    shelf = tree.GetItemChildWithName(tree.GetSceneItemID(), "Transfer risk 2 (tiny)")
    assert tree.GetNumberOfItemChildren(shelf) == 4
    save_scene(scene, tmp_path / "two")
    added = contents(scene) - before
    classes = {scene.GetNodeByID(identity).GetClassName() for identity in added}
    assert {"vtkMRMLVolumePropertyNode", "vtkMRMLVolumeArchetypeStorageNode"} < classes
    mapped.maps.set_rendering(False)  # or else the run that is shown next gets one
    mapped.maps.remove_run("Transfer risk 2 (tiny)")
    assert contents(scene) == before
    assert not tree.GetItemChildWithName(tree.GetSceneItemID(), "Transfer risk 2 (tiny)")


def with_run(session, **nodes):
    """A session whose only run has these segmentations (kind to node)."""
    mapped = MappedCase("case0", "", segmentations={kind: node.GetID() for kind, node in nodes.items()})
    state = replace(session.state, runs=(MapRun("mine", "m", (mapped,)),))
    session._desk.update(state, "maps")
    return session


def test_only_what_this_module_made_goes_with_a_run(stage, scene, add_scan):
    _, mine = add_scan("mine")
    _, result = add_scan("result")
    mark_result(result)
    with_run(stage, one=mine, two=result).maps.remove_run("mine")
    assert mine.GetScene() is scene and result.GetScene() is None and stage.maps.runs == ()


def test_a_segmentation_of_a_run_that_became_an_annotation_stays(stage, scene, add_scan):
    _, result = add_scan("result")
    mark_result(result)
    stage.cases.set_segmentation(stage.cases.add("Anna"), result.GetID())
    with_run(stage, one=result).maps.remove_run("mine")
    assert result.GetScene() is scene


def test_removed_maps_are_not_found_again_in_the_scans_of_the_next_patients(
    mapped, scene, add_scan, tmp_path
):
    gone = [node for case in mapped.maps.shown.cases for node in case.maps.values()]
    for identity in gone:
        scene.RemoveNode(scene.GetNodeByID(identity))
    mapped.tick()
    saved = save_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(False)
    load_scene(scene, saved)
    others = [add_scan(f"other{number}", number, labelled=False)[0] for number in range(4)]
    assert {node.GetID() for node in others} == set(gone), "MRML gives the IDs again"
    mapped.tick()
    assert mapped.maps.can_show() == (False, "The maps of this run are not in the scene any more.")
    mapped.maps.remove_run("Transfer risk 1 (tiny)")
    assert [node.GetScene() for node in others] == [scene] * 4


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
