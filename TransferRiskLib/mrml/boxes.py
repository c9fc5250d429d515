"""Boxes in space, turned or not: grids of volumes, ROIs, and what holds the voxels of a segmentation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from TransferRiskLib.mrml.nodes import Node, refuse_transform
from TransferRiskLib.volumes.geometry import Geometry

_ROUNDING = 1e-6
"""A voxel's centre on the face of a box, in mm, lies in it."""


@dataclass(frozen=True)
class Box:
    """A box with axes of its own.

    Attributes:
        to_ras: 4x4 matrix from its own coordinates to RAS millimetres.
        low, high: Its ends in its own coordinates, (3,).
    """

    to_ras: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of_grid(cls, geometry: Geometry) -> Box:
        """All voxels of a grid."""
        return cls(geometry.index_to_ras, np.full(3, -0.5), np.asarray(geometry.size) - 0.5)

    @classmethod
    def of_roi(cls, roi: Node) -> Box:
        """An ROI node.

        Raises:
            GeometryError: the ROI stands under a transform.
        """
        refuse_transform(roi)
        half = np.asarray(roi.GetSize()) / 2
        return cls(_array(roi.GetObjectToNodeMatrix()), -half, half)

    @classmethod
    def of_representation(cls, data: Node) -> Box:
        """What a segment's label map (its whole extent) or surface takes up."""
        if not data.IsA("vtkOrientedImageData"):
            bounds = np.asarray(data.GetBounds())
            return cls(np.eye(4), bounds[0::2], bounds[1::2])
        import vtk

        matrix = vtk.vtkMatrix4x4()
        data.GetImageToWorldMatrix(matrix)
        extent = np.asarray(data.GetExtent())
        return cls(_array(matrix), extent[0::2] - 0.5, extent[1::2] + 0.5)

    def holds(self, geometry: Geometry) -> np.ndarray:
        """The voxels of a grid whose centres lie in the box, bool (k, j, i).

        Slice by slice, and only where the box is: a scan may have fifty million voxels.
        """
        inside = np.zeros(geometry.shape, dtype=bool)
        to_own = np.linalg.inv(self.to_ras) @ geometry.index_to_ras
        seen = (np.linalg.inv(to_own) @ self._corners())[:3]
        first = np.clip(np.floor(seen.min(axis=1)).astype(int), 0, geometry.size)
        last = np.clip(np.ceil(seen.max(axis=1)).astype(int) + 1, 0, geometry.size)
        i, j, slices = (np.arange(*ends) for ends in zip(first, last, strict=True))
        along_i, along_j, along_k, start = (to_own[:3, column, None, None] for column in range(4))
        across = start + along_i * i[None, None, :] + along_j * j[None, :, None]
        low, high = (self.low - _ROUNDING)[:, None, None], (self.high + _ROUNDING)[:, None, None]
        for k in slices:
            held = (across >= low - along_k * k) & (across <= high - along_k * k)
            inside[k, first[1] : last[1], first[0] : last[0]] = held.all(axis=0)
        return inside

    def apart_from(self, other: Box) -> bool:
        """Whether the two surely share nothing; boxes that pass each other at an odd angle may go unseen."""
        return self._beside(other) or other._beside(self)

    def _beside(self, other: Box) -> bool:
        seen = (np.linalg.inv(self.to_ras) @ other.to_ras @ other._corners())[:3]
        return bool(np.any((seen.min(axis=1) > self.high) | (seen.max(axis=1) < self.low)))

    def _corners(self) -> np.ndarray:
        """Its corners in its own coordinates, (4, 8)."""
        ends = itertools.product(*zip(self.low, self.high, strict=True))
        return np.array([[*corner, 1.0] for corner in ends]).T


def _array(matrix: Node) -> np.ndarray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
