"""Runs of maps: computed, brought into the scene, read off, removed."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from played_maps import HISTOGRAM, shown

from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.guessing import mark_result
from TransferRiskLib.session.state import MappedCase, MapRun


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
    stage, views, bundle, add_scan, played, answer_maps, finish, monkeypatch
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
    answer_maps()
    assert finish(stage).kind == "done"
    assert beside == [True, True]


def test_a_second_run_has_its_own_name_and_a_removed_one_takes_its_nodes(
    mapped, scene, played, answer_maps, finish
):
    first = [scene.GetNodeByID(node) for case in mapped.maps.shown.cases for node in case.maps.values()]
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    answer_maps(("risk",))
    finish(mapped)
    assert [run.name for run in mapped.maps.runs] == ["Transfer risk 1 (tiny)", "Transfer risk 2 (tiny)"]
    mapped.maps.show_run("Transfer risk 1 (tiny)")
    identities = [node.GetID() for node in first]
    mapped.maps.remove_run("Transfer risk 1 (tiny)")
    assert all(scene.GetNodeByID(identity) is None for identity in identities)
    assert mapped.maps.display.run == "Transfer risk 2 (tiny)"
    mapped.maps.remove_run("Transfer risk 2 (tiny)")
    assert mapped.maps.can_show() == (False, "Compute risk maps first.")


def test_a_run_gets_another_name_when_a_scene_brought_one_of_its_name(mapped, played, answer_maps, finish):
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    runs = (*mapped.state.runs, MapRun("Transfer risk 2 (tiny)", "m"))
    mapped._desk.update(replace(mapped.state, runs=runs), "maps")
    answer_maps(("risk",))
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


def test_a_chart_follows_the_shown_run_and_goes_with_the_last(mapped, scene, played, answer_maps, finish):
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
    answer_maps()
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
    stage, scene, views, bundle, add_scan, played, answer_maps, finish
):
    stage.models.add(bundle)
    for number in range(2):
        add_scan(f"case{number}", number)
    stage.cases.add_from_scene()
    stage.cases.add("half-made")
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer_maps()
    scene.RemoveNode(scene.GetFirstNodeByName("case0"))
    outcome = finish(stage)
    assert outcome.kind == "done" and [case.case for case in stage.maps.shown.cases] == ["case1"]
    assert "not complete: half-made." in outcome.message and "meanwhile: case0." in outcome.message


def contents(scene):
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def test_a_removed_run_leaves_no_display_property_or_storage_node_behind(
    tree, mapped, scene, played, answer_maps, finish, tmp_path
):
    save_scene(scene, tmp_path / "one")  # gives storage nodes to what is there
    before = contents(scene)
    mapped.maps.compute()
    finish(mapped, lambda: len(played.submitted) == 2)
    answer_maps()
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
