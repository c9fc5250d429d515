"""Boxes in space, turned or not: grids of volumes, ROIs, and what holds the voxels of a segmentation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from TransferRiskLib.mrml.nodes import Node, refuse_transform
from TransferRiskLib.volumes.geometry import Geometry


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

    def apart_from(self, other: Box) -> bool:
        """Whether the two surely share nothing; boxes that pass each other at an odd angle may go unseen."""
        return self._beside(other) or other._beside(self)

    def _beside(self, other: Box) -> bool:
        ends = itertools.product(*zip(other.low, other.high, strict=True))
        corners = np.array([[*corner, 1.0] for corner in ends])
        seen = (np.linalg.inv(self.to_ras) @ other.to_ras @ corners.T)[:3]
        return bool(np.any((seen.min(axis=1) > self.high) | (seen.max(axis=1) < self.low)))


def _array(matrix: Node) -> np.ndarray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
