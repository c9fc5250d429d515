"""Annotation that was drawn slice by slice: along which axis, and in which slices."""

from __future__ import annotations

from typing import Literal

import numpy as np

from TransferRiskLib.volumes.geometry import Geometry

Plane = Literal["axial", "coronal", "sagittal"]

_ACROSS: dict[Plane, str] = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}
"""The anatomical directions that a plane's slices follow one another in."""
_COARSE = 1.5
"""Slices this much thicker than the next spacing are how the scan was taken, and how people look at it."""
_SINGLE = 1.5
"""Mean length, in voxels, of stretches that are single slices but for a few."""


def axis_of(plane: Plane, geometry: Geometry) -> int:
    """The array axis of (k, j, i) along which a plane's slices are stacked. On an oblique grid a plane is
    the one that is nearest to it."""
    towards = geometry.orientation
    return 2 - next(place for place in range(3) if towards[place] in _ACROSS[plane])


def drawing_axis(drawn: np.ndarray, geometry: Geometry) -> int:
    """The array axis along which somebody drew slice by slice.

    Along that axis what is drawn comes in short stretches: single slices where some were left out. How many
    slices carry something tells little, for a structure may fill the few slices of a stack and few of the
    many rows in each.

    Args:
        drawn: What is drawn, bool (k, j, i).
        geometry: Its grid.

    Returns:
        The axis along which alone all stretches are single slices; else that of the thickest slices of an
        anisotropic grid; else that of the shortest stretches.
    """
    lengths = np.array([_mean_stretch(drawn, axis) for axis in range(3)])
    first, second, _longest = np.sort(lengths)
    if first < _SINGLE <= second / 2:
        return int(lengths.argmin())
    spacing = np.asarray(geometry.spacing)[::-1]
    coarsest = int(spacing.argmax())
    if spacing[coarsest] >= _COARSE * np.delete(spacing, coarsest).max():
        return coarsest
    return int(lengths.argmin())


def slices_with(drawn: np.ndarray, axis: int) -> np.ndarray:
    """Whether each slice along an array axis carries anything, bool."""
    return np.asarray(drawn.any(axis=tuple(other for other in range(3) if other != axis)))


def _mean_stretch(drawn: np.ndarray, axis: int) -> float:
    """Mean length of the uninterrupted stretches along an axis, in voxels."""
    along = np.moveaxis(drawn, axis, 0)
    begun = np.count_nonzero(along[0]) + np.count_nonzero(along[1:] & ~along[:-1])
    return float(np.count_nonzero(drawn)) / max(1, begun)
