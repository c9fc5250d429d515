from __future__ import annotations

import numpy as np
import pytest

from experiments.summary.bootstrap import (
    Bootstrap,
    Rows,
    interval,
    mean_difference,
    populations,
    resampled_means,
)
from TransferRiskLib.errors import SettingsError


def rows(*entries: tuple[float, str, str, int], fold_of_cell: bool = False) -> Rows:
    """Entries are (difference, scenario, subject, seed); a cell is a scenario and seed, a group a scenario.

    With `fold_of_cell` every subject is a fold, and so a cell, of its own.
    """
    values, scenario, subject, seed = zip(*entries, strict=True)
    cells = [(s, n, p if fold_of_cell else "") for s, n, p in zip(scenario, seed, subject, strict=True)]

    def index(names):
        return np.array([sorted(set(names)).index(name) for name in names])

    return Rows(
        np.array(values, float),
        index(cells),
        index(scenario),
        index(scenario),
        index(subject),
        np.array(seed),
    )


def test_a_constant_difference_has_that_constant_as_both_ends():
    same = rows(*[(1.5, s, p, n) for s in "AB" for p in ("x", "y", "z") for n in (0, 1)])
    low, high = interval(same)
    assert low == pytest.approx(1.5, abs=1e-12) and high == pytest.approx(1.5, abs=1e-12)


def test_two_subjects_give_the_three_means_there_are_in_their_proportions():
    # drawn twice from {x, y}: xx, xy, yx, yy
    two = rows((1.0, "A", "x", 0), (3.0, "A", "y", 0))
    means = resampled_means(two, Bootstrap(20_000, seed=3))
    found, counts = np.unique(means, return_counts=True)
    np.testing.assert_allclose(found, [1, 2, 3])
    np.testing.assert_allclose(counts / len(means), [0.25, 0.5, 0.25], atol=0.02)
    assert interval(two) == (1.0, 3.0)


def test_subjects_and_seeds_are_drawn_on_their_own():
    # value = subject + seed effect: the mean of a resample is the sum of two independent means
    crossed = rows(*[(p + 10.0 * n, "A", name, n) for p, name in ((0, "x"), (1, "y")) for n in (0, 1)])
    means = resampled_means(crossed, Bootstrap(40_000, seed=1))
    found, counts = np.unique(np.round(means, 9), return_counts=True)
    np.testing.assert_allclose(found, [a + b for b in (0, 5, 10) for a in (0, 0.5, 1)])
    expected = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]).ravel()
    np.testing.assert_allclose(counts / len(means), expected, atol=0.01)


def test_a_subject_of_two_scenarios_is_drawn_once_for_both():
    # opposite effects of the same two subjects cancel in every resample; of other subjects they do not
    shared = rows((1.0, "A", "x", 0), (3.0, "A", "y", 0), (3.0, "B", "x", 0), (1.0, "B", "y", 0))
    assert interval(shared) == (2.0, 2.0)
    apart = rows((1.0, "A", "x", 0), (3.0, "A", "y", 0), (3.0, "B", "v", 0), (1.0, "B", "w", 0))
    assert interval(apart) == (1.0, 3.0)


def test_populations_join_through_scenarios_between():
    scenario = np.array([0, 0, 1, 1, 2, 2, 3])
    subject = np.array([0, 1, 1, 2, 2, 3, 9])
    np.testing.assert_array_equal(populations(scenario, subject), [0, 0, 0, 0, 0, 0, 1])


def test_with_a_fold_a_subject_draws_count_as_often_as_they_were_drawn():
    # leave-one-out: every subject is a cell of its own, and still the mean over draws decides
    apart = rows((0.0, "A", "x", 0), (3.0, "A", "y", 0), (6.0, "A", "z", 0), fold_of_cell=True)
    means = resampled_means(apart, Bootstrap(30_000, seed=2))
    found = np.unique(np.round(means, 9))
    np.testing.assert_allclose(found, [0, 1, 2, 3, 4, 5, 6])
    assert means.var() == pytest.approx(6.0 / 3, rel=0.05)  # population variance over the number of draws


def test_the_mean_counts_scenarios_alike_whatever_their_number_of_cells():
    uneven = rows((1.0, "A", "x", 0), (4.0, "B", "y", 0), (6.0, "B", "y", 1), (8.0, "B", "y", 2))
    assert mean_difference(uneven) == pytest.approx((1 + 6) / 2)


def test_rows_of_a_cell_count_alike_and_so_do_cells_of_a_group():
    # cell 0 has two rows, cell 1 has one: mean of (1, 3) and 8
    three = rows((1.0, "A", "x", 0), (3.0, "A", "y", 0), (8.0, "A", "x", 1))
    assert mean_difference(three) == pytest.approx((2 + 8) / 2)
    np.testing.assert_allclose(three.weights, [0.25, 0.25, 0.5])


def test_one_subject_leaves_nothing_to_resample():
    assert interval(rows((1.0, "A", "x", 0), (2.0, "A", "x", 1))) is None


def test_the_same_seed_gives_the_same_interval_and_few_resamples_are_refused():
    some = rows(*[(float(n), "A", str(n), 0) for n in range(7)])
    assert interval(some, Bootstrap(2000, 5)) == interval(some, Bootstrap(2000, 5))
    assert interval(some, Bootstrap(2000, 5)) != interval(some, Bootstrap(2000, 6))
    with pytest.raises(SettingsError, match="2000"):
        Bootstrap(1999)
