"""Grids whose voxels coincide: moving values between them takes no interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from TransferRiskLib.volumes.geometry import Geometry

TOLERANCE = 1e-2
"""Allowed distance between voxel centres that count as one, in voxels; NIfTI headers are single precision."""


@dataclass(frozen=True)
class LatticeMap:
    """How the voxel indices of a target grid follow from those of a source grid.

    Attributes:
        axes: For each target axis (i, j, k), the source axis along it.
        signs: 1, or -1 where the axis runs the other way.
        start: Source index, in source axis order, of the target's voxel (0, 0, 0); it may lie
            outside the source.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    start: tuple[int, int, int]


def lattice_map(source: Geometry, target: Geometry, tolerance: float = TOLERANCE) -> LatticeMap | None:
    """The map between two grids whose voxels lie on one lattice, or None when they do not.

    The grids may differ in extent and in the order and direction of their axes.

    Args:
        tolerance: Allowed distance of voxel centres anywhere on the target, in source voxels.
    """
    matrix = np.linalg.solve(source.index_to_lps, target.index_to_lps)
    steps = np.rint(matrix[:3, :3])
    if not (np.abs(steps).sum(axis=0) == 1).all() or not (np.abs(steps).sum(axis=1) == 1).all():
        return None
    # rounding of the start is judged at the target's centre, where the errors of the axes cancel
    centre = (np.asarray(target.size) - 1) / 2
    start = np.rint(matrix[:3, 3] + (matrix[:3, :3] - steps) @ centre)
    exact = np.eye(4)
    exact[:3, :3], exact[:3, 3] = steps, start
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in target.size], [1], indexing="ij"))
    if np.abs((matrix - exact) @ corners.reshape(4, -1)).max() > tolerance:
        return None
    axes = np.abs(steps).argmax(axis=0)
    signs = steps.sum(axis=0)
    return LatticeMap(_three(axes), _three(signs), _three(start))


def move(array: np.ndarray, mapping: LatticeMap, target: Geometry, outside: float) -> np.ndarray:
    """The values of a source array (k, j, i) on a target grid of the same lattice, same dtype.

    Args:
        outside: Value of target voxels that the source does not have.
    """
    # work in (i, j, k) order, in which the map is written
    given = array.transpose(2, 1, 0)
    result = np.full(target.size, outside, dtype=array.dtype)
    to: list[slice] = [slice(0)] * 3
    take: list[slice] = [slice(0)] * 3
    for axis, (along, sign) in enumerate(zip(mapping.axes, mapping.signs, strict=True)):
        first = mapping.start[along]
        size = given.shape[along]
        # target index t holds source index first + sign * t
        low, high = (-first, size - first) if sign > 0 else (first - size + 1, first + 1)
        low, high = max(low, 0), min(high, target.size[axis])
        if low >= high:
            return np.ascontiguousarray(result.transpose(2, 1, 0))
        to[axis] = slice(low, high)
        begin, end = first + sign * low, first + sign * high
        take[along] = slice(begin, end if end >= 0 else None, sign)
    result[tuple(to)] = given[tuple(take)].transpose(mapping.axes)
    return np.ascontiguousarray(result.transpose(2, 1, 0))


def _three(values: np.ndarray) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return (first, second, third)
