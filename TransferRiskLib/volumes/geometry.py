"""The grid of an image in physical space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from TransferRiskLib.errors import GeometryError


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of a 3-D image lie, in ITK's convention (LPS, millimetres).

    Attributes:
        size: Voxels along i, j, k. Arrays are indexed the other way round: `array[k, j, i]`.
        spacing: Distance between voxel centres along i, j, k, in mm.
        origin: Centre of voxel (0, 0, 0), in mm, LPS.
        direction: Row-major 3x3 matrix whose columns are the unit vectors of i, j, k in LPS.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, float, float, float, float, float, float, float, float]

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Geometry:
        """The geometry of a 3-D SimpleITK image."""
        if image.GetDimension() != 3:
            raise GeometryError(f"A 3-D image is needed, this one has {image.GetDimension()} dimensions.")
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (k, j, i) of an array on this grid."""
        return (self.size[2], self.size[1], self.size[0])

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, in mm³."""
        return float(np.prod(self.spacing))

    @property
    def index_to_lps(self) -> np.ndarray:
        """The 4x4 matrix from voxel indices (i, j, k, 1) to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def index_to_ras(self) -> np.ndarray:
        """The 4x4 matrix from voxel indices (i, j, k, 1) to RAS millimetres (Slicer's, NIfTI's)."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.index_to_lps

    @property
    def orientation(self) -> str:
        """The anatomical directions that i, j, k run towards, rounded to the nearest: `"LPS"`."""
        return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(self.direction)

    def describe(self) -> str:
        """The grid in words, for messages."""
        size = " x ".join(map(str, self.size))
        spacing = " x ".join(f"{v:.4g}" for v in self.spacing)
        origin = ", ".join(f"{v:.4g}" for v in self.origin)
        return f"{size} voxels of {spacing} mm, origin ({origin}) mm, axes towards {self.orientation}"

    def covered_by(self, other: Geometry) -> float:
        """The share of this grid's box, 0 to 1, that lies inside the box of `other`."""
        samples = 24
        steps = [(np.arange(samples) + 0.5) / samples * size - 0.5 for size in self.size]
        points = np.stack([*np.meshgrid(*steps, indexing="ij"), np.ones((samples,) * 3)]).reshape(4, -1)
        inside = np.linalg.solve(other.index_to_lps, self.index_to_lps @ points)[:3].T
        # rounding of single-precision headers must not count against a box of the same size
        return float(np.mean(np.all((inside > -0.51) & (inside < np.asarray(other.size) - 0.49), axis=1)))

    def difference(self, other: Geometry, tolerance: float = 1e-2) -> str | None:
        """What differs from `other`, in words, or None when both are the same grid.

        Args:
            tolerance: Allowed distance between the corners of the grids, in voxels. NIfTI stores
                single-precision matrices, so that two files of one scan rarely agree to the bit.
        """
        if self.size != other.size:
            return f"size {self.size} instead of {other.size}"
        if not np.allclose(self.spacing, other.spacing, rtol=1e-3):
            return f"spacing {_rounded(self.spacing)} instead of {_rounded(other.spacing)} mm"
        corners = np.array(
            [
                [i, j, k, 1]
                for i in (0, self.size[0] - 1)
                for j in (0, self.size[1] - 1)
                for k in (0, self.size[2] - 1)
            ],
            dtype=float,
        ).T
        apart = np.abs((self.index_to_lps - other.index_to_lps) @ corners)[:3].max() / min(other.spacing)
        if apart <= tolerance:
            return None
        if not np.allclose(self.direction, other.direction, atol=1e-3):
            return f"direction {_rounded(self.direction)} instead of {_rounded(other.direction)}"
        return f"origin {_rounded(self.origin)} instead of {_rounded(other.origin)} mm"


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(v), 3) for v in values)
