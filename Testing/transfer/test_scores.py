"""LEEP, its normalised form and the scores per class."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference

from TransferRiskLib.errors import LabelError, SettingsError
from TransferRiskLib.transfer.maps import MAX_RISK, transfer_maps
from TransferRiskLib.transfer.scores import LeepSums, score
from TransferRiskLib.transfer.statistics import JointStatistics

TWO = ("background", "organ")
CONDITIONAL = np.array([[0.9, 0.2], [0.1, 0.8]])
THETA = np.array([[1.0, 0.0, 0.5, 0.5], [0.0, 1.0, 0.5, 0.5]])
LABELS = np.array([0, 0, 1, -1])


def test_sums_by_hand():
    sums = LeepSums.from_probabilities(CONDITIONAL, THETA, LABELS, TWO)
    np.testing.assert_array_equal(sums.counts, [2, 1])
    np.testing.assert_allclose(sums.log_eep, [np.log(0.9) + np.log(0.2), np.log(0.45)], rtol=1e-6)
    assert sums.leep == pytest.approx((np.log(0.9) + np.log(0.2) + np.log(0.45)) / 3, rel=1e-6)
    assert sums.normalised(1.25) == pytest.approx((sums.leep + 1.25) / 1.25)
    per_class = sums.per_class(np.array([0.75, 0.25]))
    assert per_class["background"] == pytest.approx(1 - np.log(0.18) / 2 / np.log(0.75), rel=1e-6)
    assert per_class["organ"] == pytest.approx(1 - np.log(0.45) / np.log(0.25), rel=1e-6)


@pytest.mark.parametrize(("classes", "states"), [(2, 2), (4, 3), (3, 8)])
def test_leep_agrees_with_the_reference(classes, states):
    logits, labels = reference.problem(states + 50, 40_000, classes, states)
    targets, names = [f"y{n}" for n in range(classes)], [f"z{n}" for n in range(states)]
    s = JointStatistics.from_logits(logits, labels, "softmax", targets, names)
    sums = LeepSums.from_logits(s.conditional, logits, labels, "softmax", targets)
    exact = reference.softmax(logits)
    expected = reference.leep(reference.conditional(exact, labels, classes), exact, labels)
    assert sums.leep == pytest.approx(expected, abs=1e-6)
    made = score("model", s, sums)
    entropy = reference.entropy(reference.prior(labels, classes))
    assert made.normalised == pytest.approx((expected + entropy) / entropy, abs=2e-6)
    # LEEP is never below the conditional entropy: log of a mean, mean of a log
    assert made.normalised >= s.mutual_information / s.entropy - 1e-6


def test_a_risk_map_at_hand_gives_the_same_sums():
    logits, labels = reference.problem(3, 5000, 3, 4)
    s = JointStatistics.from_logits(logits, labels, "softmax", "abc", "wxyz")
    made = transfer_maps(s.conditional, s.prior, logits, labels, activation="softmax", kinds=["risk"])
    again = LeepSums.from_risk(made.maps["risk"], labels, "abc")
    direct = LeepSums.from_logits(s.conditional, logits, labels, "softmax", "abc")
    assert again.to_dict() == direct.to_dict()
    with pytest.raises(LabelError, match="lacks values"):
        LeepSums.from_risk(np.full(2, np.nan), np.array([0, -1]), TWO)


def test_floored_voxels_are_counted_per_class():
    conditional = np.array([[1.0, 1.0], [0.0, 0.0]])
    sums = LeepSums.from_probabilities(conditional, THETA, LABELS, TWO)
    np.testing.assert_array_equal(sums.floored, [0, 1])
    np.testing.assert_allclose(sums.log_eep, [0, -MAX_RISK], atol=1e-5)


def test_merged_sums_are_those_of_all_voxels():
    whole = LeepSums.from_probabilities(CONDITIONAL, THETA, LABELS, TWO)
    parts = [
        LeepSums.from_probabilities(CONDITIONAL, THETA[:, half], LABELS[half], TWO)
        for half in (slice(0, 1), slice(1, 4))
    ]
    merged = LeepSums.zeros(TWO).merge(parts[0]).merge(parts[1])
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_allclose(merged.log_eep, whole.log_eep, rtol=1e-12)
    with pytest.raises(SettingsError, match="merged"):
        whole.merge(LeepSums.zeros(("a", "b")))


def test_nothing_to_score_and_nothing_to_tell():
    with pytest.raises(LabelError, match="no labelled voxel"):
        _ = LeepSums.zeros(TWO).leep
    one = LeepSums.from_probabilities(np.ones((1, 2)), THETA, np.zeros(4, int), ("background",))
    assert one.leep == 0 and one.normalised(0.0) == 0
    assert one.per_class(np.ones(1)) == {"background": 0.0}


def test_a_class_without_voxels_has_no_score():
    sums = LeepSums.from_probabilities(CONDITIONAL, THETA, np.array([0, 0, 0, -1]), TWO)
    assert list(sums.per_class(np.array([0.5, 0.5]))) == ["background"]


def test_json_gives_back_the_very_same_sums():
    sums = LeepSums.from_probabilities(CONDITIONAL, THETA, LABELS, TWO)
    again = LeepSums.from_dict(json.loads(json.dumps(sums.to_dict(), allow_nan=False)))
    assert again.to_dict() == sums.to_dict()
    good = sums.to_dict()
    for change in (
        {"kind": "x"},
        {"version": 0},
        {"counts": [1]},
        {"counts": ["a", "b"]},
        {"log_eep": [1.0, 0.0]},
        {"floored": [9, 9]},
        {"targets": None},
    ):
        with pytest.raises(SettingsError):
            LeepSums.from_dict(good | change)


def test_a_score_needs_the_same_classes():
    s = JointStatistics.from_probabilities(THETA, LABELS, TWO, "pq")
    with pytest.raises(SettingsError, match="cannot score"):
        score("m", s, LeepSums.zeros(("a", "b")))
