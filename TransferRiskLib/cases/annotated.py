"""Which voxels of a case count: sparse annotation as a mask on the case's grid."""

from __future__ import annotations

import numpy as np

from TransferRiskLib.cases.case import Annotation
from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.volumes.lattice import lattice_map
from TransferRiskLib.volumes.resample import resample


def apply_annotation(indices: np.ndarray, geometry: Geometry, annotation: Annotation) -> np.ndarray:
    """Class indices with `UNLABELLED` wherever one of the annotation's conditions fails.

    Args:
        indices: Class indices, shape (k, j, i).
        geometry: Their grid.
        annotation: The conditions; `unlabelled_value` is the label file's matter, not looked at here.

    Raises:
        LabelError: slices that the image does not have, or a box that is inside out.
        GeometryError: a mask on another grid.
    """
    counts = annotated_mask(geometry, annotation)
    return indices if counts is None else np.where(counts, indices, indices.dtype.type(UNLABELLED))


def annotated_mask(geometry: Geometry, annotation: Annotation) -> np.ndarray | None:
    """The voxels that meet mask, slices and box, boolean (k, j, i); None when none of them is set."""
    conditions = []
    if annotation.mask is not None:
        conditions.append(_from_mask(geometry, annotation))
    if annotation.slices is not None:
        conditions.append(_from_slices(geometry, annotation))
    if annotation.box is not None:
        conditions.append(_from_box(geometry, annotation.box))
    return np.logical_and.reduce(conditions) if conditions else None


def _from_mask(geometry: Geometry, annotation: Annotation) -> np.ndarray:
    assert annotation.mask is not None
    mask = read_volume(annotation.mask, allow_flat=True)
    if mask.geometry.difference(geometry) is None:
        return mask.array != 0
    if lattice_map(mask.geometry, geometry) is None:
        raise GeometryError(
            "does not lie on the grid of the case's first image. "
            f"Mask: {mask.geometry.describe()}. Image: {geometry.describe()}.",
            file=annotation.mask,
            hint="Resample the mask onto the image (nearest neighbour).",
        )
    return resample(mask, geometry, "nearest").array != 0


def _from_slices(geometry: Geometry, annotation: Annotation) -> np.ndarray:
    axis = "ijk".index(annotation.axis)
    wanted = np.asarray(annotation.slices, dtype=int)
    if not wanted.size or wanted.min() < 0 or wanted.max() >= geometry.size[axis]:
        raise LabelError(
            f"The annotated slices {wanted.tolist()} along {annotation.axis} are not all in the image.",
            hint=f"Slices along {annotation.axis} count from 0 to {geometry.size[axis] - 1}.",
        )
    along = np.isin(np.arange(geometry.size[axis]), wanted)
    shape = [1, 1, 1]
    shape[2 - axis] = -1
    return np.broadcast_to(along.reshape(shape), geometry.shape)


def _from_box(geometry: Geometry, box: tuple[float, float, float, float, float, float]) -> np.ndarray:
    low, high = np.asarray(box[:3]), np.asarray(box[3:])
    if not np.all(np.isfinite(box)) or (low > high).any():
        raise LabelError(
            f"The annotated box {box} has no volume.",
            hint="Give (min L, min P, min S, max L, max P, max S) in LPS millimetres.",
        )
    matrix = geometry.index_to_lps
    inside = np.ones(geometry.shape, dtype=bool)
    # a coordinate is a sum of one term an axis, so that no array of points is needed
    terms = [np.arange(size, dtype=float) for size in geometry.size]
    for row in range(3):
        coordinate = (
            matrix[row, 3]
            + matrix[row, 0] * terms[0][None, None, :]
            + matrix[row, 1] * terms[1][None, :, None]
            + matrix[row, 2] * terms[2][:, None, None]
        )
        inside &= (coordinate >= low[row]) & (coordinate <= high[row])
    return inside
