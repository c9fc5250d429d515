"""The rows of studies as arrays, and their selections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

MEASURES = ("dice", "hd95", "assd", "dice_lc", "hd95_lc", "assd_lc")
"""Dice is 0 to 1, distances are in mm; `_lc`: after keeping the largest component of every label."""


class Cell(NamedTuple):
    """What the methods of one comparison share."""

    scenario: str
    fold: int
    k: int
    seed: int

    @property
    def group(self) -> tuple[str, int]:
        """Scenario and k: the cells of a group differ in fold and seed only."""
        return self.scenario, self.k


class Cost(NamedTuple):
    """What one method took in one cell."""

    seconds: float
    trainings: int


@dataclass(frozen=True, eq=False)
class Results:
    """The N rows of one or several studies.

    Attributes:
        cells: All cells, sorted.
        methods: All methods, in the order of the study.
        baselines: Methods that the others are compared with.
        subjects: Names of the test subjects.
        units: Case and label of a row.
        cell, method, subject, unit: (N,) indices into these.
        values: Measure to (N,) float64, not-a-number where undefined.
        scores: (N,) normalised score of the cell's source on its training cases, not-a-number if none.
        costs: What each method took, by index of cell and method.
        notes: What was left out while reading, in words.
    """

    cells: tuple[Cell, ...]
    methods: tuple[str, ...]
    baselines: tuple[str, ...]
    subjects: tuple[str, ...]
    units: tuple[tuple[str, str], ...]
    cell: np.ndarray
    method: np.ndarray
    subject: np.ndarray
    unit: np.ndarray
    values: dict[str, np.ndarray]
    scores: np.ndarray
    costs: dict[tuple[int, int], Cost]
    notes: tuple[str, ...] = ()

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that have rows, sorted."""
        return tuple(sorted({self.cells[c].scenario for c in np.unique(self.cell)}))

    @property
    def ks(self) -> tuple[int, ...]:
        """Values of k that have rows, increasing."""
        return tuple(sorted({self.cells[c].k for c in np.unique(self.cell)}))

    @property
    def present(self) -> tuple[str, ...]:
        """Methods that have rows, in the order of the study."""
        return tuple(self.methods[m] for m in np.unique(self.method))

    def rows_of(self, method: str) -> np.ndarray:
        """Indices of a method's rows; none for a method that nobody ran."""
        if method not in self.methods:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.method == self.methods.index(method))

    def select(self, scenario: str | None = None, k: int | None = None) -> Results:
        """Only the rows of a scenario, of a k, or of both."""
        wanted = [scenario in (None, c.scenario) and k in (None, c.k) for c in self.cells]
        keep = np.asarray(wanted, bool)[self.cell]
        return replace(
            self,
            cell=self.cell[keep],
            method=self.method[keep],
            subject=self.subject[keep],
            unit=self.unit[keep],
            values={name: values[keep] for name, values in self.values.items()},
            scores=self.scores[keep],
            costs={key: cost for key, cost in self.costs.items() if wanted[key[0]]},
        )
