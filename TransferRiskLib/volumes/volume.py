"""An image together with its geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar 3-D image.

    Attributes:
        array: Values, shape (k, j, i): the order of `SimpleITK.GetArrayFromImage` and of
            `slicer.util.arrayFromVolume`.
        geometry: Where the voxels lie.
    """

    array: np.ndarray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise GeometryError(
                f"An array of shape {self.array.shape} does not fit a grid of shape {self.geometry.shape}."
            )

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Volume:
        """The volume of a scalar 3-D SimpleITK image."""
        return cls(sitk.GetArrayFromImage(image), Geometry.from_sitk(image))

    def to_sitk(self) -> sitk.Image:
        """A SimpleITK image with the same values and geometry."""
        image = sitk.GetImageFromArray(np.ascontiguousarray(self.array))
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection(self.geometry.direction)
        return image

    def with_array(self, array: np.ndarray) -> Volume:
        """Other values on the same grid."""
        return Volume(array, self.geometry)
