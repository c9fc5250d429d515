"""Small case files on disk for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((8, 7, 6), (1.0, 1.2, 2.0), (-4.0, 10.0, 3.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
"""The grid of test cases: small, anisotropic, away from the origin."""


def image_values(seed: int = 0, grid: Geometry = GRID) -> np.ndarray:
    """Random intensities, float32."""
    return np.random.default_rng(seed).uniform(1, 100, grid.shape).astype(np.float32)


def label_values(grid: Geometry = GRID) -> np.ndarray:
    """Background with a block of 1 and a block of 2, uint8."""
    values = np.zeros(grid.shape, np.uint8)
    values[1:3, 1:4, 2:5] = 1
    values[3:5, 1:4, 2:5] = 2
    return values


def put(path: Path, array: np.ndarray, grid: Geometry = GRID) -> Path:
    """Write an array on a grid."""
    write_volume(Volume(array, grid), path)
    return path


def labelled_case(folder: Path, annotation: Annotation | None = None, **changed: np.ndarray) -> Case:
    """A case with the channels T1 and FLAIR and labels 1 and 2; `changed` replaces arrays by file stem."""
    arrays = {"T1": image_values(1), "FLAIR": image_values(2), "label": label_values(), **changed}
    files = {stem: put(folder / f"{stem}.nii.gz", array) for stem, array in arrays.items()}
    images = {name: ChannelFile(files[name]) for name in ("T1", "FLAIR")}
    return Case("case", images, files["label"], annotation or Annotation())
