"""Sample data: simulated on the spot, straight into the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from TransferRiskLib.mrml.samples import SAMPLES, load_sample
from TransferRiskLib.mrml.segmentations import indices_from_segmentation


def test_names_are_distinct() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("number", [1, 2])
def test_a_sample_brings_its_volumes_and_labels(scene: Any, number: int) -> None:
    from slicer.util import arrayFromVolume

    sample = SAMPLES[number]
    volumes = load_sample(scene, sample)
    assert len(volumes) == len(sample.seeds)
    segmentations = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    assert segmentations == (len(volumes) if sample.labelled else 0)
    for volume in volumes:
        values = arrayFromVolume(volume)
        assert values.dtype == np.float32 and values.max() > 0


def test_labels_fit_the_scan(scene: Any) -> None:
    from slicer.util import arrayFromVolume

    from TransferRiskLib.cases.simulate import BRAIN_SCHEME
    from TransferRiskLib.mrml.nodes import geometry_of

    (volume,) = load_sample(scene, SAMPLES[0])
    node = scene.GetFirstNodeByName(f"{volume.GetName()} segmentation")
    indices = indices_from_segmentation(node, geometry_of(volume), BRAIN_SCHEME)
    labelled = arrayFromVolume(volume)[np.asarray(indices) > 0]
    assert (labelled != 0).mean() > 0.99, "tissue lies where the scan shows something"
