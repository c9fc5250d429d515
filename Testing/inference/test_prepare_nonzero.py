from __future__ import annotations

from pathlib import Path

import numpy as np

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.volumes.geometry import Geometry

DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def prepared(spacing: tuple[float, float, float]) -> np.ndarray:
    """A bright cube in zeros, stored at `spacing` and prepared at 2 mm."""
    image = np.zeros((1, 12, 12, 12), np.float32)
    image[0, 4:8, 4:8, 4:8] = np.random.default_rng(0).uniform(50, 100, (4, 4, 4))
    geometry = Geometry((12, 12, 12), spacing, (0.0, 0.0, 0.0), DIRECTION)
    loaded = LoadedCase("case", ("T1",), image, geometry, None, None, "case", Path("case.nii.gz"))
    card = ModelCard(
        "m", ("T1",), LabelScheme.of("a"), spacing=(2.0,) * 3, normalisation=Normalisation(nonzero=True)
    )
    return prepare(card, loaded).image.numpy()


def test_interpolation_does_not_make_tissue_of_the_background():
    # half a voxel finer: linear interpolation smears the cube's border into the zeros around it
    image = prepared((1.5, 1.5, 1.5))
    tissue = image != 0
    # 12 voxels of 1.5 mm become 9 of 2 mm; of the centres along an axis those at 6.25, 8.25 and 10.25 mm
    # are nearest to a voxel of the cube (6 to 10.5 mm)
    assert tissue.sum() == 3**3
    assert abs(image[tissue].mean()) < 1e-5 and abs(image[tissue].std() - 1) < 1e-5
