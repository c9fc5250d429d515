"""Rows and cells: what they hold, what they are called, in which order they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_study import TINY, tiny

from experiments.checks import parse_experiment
from experiments.rows import measured
from experiments.study import Cell, Study
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.volumes.geometry import Geometry


def test_rows_hold_both_decisions_and_leave_the_undefined_empty() -> None:
    """One voxel of 1 is found with a stray voxel beside it; label 2 is missed."""
    reference = np.zeros((1, 1, 6), np.int16)
    reference[0, 0, 0], reference[0, 0, 5] = 1, 2
    probabilities = np.zeros((3, 1, 1, 6), np.float32)
    probabilities[0] = 0.4
    probabilities[1, 0, 0, [0, 3]] = 0.6
    geometry = Geometry((6, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    scheme = LabelScheme.of("a", "b")
    image = np.ones((1, 1, 1, 6), np.float32)
    case = LoadedCase("case", ("T1",), image, geometry, reference, scheme, "subject", Path("x"))
    first, second = measured(case, probabilities, scheme)
    assert (first["label"], first["subject"]) == ("a", "subject")
    assert first["dice"] == pytest.approx(2 / 3)
    assert first["dice_lc"] == 1.0
    assert first["hd95_lc"] == first["assd_lc"] == 0.0
    assert first["assd"] == pytest.approx(1.0), "distances 0, 3 and 0 over three surface voxels"
    assert second["dice"] == 0.0
    assert second["hd95"] is second["assd"] is second["hd95_lc"] is None


def test_cells_name_their_folders_apart() -> None:
    cell = Cell("a", 0, 1, 2, "m")
    names = {
        replace(cell, **change).name for change in ({}, {"fold": 1}, {"k": 2}, {"seed": 1}, {"method": "n"})
    }
    assert len(names) == 5


def test_seeds_come_one_after_the_other_and_mixes_last(trained: Path) -> None:
    methods = dict(reversed(TINY["methods"].items()))
    study = Study(parse_experiment(tiny(seeds=[1, 0], methods=methods)), trained / "run", trained / "data")
    assert [cell.seed for cell in study.cells] == [1] * 5 + [0] * 5
    assert study.cells[4].method == "plain-eep"
