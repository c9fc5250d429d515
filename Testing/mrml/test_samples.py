"""Sample data: simulated into files, which Slicer's own readers take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml.samples import SAMPLES, make_sample_file


def test_names_are_distinct() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    files = [file for sample in SAMPLES for file in sample.files]
    assert len({file.name for file in files}) == len({file.node for file in files}) == len(files)


def test_a_file_that_no_sample_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no sample"):
        make_sample_file("../elsewhere.nrrd", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_slicers_readers_bring_volume_and_segmentation_onto_each_other(scene: Any, tmp_path: Path) -> None:
    """The storage nodes are those that "VolumeFile" and "SegmentationFile" stand for."""
    from slicer.util import arrayFromVolume

    from TransferRiskLib.cases.simulate import BRAIN_SCHEME
    from TransferRiskLib.mrml.nodes import geometry_of
    from TransferRiskLib.mrml.segmentations import indices_from_segmentation
    from TransferRiskLib.session.guessing import find_cases

    image, label = SAMPLES[3].files
    nodes = []
    for file, node_class, reader in (
        (image, "vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode"),
        (label, "vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode"),
    ):
        node = scene.AddNewNodeByClass(node_class, file.node)
        storage = scene.AddNewNodeByClass(reader)
        storage.SetFileName(str(make_sample_file(file.name, tmp_path)))
        assert storage.ReadData(node)
        nodes.append(node)
    volume, segmentation = nodes
    values = arrayFromVolume(volume)
    assert values.dtype == np.float32 and values.max() > 0
    indices = indices_from_segmentation(segmentation, geometry_of(volume), BRAIN_SCHEME)
    assert (values[np.asarray(indices) > 0] != 0).mean() > 0.99, "tissue lies where the scan shows something"
    (case,) = find_cases(scene, ("T2",), ())
    assert (case.channels, case.segmentation) == ({"T2": volume.GetID()}, segmentation.GetID())
