"""Scenes that are saved and opened again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.errors import StorageError, TransferRiskError
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import add_volume, folder, put_in_folder, volume_from_node
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.mrml.segmentations import add_segmentation, indices_from_segmentation
from TransferRiskLib.mrml.styles import style_of
from TransferRiskLib.volumes.resample import resample
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def filled(scene, oblique, scheme):
    """A scene with a scan, a risk map in 3-D, and a segmentation, all in a folder."""
    rng = np.random.default_rng(0)
    scan = add_volume(scene, Volume(rng.integers(0, 900, oblique.shape).astype(np.int16), oblique), "scan")
    risk = heat.add_map(scene, Volume(rng.uniform(0, 4, oblique.shape), oblique), "risk", "risk map")
    heat.show_in_3d(risk, "risk")
    indices = rng.integers(0, 3, oblique.shape).astype(np.int16)
    labels = add_segmentation(scene, indices, oblique, scheme, "manual", scan)
    for node in (scan, risk, labels):
        put_in_folder(node, folder(scene, "Run 1"))
    return {"scan": volume_from_node(scan), "risk": volume_from_node(risk), "indices": indices}


@pytest.mark.parametrize("target", ["case.v1.mrb", "case.v1"])
def test_an_opened_scene_is_the_saved_one(scene, filled, oblique, scheme, tmp_path, target) -> None:
    import slicer

    saved = save_scene(scene, tmp_path / target)
    scene.Clear(False)
    assert scene.GetFirstNodeByName("scan") is None
    load_scene(scene, saved)
    for name, key in (("scan", "scan"), ("risk map", "risk")):
        # Slicer turns left-handed grids right-handed when it reads them: same places, other order.
        back = resample(volume_from_node(scene.GetFirstNodeByName(name)), oblique, "nearest", -1.0)
        np.testing.assert_array_equal(back.array, filled[key].array)
    risk = scene.GetFirstNodeByName("risk map")
    display, style = risk.GetVolumeDisplayNode(), style_of("risk")
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx(style.window)
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() == pytest.approx(style.threshold[0])
    colours = display.GetColorNode().GetColorTransferFunction()
    assert colours.GetColor(1.5) == pytest.approx(style.colours[4], abs=1e-3)
    assert heat.legend_of(risk).GetTitleText() == "Transfer risk (nats)"
    assert heat.kind_of(risk) == "risk"
    opacity = heat.show_in_3d(risk, "risk").GetVolumePropertyNode().GetVolumeProperty().GetScalarOpacity()
    assert opacity.GetValue(3.0) == pytest.approx(style.opacity[-1][1])
    labels = scene.GetFirstNodeByName("manual")
    np.testing.assert_array_equal(indices_from_segmentation(labels, oblique, scheme), filled["indices"])
    lesion = labels.GetSegmentation().GetSegment(labels.GetSegmentation().GetSegmentIdBySegmentName("lesion"))
    assert lesion.GetColor() == pytest.approx((0.1, 0.2, 0.8), abs=1e-3)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert tree.GetItemName(tree.GetItemParent(tree.GetItemByDataNode(risk))) == "Run 1"


def test_a_bundle_holds_one_folder_with_scene_and_data(scene, filled, tmp_path) -> None:
    saved = save_scene(scene, tmp_path / "case.mrb")
    names = zipfile.ZipFile(saved).namelist()
    assert {name.split("/")[0] for name in names} == {"case"}
    assert "case/case.mrml" in names
    assert "case/Data/scan.nrrd" in names
    assert "case/Data/manual.seg.nrrd" in names


def test_saving_leaves_the_open_scene_as_it_was(scene, filled, tmp_path) -> None:
    before = scene.GetURL(), scene.GetRootDirectory(), scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
    save_scene(scene, tmp_path / "case.mrb")
    after = scene.GetURL(), scene.GetRootDirectory(), scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")
    assert after == before


def test_a_saved_scene_replaces_an_older_one_and_leaves_no_scratch_files(scene, filled, tmp_path) -> None:
    for _ in range(2):
        save_scene(scene, tmp_path / "case.mrb")
        save_scene(scene, tmp_path / "case")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "case.mrb"]


def test_a_scene_that_cannot_be_written_is_a_typed_error(scene, filled, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        save_scene(scene, tmp_path / "file" / "case.mrb")


def test_what_is_no_scene_is_a_typed_error(scene, tmp_path) -> None:
    broken = tmp_path / "broken.mrb"
    broken.write_bytes(b"PK no zip")
    with pytest.raises(TransferRiskError, match="not a scene bundle"):
        load_scene(scene, broken)
    with pytest.raises(TransferRiskError, match="no such scene"):
        load_scene(scene, Path(tmp_path / "absent.mrml"))
