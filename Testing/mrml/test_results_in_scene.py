"""Results of tasks in a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.segmentation_files import write_labelmap, write_seg_nrrd
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import add_volume, geometry_of, volume_from_node
from TransferRiskLib.mrml.results import show_case, show_map_result, show_segment_result
from TransferRiskLib.mrml.segmentations import indices_from_segmentation
from TransferRiskLib.tasks.results import CaseMaps, MapResult, SegmentedScan, SegmentResult
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def labels(oblique) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 3, oblique.shape).astype(np.int16)


@pytest.fixture
def cohort(tmp_path, oblique, scheme, labels) -> Cohort:
    image = np.random.default_rng(2).uniform(50, 100, oblique.shape).astype(np.float32)
    write_volume(Volume(image, oblique), tmp_path / "t2.nii.gz")
    write_labelmap(labels, oblique, scheme, tmp_path / "labels.nii.gz")
    images = {"T2": ChannelFile(tmp_path / "t2.nii.gz")}
    labelled = Case("Anna", images, tmp_path / "labels.nii.gz")
    return Cohort((labelled, Case("Berta", images)), scheme)


@pytest.fixture
def map_result(tmp_path, oblique, scheme, labels) -> MapResult:
    paths = {kind: tmp_path / f"{kind}.nii.gz" for kind in ("risk", "gain", "eep-segmentation")}
    write_volume(Volume(np.full(oblique.shape, 2.0, np.float32), oblique), paths["risk"])
    write_volume(Volume(np.full(oblique.shape, 0.5, np.float32), oblique), paths["gain"])
    write_labelmap(labels[::-1], oblique, scheme, paths["eep-segmentation"])
    maps = CaseMaps("Anna", paths, worst_lps=(-30.0, 12.0, 79.0))
    return MapResult(None, tmp_path / "statistics.json", tmp_path / "summary.csv", (maps,))


def _folder_of(scene, node) -> str:
    import slicer

    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return tree.GetItemName(tree.GetItemParent(tree.GetItemByDataNode(node)))


def test_maps_labels_and_scan_of_a_case_land_in_the_runs_folder(scene, map_result, cohort, scheme, labels):
    (shown,) = show_map_result(scene, map_result, cohort, name="Run 7")
    assert shown.case == "Anna"
    assert set(shown.maps) == {"risk", "gain"}
    nodes = [shown.scan, *shown.maps.values(), *shown.segmentations.values()]
    assert {_folder_of(scene, node) for node in nodes} == {"Run 7"}
    grid = geometry_of(shown.scan)
    manual = indices_from_segmentation(shown.segmentations["manual"], grid, scheme)
    translated = indices_from_segmentation(shown.segmentations["eep-segmentation"], grid, scheme)
    np.testing.assert_array_equal(manual, labels)
    np.testing.assert_array_equal(translated, labels[::-1])


def test_gain_is_hidden_where_the_annotation_says_background(scene, map_result, cohort, labels):
    (shown,) = show_map_result(scene, map_result, cohort)
    gain = volume_from_node(shown.maps["gain"]).array
    assert (gain[labels == 0] == heat.NOT_SHOWN).all()
    np.testing.assert_allclose(gain[labels > 0], 0.5)


def test_a_scan_that_is_in_the_scene_already_is_not_loaded_again(scene, map_result, cohort, oblique):
    scan = add_volume(scene, Volume(np.zeros(oblique.shape, np.float32), oblique), "mine")
    (shown,) = show_map_result(scene, map_result, cohort, scans={"Anna": scan})
    assert shown.scan is scan
    assert "manual" not in shown.segmentations


def test_the_first_map_is_shown_at_the_worst_spot(scene, map_result, cohort):
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetOrientation("Axial")
    (shown,) = show_map_result(scene, map_result, cohort)
    assert composite.GetForegroundVolumeID() == shown.maps["risk"].GetID()
    assert view.GetSliceOffset() == pytest.approx(79.0)
    show_case(scene, shown, "gain")
    assert composite.GetForegroundVolumeID() == shown.maps["gain"].GetID()
    assert not heat.legend_of(shown.maps["risk"]).GetVisibility()


def test_segmented_scans_come_with_names_and_uncertainty_and_failed_ones_are_left_out(
    scene, tmp_path: Path, cohort, oblique, scheme, labels
):
    write_seg_nrrd(labels, oblique, scheme, tmp_path / "out.seg.nrrd")
    write_volume(Volume(np.full(oblique.shape, 0.7, np.float32), oblique), tmp_path / "entropy.nii.gz")
    good = SegmentedScan(
        "Berta", segmentation=tmp_path / "out.seg.nrrd", uncertainty=tmp_path / "entropy.nii.gz"
    )
    result = SegmentResult((SegmentedScan("Anna", error="truncated"), good))
    (shown,) = show_segment_result(scene, result, cohort)
    assert shown.case == "Berta"
    assert heat.kind_of(shown.maps["uncertainty"]) == "uncertainty"
    back = indices_from_segmentation(shown.segmentations["segmentation"], shown.scan, scheme)
    np.testing.assert_array_equal(back, labels)
