"""The views show one patient: what belongs to another is hidden, and comes back with its scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from TransferRiskLib.cases.simulate import simulate_cohort
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import volume_from_node
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.session.state import MapDisplay, MappedCase, MapRun, ScanRow
from TransferRiskLib.session.viewing import hide_what_is_not_in_view


@pytest.fixture
def composite(scene):
    return scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")


@pytest.fixture
def two(stage, scene, composite, bundle, add_scan):
    """Anna and Ben, each with a scan, an annotation and a risk map that can be rendered in 3-D."""
    stage.models.add(bundle)
    cases = []
    for number, name in enumerate(("Anna", "Ben")):
        volume, _ = add_scan(name, number)
        values = volume_from_node(volume)
        values = values.with_array(np.full(values.array.shape, 2.0, np.float32))
        risk = heat.add_map(scene, values, "risk", f"{name} risk")
        cases.append(MappedCase(name, volume.GetID(), {"risk": risk.GetID()}))
    stage.cases.add_from_scene()
    display = MapDisplay("run", "Anna", rendering=True)
    state = replace(stage.state, runs=(MapRun("run", "m", tuple(cases)),), display=display)
    stage._desk.update(state, "maps")
    stage.maps.refresh()
    return stage


def drawn(scene):
    """Names of the segmentations that can be seen."""
    nodes = nodes_of(scene, "vtkMRMLSegmentationNode")
    return [node.GetName() for node in nodes if node.GetDisplayNode().GetVisibility()]


def rendered(scene):
    displays = nodes_of(scene, "vtkMRMLVolumeRenderingDisplayNode")
    return [d.GetDisplayableNode().GetName() for d in displays if d.GetVisibility()]


def legends(scene):
    displays = nodes_of(scene, "vtkMRMLColorLegendDisplayNode")
    return [d.GetDisplayableNode().GetName() for d in displays if d.GetVisibility()]


def seen(scene):
    return drawn(scene), rendered(scene), legends(scene)


def key_of(session, name):
    return next(row.key for row in session.cases.rows if row.name == name)


def test_the_annotation_of_another_patient_is_not_drawn_over_a_map(two, scene):
    assert seen(scene) == (["Anna_label"], ["Anna risk"], ["Anna risk"])
    two.maps.show_case("Ben")
    assert seen(scene) == (["Ben_label"], ["Ben risk"], ["Ben risk"])
    two.maps.show_kind("")
    assert seen(scene) == (["Ben_label"], [], [])


def test_what_the_user_has_hidden_stays_hidden(two, scene):
    scene.GetFirstNodeByName("Anna_label").GetDisplayNode().SetVisibility(False)
    two.maps.show_case("Ben")
    two.maps.show_case("Anna")
    assert drawn(scene) == []


def test_whoever_annotates_a_scan_sees_nothing_of_another(two, scene, composite):
    two.cases.prepare_annotation(key_of(two, "Ben"))
    assert composite.GetBackgroundVolumeID() == scene.GetFirstNodeByName("Ben").GetID()
    assert composite.GetForegroundVolumeID() is None
    assert seen(scene) == (["Ben_label"], [], [])


def test_an_annotation_that_is_drawn_on_can_be_seen(two, scene):
    scene.GetFirstNodeByName("Ben_label").GetDisplayNode().SetVisibility(False)
    two.cases.prepare_annotation(key_of(two, "Ben"))
    assert drawn(scene) == ["Ben_label"]


@pytest.mark.parametrize("way", ["show", "edit_target"])
def test_a_segmented_scan_is_shown_without_the_map_of_another(two, scene, composite, add_scan, way):
    volume, result = add_scan("Carl", 2)
    row = ScanRow("carl", "Carl", {"T1": volume.GetID()}, segmentation=result.GetID())
    two._desk.update(replace(two.state, scans=(row,)), "segment")
    getattr(two.segmenting, way)("carl")
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    assert seen(scene) == (["Carl_label"], [], [])
    two.maps.show_case("Anna")
    assert seen(scene) == (["Anna_label"], ["Anna risk"], ["Anna risk"])


def test_results_of_scans_that_are_not_in_view_are_hidden(two, scene, composite):
    for name in ("Anna_label", "Ben_label"):
        scene.GetFirstNodeByName(name).GetDisplayNode().SetVisibility(True)
    composite.SetBackgroundVolumeID(None)
    hide_what_is_not_in_view(two._desk)
    assert drawn(scene) == ["Anna_label", "Ben_label"], "nothing is in view that they could be taken for"
    composite.SetBackgroundVolumeID(scene.GetFirstNodeByName("Ben").GetID())
    hide_what_is_not_in_view(two._desk)
    assert drawn(scene) == ["Ben_label"]


def test_a_segmentation_of_two_rows_is_seen_with_either_scan(two, scene):
    shared = scene.GetFirstNodeByName("Anna_label").GetID()
    two.cases.set_segmentation(key_of(two, "Ben"), shared)
    two.maps.show_case("Ben")
    assert drawn(scene) == ["Anna_label"]
    two.maps.show_case("Anna")
    assert drawn(scene) == ["Anna_label"]


def test_a_case_of_which_nothing_is_left_does_not_show_another_patient_under_its_name(two, scene, composite):
    for name in ("Ben", "Ben risk"):
        scene.RemoveNode(scene.GetFirstNodeByName(name))
    two.maps.refresh()
    two.maps.show_case("Ben")
    assert composite.GetBackgroundVolumeID() is None and composite.GetForegroundVolumeID() is None
    assert seen(scene) == ([], [], [])
    composite.SetBackgroundVolumeID(scene.GetFirstNodeByName("Anna").GetID())
    two.maps.refresh()  # as after a scene was opened: the views stay as they came
    assert composite.GetBackgroundVolumeID() == scene.GetFirstNodeByName("Anna").GetID()


def test_of_a_folder_the_annotation_of_the_scan_in_view_is_drawn(stage, scene, composite, finish, tmp_path):
    simulate_cohort(tmp_path / "cohort", 2, 3)
    stage.cases.add_folder(tmp_path / "cohort")
    assert finish(stage).kind == "done"
    shown = scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName()
    assert len(stage.cases.rows) == 2 and len(drawn(scene)) == 1
    assert drawn(scene)[0].split("_")[0] == shown.split("_")[0]
