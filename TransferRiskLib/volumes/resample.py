"""Other grids for an image: canonical orientation, other spacings, and the way back."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from TransferRiskLib.errors import GeometryError, SettingsError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.lattice import lattice_map, move
from TransferRiskLib.volumes.volume import Volume

Interpolation = Literal["linear", "nearest", "label"]

SAME_SPACING = 1e-3
"""Spacings that differ by less than this share are one; they differ by rounding in headers."""

SMOOTH_FROM = 1.5
"""Down-sampling by more than this factor along an axis smooths first, against aliasing."""

TIE = 1e-3
"""Voxels short of a half that still round up: the noise of headers must not choose between two grids."""

_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


def canonical_grid(
    geometry: Geometry, spacing: tuple[float, float, float] | None = None, orientation: str | None = "RAS"
) -> Geometry:
    """The grid over the same box with axes in a given anatomical order and another spacing.

    Axes are reordered and flipped, never rotated: an oblique image keeps its oblique axes, named
    after the nearest anatomical direction.

    Args:
        geometry: The native grid.
        spacing: Voxel spacing along the new axes, in mm; None keeps the native one. The number of
            voxels is the box's extent over the spacing, rounded (halves up), at least 1; the box's centre
            stays.
        orientation: The directions that the new axes run towards, of R/L, A/P, S/I each one; None keeps
            the native axes.

    Raises:
        SettingsError: an orientation that names no three different axes.
        GeometryError: a spacing that is not positive.
    """
    native = geometry.orientation
    orientation = native if orientation is None else orientation
    if sorted(min(letter, _OPPOSITE.get(letter, letter)) for letter in orientation) != ["A", "I", "L"]:
        raise SettingsError(
            f"{orientation!r} is no orientation.", hint="Give three letters such as RAS, LPS or LAS."
        )
    if spacing is not None and not (np.all(np.isfinite(spacing)) and min(spacing) > 0):
        raise GeometryError(f"A spacing must be positive, not {spacing} mm.")
    size, steps, origin, columns = [], [], np.array(geometry.origin, dtype=float), []
    directions = np.asarray(geometry.direction, dtype=float).reshape(3, 3)
    for letter in orientation:
        flip = letter not in native
        axis = native.index(_OPPOSITE[letter] if flip else letter)
        column = directions[:, axis]
        if flip:
            origin = origin + column * geometry.spacing[axis] * (geometry.size[axis] - 1)
            column = -column
        size.append(geometry.size[axis])
        steps.append(geometry.spacing[axis])
        columns.append(column)
    if spacing is not None:
        for axis, wanted in enumerate(spacing):
            if abs(wanted / steps[axis] - 1) < SAME_SPACING:
                continue
            count = max(1, math.floor(size[axis] * steps[axis] / wanted + 0.5 + TIE))
            shift = (steps[axis] * (size[axis] - 1) - wanted * (count - 1)) / 2
            origin = origin + columns[axis] * shift
            size[axis], steps[axis] = count, float(wanted)
    flat = np.stack(columns, axis=1).ravel().tolist()
    return Geometry(
        (size[0], size[1], size[2]),
        (float(steps[0]), float(steps[1]), float(steps[2])),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(flat),
    )


def resample(
    volume: Volume, grid: Geometry, interpolation: Interpolation = "linear", outside: float = 0.0
) -> Volume:
    """The image's values on another grid.

    Grids on one lattice (flipped, permuted, cropped, padded) are served by copying: exact, in the
    image's own voxel type. Otherwise `linear` gives float32 (float64 stays), smoothed beforehand
    along axes that lose more than `SMOOTH_FROM` in resolution; `label` interpolates the indicator
    of every value linearly and takes the largest; `nearest` takes the nearest voxel. The last two
    keep the voxel type and never invent a value, negative ones (`UNLABELLED`) included.

    Args:
        volume: The image.
        grid: Where the values are wanted.
        interpolation: `linear` for intensities, `label` for label maps, `nearest` for masks.
        outside: The value beyond the image's box.
    """
    if interpolation not in ("linear", "nearest", "label"):
        raise SettingsError(f"{interpolation!r} is no interpolation.", hint="Use linear, nearest or label.")
    mapping = lattice_map(volume.geometry, grid)
    if mapping is not None:
        return Volume(move(volume.array, mapping, grid, outside), grid)
    if interpolation == "linear":
        wide = volume.array.dtype == np.float64
        array = volume.array.astype(np.float64 if wide else np.float32, copy=False)
        smooth = _smoothed(array, volume.geometry, grid)
        return _interpolated(volume.with_array(smooth), grid, sitk.sitkLinear, outside)
    kind = sitk.sitkLabelLinear if interpolation == "label" else sitk.sitkNearestNeighbor
    if interpolation == "label" or volume.array.dtype == bool:
        # positions in the list of values: small, unsigned, whatever the values are
        values, places = np.unique(
            np.append(volume.array.ravel(), volume.array.dtype.type(outside)), return_inverse=True
        )
        narrow = np.uint8 if len(values) <= 256 else np.uint32
        codes = places[:-1].reshape(volume.array.shape).astype(narrow)
        moved = _interpolated(volume.with_array(codes), grid, kind, int(places[-1]))
        return Volume(values[moved.array], grid)
    return _interpolated(volume, grid, kind, outside)


def _smoothed(array: np.ndarray, source: Geometry, grid: Geometry) -> np.ndarray:
    """Gaussian smoothing to the target's resolution.

    A voxel is modelled as a Gaussian whose full width at half maximum is its size; variances
    subtract (Cardoso et al., "Scale factor point spread function matching", MICCAI 2015).
    """
    # longest step of the target grid along each source axis, in source voxels
    ratio = np.abs(np.linalg.solve(source.index_to_lps, grid.index_to_lps)[:3, :3]).max(axis=1)
    full_width = 2 * np.sqrt(2 * np.log(2))
    sigma = np.where(ratio > SMOOTH_FROM, np.sqrt(np.maximum(ratio**2 - 1, 0)) / full_width, 0.0)
    if not sigma.any():
        return array
    return ndimage.gaussian_filter(array, sigma[::-1], mode="nearest")


def _interpolated(volume: Volume, grid: Geometry, kind: int, outside: float) -> Volume:
    image, still = volume.to_sitk(), sitk.Transform()
    moved = sitk.Resample(image, grid.size, still, kind, grid.origin, grid.spacing, grid.direction, outside)
    return Volume(sitk.GetArrayFromImage(moved), grid)
