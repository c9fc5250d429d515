from __future__ import annotations

import numpy as np
import pytest

from experiments.diagnostics.picks import (
    Candidate,
    at_random,
    best,
    extended,
    spread_slices,
    suggested,
    uncertain,
)


def block(*slices: int) -> np.ndarray:
    """Foreground in four voxels of each of the given slices of eight."""
    mask = np.zeros((8, 5, 5), np.int16)
    for k in slices:
        mask[k, 1:3, 1:3] = 1
    return mask


def test_the_suggestion_is_expected_risk_for_each_expected_foreground_voxel():
    profile = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.1], np.float32)
    risk = np.broadcast_to(profile[:, None, None], (9, 5, 5))
    made = suggested("c", risk, block(2, 3))
    assert made.case == "c"
    assert made.score == pytest.approx(2.5 * 25 / 8)
    assert made.slice == 4
    assert suggested("c", risk, block()).score == pytest.approx(2.5 * 25)


def test_uncertainty_is_the_mean_entropy_and_its_worst_slice():
    entropy = np.zeros((8, 5, 5), np.float32)
    entropy[6, 0, 0], entropy[2] = 1.0, 0.1
    assert uncertain("c", entropy) == Candidate("c", pytest.approx((1.0 + 2.5) / 200), 2)


def test_random_slices_lie_where_the_organ_is_expected():
    generator = np.random.default_rng(0)
    drawn = [at_random("c", block(2, 6), generator) for _ in range(200)]
    counts = np.bincount([one.slice for one in drawn], minlength=8)
    assert counts[2] + counts[6] == 200 and counts[2] > 60 and counts[6] > 60
    assert len({one.score for one in drawn}) == 200
    anywhere = {at_random("c", block(), generator).slice for _ in range(200)}
    assert anywhere == set(range(8))


def test_the_best_are_taken_and_ties_go_by_name():
    candidates = [Candidate("b", 0.5, 1), Candidate("a", 0.5, 2), Candidate("c", 0.9, 3)]
    assert [one.case for one in best(candidates, 2)] == ["c", "a"]


def test_picks_are_added_as_cases_or_as_slices():
    before = {"x": [3]}
    picked = [Candidate("a", 0.5, 2)]
    assert extended(before, picked, whole=False) == {"x": [3], "a": [2]}
    assert extended(before, picked, whole=True) == {"x": [3], "a": None}
    assert before == {"x": [3]}


def test_a_first_annotation_is_spread_over_the_organ():
    labels = np.zeros((20, 2, 2), int)
    labels[4:15] = 1  # eleven slices, 4 to 14
    assert spread_slices(labels, 1) == [9]
    assert spread_slices(labels, 4) == [6, 8, 10, 12]
    labels[5:15] = 0
    assert spread_slices(labels, 3) == [4]
