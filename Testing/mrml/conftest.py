"""A real MRML scene for the tests of `mrml`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.volumes.geometry import Geometry


@pytest.fixture(scope="session")
def headless() -> Iterator[Any]:
    pytest.importorskip("slicer", reason="slicer-core is not installed (pip install '.[standalone]')")
    pytest.importorskip("trame_slicer", reason="trame-slicer is not installed (pip install '.[standalone]')")
    from TransferRiskLib.mrml.standalone import headless_slicer

    with headless_slicer() as slicer:
        yield slicer


@pytest.fixture
def scene(headless: Any) -> Iterator[Any]:
    """An empty scene; what a test added is gone afterwards, as after "Close scene" in Slicer."""
    yield headless.scene
    headless.scene.Clear(False)


@pytest.fixture
def oblique() -> Geometry:
    """A grid that shares no axis with the world, left-handed, with three different spacings."""
    a, b = np.deg2rad(25), np.deg2rad(-40)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    direction = turn @ tilt @ np.diag([1.0, 1.0, -1.0])
    return Geometry((6, 7, 5), (0.9, 1.1, 2.5), (-31.5, 12.25, 80.0), tuple(direction.ravel().tolist()))


@pytest.fixture
def scheme() -> LabelScheme:
    return LabelScheme(
        (
            Label("background", 0),
            Label("Hippocampus", 7, (0.9, 0.6, 0.1), "SCT:3092008 Hippocampus"),
            Label("lesion", 3, (0.1, 0.2, 0.8)),
        )
    )
