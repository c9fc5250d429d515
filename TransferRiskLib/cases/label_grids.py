"""Label maps on the grid of the image they were drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.lattice import lattice_map
from TransferRiskLib.volumes.resample import resample
from TransferRiskLib.volumes.volume import Volume


def labels_on_grid(values: Volume, path: Path, geometry: Geometry, outside: float = 0) -> np.ndarray:
    """A label map on the case's grid, by copying only.

    Raises:
        GeometryError: the label map's voxels do not coincide with the image's.
    """
    if values.array.size == 1 and geometry.shape != values.array.shape:
        # Slicer stores a segmentation without any voxel as one voxel of arbitrary geometry
        return np.full(geometry.shape, outside, dtype=values.array.dtype)
    if values.geometry.difference(geometry) is None:
        return values.array
    check_label_grid(values.geometry, path, geometry)
    return resample(values, geometry, "nearest", outside).array


def check_label_grid(labels: Geometry, path: Path, geometry: Geometry) -> None:
    """Refuse a label map whose voxels do not coincide with the image's.

    Raises:
        GeometryError: another lattice, or no voxel in common.
    """
    if labels.difference(geometry) is None:
        return
    if lattice_map(labels, geometry) is None or labels.covered_by(geometry) == 0:
        raise GeometryError(
            "does not lie on the grid of the case's first image. "
            f"Labels: {labels.describe()}. Image: {geometry.describe()}.",
            file=path,
            hint="Resample the labels onto the image (nearest neighbour), or give the image of the labels.",
        )
