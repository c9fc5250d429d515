"""Boxes that share nothing are told apart, turned or not."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml.boxes import Box


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
