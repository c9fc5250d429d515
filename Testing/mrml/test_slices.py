"""Annotation that was drawn slice by slice: the axis that it was drawn along."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml.slices import axis_of, drawing_axis, slices_with
from TransferRiskLib.volumes.geometry import Geometry

UPRIGHT = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)
STACK = Geometry((128, 128, 20), (1.8, 1.8, 6.0), (0, 0, 0), UPRIGHT)
CUBE = Geometry((64, 64, 64), (1.0, 1.0, 1.0), (0, 0, 0), UPRIGHT)
CORONAL_SCAN = Geometry((64, 20, 64), (1.0, 5.0, 1.0), (0, 0, 0), UPRIGHT)


def turned(degrees: float) -> tuple[float, ...]:
    """Directions of a grid that is turned about the axis from left to right."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (1.0, 0, 0, 0, float(cos), float(-sin), 0, float(sin), float(cos))


def cylinder(grid: Geometry, along: int, radius: float, first: int, last: int) -> np.ndarray:
    """A structure along an array axis, from one slice to another."""
    places = np.moveaxis(np.indices(grid.shape), 0, -1)
    across = [axis for axis in range(3) if axis != along]
    middle = np.asarray(grid.shape)[across] // 2
    inside = np.sum((places[..., across] - middle) ** 2, axis=-1) <= radius**2
    return inside & (places[..., along] >= first) & (places[..., along] <= last)


def only(drawn: np.ndarray, axis: int, numbers: list[int]) -> np.ndarray:
    """What is drawn in some slices along an axis alone."""
    kept = np.zeros(drawn.shape[axis], bool)
    kept[numbers] = True
    return drawn & np.expand_dims(kept, tuple(other for other in range(3) if other != axis))


SOME = [6, 8, 10, 12, 14]

DRAWN = {
    "five of fourteen slices of a stack": (STACK, 0, only(cylinder(STACK, 0, 12, 3, 16), 0, SOME)),
    "neighbouring slices of a stack": (STACK, 0, only(cylinder(STACK, 0, 12, 3, 16), 0, [7, 8, 9])),
    "a vessel in all slices of a stack": (STACK, 0, cylinder(STACK, 0, 3, 2, 17)),
    "a lesion in one slice of a stack": (STACK, 0, only(cylinder(STACK, 0, 2, 3, 16), 0, [9])),
    "one voxel of a stack": (STACK, 0, only(cylinder(STACK, 0, 0, 3, 16), 0, [9])),
    "sagittal slices of an axial stack": (STACK, 2, only(cylinder(STACK, 0, 12, 3, 16), 2, [58, 64, 70])),
    "thick coronal slices": (CORONAL_SCAN, 1, only(cylinder(CORONAL_SCAN, 1, 12, 3, 16), 1, SOME)),
    "some slices of a cube, axial": (CUBE, 0, only(cylinder(CUBE, 0, 12, 9, 52), 0, [20, 30, 40])),
    "some slices of a cube, coronal": (CUBE, 1, only(cylinder(CUBE, 0, 12, 9, 52), 1, [28, 32, 36])),
    "some slices of a cube, sagittal": (CUBE, 2, only(cylinder(CUBE, 2, 12, 9, 52), 2, [20, 21, 40])),
    "a long vessel, every fifth slice": (CUBE, 0, only(cylinder(CUBE, 0, 4, 2, 62), 0, [*range(2, 62, 5)])),
    "neighbouring slices of a cube": (CUBE, 1, only(cylinder(CUBE, 1, 12, 9, 52), 1, [30, 31, 32, 33])),
    "two lesions in neighbouring slices": (
        CUBE, 0,
        only(np.roll(cylinder(CUBE, 0, 5, 9, 52), 15, 1) | np.roll(cylinder(CUBE, 0, 5, 9, 52), -15, 1), 0,
             [30, 31, 32]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_the_axis_along_which_slices_were_drawn(name: str) -> None:
    grid, axis, drawn = DRAWN[name]
    assert drawn.any() and drawing_axis(drawn, grid) == axis


def test_only_slices_with_something_in_them_count() -> None:
    _grid, axis, drawn = DRAWN["five of fourteen slices of a stack"]
    assert np.flatnonzero(slices_with(drawn, axis)).tolist() == SOME


@pytest.mark.parametrize(
    ("direction", "axes"),
    [
        (UPRIGHT, (0, 1, 2)),
        ((-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0), (0, 1, 2)),
        (turned(30.0), (0, 1, 2)),
        (turned(60.0), (1, 0, 2)),
        # i runs to the back, j down, k to the left: how many a sagittal scan is stored
        ((0, 0, 1.0, 1.0, 0, 0, 0, -1.0, 0), (1, 2, 0)),
    ],
)
def test_planes_are_anatomical_on_every_grid(direction: tuple[float, ...], axes: tuple[int, ...]) -> None:
    grid = Geometry((8, 8, 8), (1.0, 1.0, 1.0), (0, 0, 0), direction)  # type: ignore[arg-type]
    planes = ("axial", "coronal", "sagittal")
    assert tuple(axis_of(plane, grid) for plane in planes) == axes  # type: ignore[arg-type]
