"""Values between the model's grid and the grid of the scan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.geometry import Geometry

SNAP = 1e-4  # voxels; sampling closer than this to a voxel centre takes that voxel as it is


def to_native(grid: Geometry, native: Geometry, values: Tensor) -> np.ndarray:
    """Values on the model's grid, sampled on the grid of the scan.

    Both grids have parallel axes (`canonical_grid` reorders, flips and rescales, it never turns), so
    that the linear interpolation splits into one per axis. Where the grids differ only in the order
    and the sense of their axes, the values are passed on exactly; beyond the outermost voxel centres
    the outermost values extend.

    Args:
        grid: The model's grid.
        native: The grid of the scan.
        values: Shape (N, X, Y, Z) with X, Y, Z = `grid.size`.

    Returns:
        float32, shape (N, k, j, i) with (k, j, i) = `native.shape`.

    Raises:
        GeometryError: the grids are turned against one another, or `values` do not fit `grid`.
    """
    if tuple(values.shape[1:]) != grid.size:
        raise GeometryError(f"Values of shape {tuple(values.shape)} do not fit a grid of size {grid.size}.")
    order, samples = _axis_samples(grid, native)
    result = np.empty((values.shape[0], *native.shape), np.float32)
    for n in range(values.shape[0]):
        image = values[n].detach().to("cpu", torch.float32).permute(order)
        for axis, sample in enumerate(samples):
            image = sample(image, axis)
        result[n] = image.permute(2, 1, 0).numpy()
    return result


def _axis_samples(
    grid: Geometry, native: Geometry
) -> tuple[tuple[int, ...], list[Callable[[Tensor, int], Tensor]]]:
    """For every native axis i, j, k: the axis of `grid` along it, and how to sample that axis."""
    matrix = np.linalg.inv(grid.index_to_lps) @ native.index_to_lps
    linear, offset = matrix[:3, :3], matrix[:3, 3]
    order = tuple(int(a) for a in np.abs(linear).argmax(axis=0))
    rest = linear.copy()
    rest[list(order), range(3)] = 0.0
    drift = np.abs(rest) @ (np.asarray(native.size) - 1)
    if sorted(order) != [0, 1, 2] or drift.max() > 1e-2:
        raise GeometryError(
            "The grids are turned against one another; only parallel axes can be mapped back."
        )
    samples = []
    for axis, along in enumerate(order):
        positions = offset[along] + linear[along, axis] * np.arange(native.size[axis])
        samples.append(_sampler(positions, grid.size[along]))
    return order, samples


def _sampler(positions: np.ndarray, length: int) -> Callable[[Tensor, int], Tensor]:
    nearest = np.rint(positions)
    positions = np.where(np.abs(positions - nearest) < SNAP, nearest, positions).clip(0, length - 1)
    below = np.floor(positions).astype(np.int64)
    above = torch.from_numpy(np.minimum(below + 1, length - 1))
    weight = torch.from_numpy((positions - below).astype(np.float32))
    lower = torch.from_numpy(below)
    exact = not bool(weight.any())

    def sample(image: Tensor, axis: int) -> Tensor:
        start = image.index_select(axis, lower)
        if exact:
            return start
        shape = [1, 1, 1]
        shape[axis] = -1
        return start.lerp_(image.index_select(axis, above), weight.reshape(shape))

    return sample
