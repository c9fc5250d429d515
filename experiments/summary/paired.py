"""Paired comparisons of methods: differences, wins, intervals and tests.

Everything is computed on differences of the same case and label in the same cell. A case in which the
measure is undefined for either method (HD95 of an empty mask) is left out of both and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import wilcoxon

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, Rows, interval, mean_difference
from experiments.summary.results import Cell, Results

TIE = 1e-9
"""Differences smaller than this are ties: rounding of floating-point means."""


@dataclass(frozen=True)
class Measure:
    """What is compared.

    Attributes:
        column: Of the row files.
        title: For tables; with its unit.
        scale: From the files' unit to the shown one: Dice in points (hundredths).
        lower_is_better: Of distances.
    """

    column: str
    title: str
    scale: float = 1.0
    lower_is_better: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, −1 where less is."""
        return -1 if self.lower_is_better else 1


def dice(suffix: str = "") -> Measure:
    """Dice in points, `_lc` after keeping the largest component."""
    return Measure(f"dice{suffix}", "Dice", scale=100.0)


def hd95(suffix: str = "") -> Measure:
    """HD95 in mm, `_lc` after keeping the largest component."""
    return Measure(f"hd95{suffix}", "HD95 (mm)", lower_is_better=True)


@dataclass(frozen=True, eq=False)
class Differences:
    """Method minus baseline in every case and label that both have.

    Attributes:
        rows: The differences in the measure's shown unit, with their design.
        cells: The cells that `rows.cell` counts.
        left_out: Pairs in which either is undefined.
    """

    rows: Rows
    cells: tuple[Cell, ...]
    left_out: int

    def by_cell(self) -> dict[Cell, float]:
        """The mean difference of every cell, over its labels and test cases."""
        sums, counts = np.bincount(self.rows.cell, self.rows.values), np.bincount(self.rows.cell)
        return {self.cells[c]: float(sums[c] / counts[c]) for c in np.flatnonzero(counts)}

    def by_scenario(self) -> dict[str, float]:
        """The mean difference of every scenario: the mean over its k of the mean over their cells."""
        groups: dict[str, list[float]] = {}
        names = {g: self.cells[c].scenario for g, c in zip(self.rows.group, self.rows.cell, strict=True)}
        for group, mean in self.rows.group_means().items():
            groups.setdefault(names[group], []).append(mean)
        return {scenario: float(np.mean(means)) for scenario, means in groups.items()}

    def by_subject(self) -> np.ndarray:
        """(subjects,) the mean difference of every test subject: the mean over scenarios with their k of
        the mean over the subject's cells."""
        rows, weights = self.rows, self.rows.weights
        keys, place = np.unique(np.stack([rows.subject, rows.group]), axis=1, return_inverse=True)
        place = place.reshape(-1)
        means = np.bincount(place, weights * rows.values) / np.bincount(place, weights)
        return np.array([means[keys[0] == subject].mean() for subject in np.unique(keys[0])])


def differences(results: Results, method: str, baseline: str, measure: Measure) -> Differences:
    """The paired differences of two methods, in the measure's shown unit; empty where they never meet."""
    values = measure.scale * results.values[measure.column]
    ours, theirs = results.rows_of(method), results.rows_of(baseline)
    key = results.cell * len(results.units) + results.unit
    _, mine, base = np.intersect1d(key[ours], key[theirs], assume_unique=True, return_indices=True)
    paired = values[ours[mine]] - values[theirs[base]]
    known = np.isfinite(paired)
    rows = ours[mine][known]
    cell = results.cell[rows]
    scenarios = sorted({c.scenario for c in results.cells})
    groups = sorted({c.group for c in results.cells})
    of_cell = {
        "group": [groups.index(c.group) for c in results.cells],
        "scenario": [scenarios.index(c.scenario) for c in results.cells],
        "seed": [c.seed for c in results.cells],
    }
    design = {name: np.array(numbers, np.int64)[cell] for name, numbers in of_cell.items()}
    made = Rows(values=paired[known], cell=cell, subject=results.subject[rows], **design)
    return Differences(made, results.cells, int((~known).sum()))


