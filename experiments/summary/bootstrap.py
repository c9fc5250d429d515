"""Percentile intervals of mean paired differences, resampling test subjects and seeds.

Cells are not independent: those of a scenario share their test subjects, and those of one seed their
training draw. So what is resampled are not cells but subjects and seeds (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 6 and 13; two crossed factors resampled independently of
one another: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007, where it is shown
to err on the side of wide intervals).

Scenarios that share any subject form one population, and the draws of a population hold for all of its
scenarios: a subject that is tested in twelve scenarios is still one subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from TransferRiskLib.errors import SettingsError

FEWEST_RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: How many; at least `FEWEST_RESAMPLES`.
        seed: Of the draws; comparisons with the same design share their draws.

    Raises:
        SettingsError: too few resamples.
    """

    resamples: int = 5000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < FEWEST_RESAMPLES:
            raise SettingsError(
                f"An interval needs at least {FEWEST_RESAMPLES} resamples, not {self.resamples}."
            )


DEFAULT_BOOTSTRAP = Bootstrap()


@dataclass(frozen=True, eq=False)
class Rows:
    """Paired differences with what they depend on; all arrays are (n,), one entry a test case and label.

    Attributes:
        values: The differences.
        cell: Index of the cell.
        group: Index of the scenario with its k.
        scenario: Index of the scenario.
        subject: Index of the test subject.
        seed: The cell's seed.
    """

    values: np.ndarray
    cell: np.ndarray
    group: np.ndarray
    scenario: np.ndarray
    subject: np.ndarray
    seed: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """(n,) the weight of each row in its group's mean: rows of a cell count alike, cells of a group
        count alike, and a group's weights sum to 1."""
        in_cell = np.bincount(self.cell)[self.cell]
        _, first = np.unique(self.cell, return_index=True)
        in_group = np.bincount(self.group[first])[self.group]
        return 1.0 / (in_cell * in_group)

    def group_means(self) -> dict[int, float]:
        """The mean difference of every group: over the means of its cells."""
        sums = np.bincount(self.group, self.weights * self.values)
        return {int(g): float(sums[g]) for g in np.unique(self.group)}


def mean_difference(rows: Rows) -> float:
    """The mean over scenarios with their k of the mean over their cells.

    It is the mean over all cells wherever every scenario and k has the same number of them.
    """
    return float(np.mean(list(rows.group_means().values())))


def populations(scenario: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """(n,) the population of every row: scenarios that share a subject, directly or through others.

    Args:
        scenario, subject: (n,) indices.

    Returns:
        Indices from 0, in the order of the smallest scenario of each.
    """
    label = {int(s): int(s) for s in np.unique(scenario)}
    for person in np.unique(subject):
        shared = {label[int(s)] for s in np.unique(scenario[subject == person])}
        first = min(shared)
        label = {s: first if old in shared else old for s, old in label.items()}
    order = sorted(set(label.values()))
    return np.array([order.index(label[int(s)]) for s in scenario], np.int64)


def interval(rows: Rows, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> tuple[float, float] | None:
    """The 95 % percentile interval of `mean_difference`.

    In each resample, the subjects of every population are drawn with replacement, as many as there are,
    and so are its seeds. A row then weighs as often as its subject was drawn times as often as its seed
    was drawn, and every group's mean is taken with these weights. With a single seed only subjects are
    drawn. With few subjects or seeds the interval is too narrow, as every bootstrap's is.

    Args:
        rows: The paired differences.
        bootstrap: Number of resamples and their seed.

    Returns:
        Lower and upper end; None with fewer than two subjects, which leave nothing to resample.
    """
    if len(np.unique(rows.subject)) < 2:
        return None
    means = resampled_means(rows, bootstrap)
    low, high = np.nanquantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_means(rows: Rows, bootstrap: Bootstrap) -> np.ndarray:
    """(resamples,) `mean_difference` of every resample; see `interval`."""
    resamples, seed = bootstrap.resamples, bootstrap.seed
    population = populations(rows.scenario, rows.subject)
    weights = rows.weights
    means = []
    for number in np.unique(population):
        inside = population == number
        people, subject = np.unique(rows.subject[inside], return_inverse=True)
        draws, column = np.unique(rows.seed[inside], return_inverse=True)
        drawn_people = _draws(len(people), resamples, seed, 2 * int(number))
        drawn_seeds = _draws(len(draws), resamples, seed, 2 * int(number) + 1)
        shape = (len(people), len(draws))
        flat = subject * len(draws) + column
        for group in np.unique(rows.group[inside]):
            here = rows.group[inside] == group
            sums = [
                np.bincount(flat[here], part[here], np.prod(shape)).reshape(shape)
                for part in (weights[inside] * rows.values[inside], weights[inside])
            ]
            above, below = (((drawn_people @ part) * drawn_seeds).sum(1) for part in sums)
            # a group of which no subject was drawn takes no part in that resample
            means.append(np.divide(above, below, out=np.full(resamples, np.nan), where=below > 0))
    return _mean_of_known(np.array(means))


@lru_cache(maxsize=128)
def _draws(items: int, resamples: int, seed: int, stream: int) -> np.ndarray:
    """(resamples, items) how often each of the items was drawn, `items` draws a resample."""
    generator = np.random.default_rng([seed, stream])
    return generator.multinomial(items, np.full(items, 1 / items), resamples).astype(np.float64)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of the numbers there are; not-a-number where there is none."""
    known = np.isfinite(values)
    count = known.sum(0)
    total = np.where(known, values, 0.0).sum(0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
