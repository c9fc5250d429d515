"""Boxes that share nothing are told apart, turned or not."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.volumes.geometry import Geometry


def box(low: float, high: float, turn_degrees: float = 0.0, shift: float = 0.0) -> Box:
    """A cube from low to high along its own axes, turned about the third one, then shifted along RAS x."""
    a = np.deg2rad(turn_degrees)
    to_ras = np.eye(4)
    to_ras[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    to_ras[0, 3] = shift
    return Box(to_ras, np.full(3, low), np.full(3, high))


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        (box(0, 10), False),
        (box(2, 3), False),
        (box(-5, 20), False),
        (box(0, 10, shift=9.9), False),
        (box(0, 10, shift=10.1), True),
        (box(0, 10, shift=-10.1), True),
        # A corner of the turned cube reaches sqrt(50) = 7.07 to the left of where it is shifted to.
        (box(0, 10, 45, shift=17.0), False),
        (box(0, 10, 45, shift=17.2), True),
    ],
)
def test_cubes_of_ten_millimetres(other: Box, apart: bool) -> None:
    cube = box(0, 10)
    assert cube.apart_from(other) == other.apart_from(cube) == apart


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0])
@pytest.mark.parametrize("shift", [0.0, -20.0, 400.0])
def test_the_voxels_whose_centres_lie_inside(oblique: Geometry, turn: float, shift: float) -> None:
    """Point by point, for a cube of ten millimetres about the grid's middle or beside it."""
    cube = box(-5, 5, turn)
    middle = (oblique.index_to_ras @ [*(np.asarray(oblique.size) - 1) / 2, 1.0])[:3]
    cube.to_ras[:3, 3] = middle + np.array([shift, 0.0, 0.0])
    expected = np.zeros(oblique.shape, bool)
    for k, j, i in np.ndindex(*oblique.shape):
        place = np.linalg.solve(cube.to_ras, oblique.index_to_ras @ [i, j, k, 1.0])[:3]
        expected[k, j, i] = (np.abs(place) <= 5).all()
    assert expected.any() == (shift == 0.0)
    np.testing.assert_array_equal(cube.holds(oblique), expected)


def test_a_centre_on_a_face_lies_inside() -> None:
    grid = Geometry((5, 5, 5), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    cube = Box(np.diag([-1.0, -1.0, 1.0, 1.0]), np.full(3, 0.1), np.full(3, 0.1 + 0.2))
    assert cube.holds(grid).sum() == 3**3