@dataclass(frozen=True)
class Comparison:
    """One method against another, in the measure's shown unit.

    Attributes:
        method, baseline, measure: What is compared; differences are method minus baseline.
        cells, subjects: How many take part.
        mean: The mean over scenarios with their k of the mean over cells (`mean_difference`).
        sd: Sample standard deviation over cells; None with one cell.
        median: Over cells.
        wins: Cells in which the method is better; a tie is not a win.
        ties: Cells in which both are the same.
        interval: 95 % bootstrap interval of the mean over subjects and seeds (`bootstrap.interval`).
        worst: The scenario with the least favourable mean difference, and that mean.
        p: Wilcoxon signed-rank test over subjects (`wilcoxon_p`).
        p_holm: The same after Holm's correction over the methods of one table; None on its own.
        left_out: Pairs of cases and labels in which either is undefined.
    """

    method: str
    baseline: str
    measure: Measure
    cells: int
    subjects: int
    mean: float
    sd: float | None
    median: float
    wins: int
    ties: int
    interval: tuple[float, float] | None
    worst: tuple[str, float]
    p: float
    left_out: int
    p_holm: float | None = None

    @property
    def win_share(self) -> float:
        """Wins over cells."""
        return self.wins / self.cells


def compare(
    results: Results,
    method: str,
    baseline: str,
    measure: Measure,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Comparison | None:
    """A method against a baseline; None where they share no case with the measure defined."""
    found = differences(results, method, baseline, measure)
    if not len(found.rows.values):
        return None
    cells = np.array(list(found.by_cell().values()))
    scenarios = found.by_scenario()
    worst = min(scenarios, key=lambda name: measure.sign * scenarios[name])
    subjects = found.by_subject()
    return Comparison(
        method,
        baseline,
        measure,
        cells=len(cells),
        subjects=len(subjects),
        mean=mean_difference(found.rows),
        sd=float(cells.std(ddof=1)) if len(cells) > 1 else None,
        median=float(np.median(cells)),
        wins=int((measure.sign * cells > TIE).sum()),
        ties=int((np.abs(cells) <= TIE).sum()),
        interval=interval(found.rows, bootstrap),
        worst=(worst, scenarios[worst]),
        p=wilcoxon_p(subjects),
        left_out=found.left_out,
    )


def compare_pairs(
    results: Results,
    pairs: Sequence[tuple[str, str]],
    measure: Measure,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> list[Comparison]:
    """The comparisons of one table, (method, baseline) each, with Holm's correction over all of them.

    Pairs that share no case are left out.
    """
    made = [compare(results, *pair, measure, bootstrap) for pair in pairs]
    found = [comparison for comparison in made if comparison is not None]
    corrected = holm([comparison.p for comparison in found])
    return [replace(comparison, p_holm=p) for comparison, p in zip(found, corrected, strict=True)]


def wilcoxon_p(values: np.ndarray) -> float:
    """Two-sided p of the signed-rank test that differences are symmetric about 0.

    Differences of 0 are left out, as in Wilcoxon, Individual comparisons by ranking methods, Biometrics
    Bulletin 1(6), 1945. Exact or approximate as scipy chooses by number and ties. The values are one a
    test subject, so training draws are taken as given.

    Args:
        values: (n,) the mean paired difference of every subject.

    Returns:
        0 to 1; 1 when no subject differs.
    """
    known = values[np.abs(values) > TIE]
    return float(wilcoxon(known).pvalue) if len(known) else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in the same order.

    The smallest of m is multiplied by m, the next by m − 1 and so on; none may become smaller than one
    before it, nor larger than 1. Source: Holm, A simple sequentially rejective multiple test procedure,
    Scandinavian Journal of Statistics 6, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, (len(p_values) - place) * p_values[index])
        corrected[index] = min(1.0, largest)
    return corrected
