"""Risk, relative risk, gain, expected risk and EEP segmentation of single images."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch

from TransferRiskLib.errors import LabelError, ModelError, SettingsError
from TransferRiskLib.transfer import maps
from TransferRiskLib.transfer.statistics import JointStatistics

# P(y|z) of two classes and two states, and P(y)
CONDITIONAL = np.array([[0.9, 0.2], [0.1, 0.8]])
PRIOR = np.array([0.6, 0.4])
# Three voxels: sure of state 0, sure of state 1, undecided
THETA = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
LABELS = np.array([0, 0, -1])


def test_eep_by_hand():
    eep = maps.expected_empirical_prediction(CONDITIONAL, THETA)
    assert eep.dtype == torch.float32
    np.testing.assert_allclose(eep, [[0.9, 0.2, 0.55], [0.1, 0.8, 0.45]], rtol=1e-6)


def test_maps_by_hand():
    np.testing.assert_allclose(
        maps.risk_map(CONDITIONAL, THETA, LABELS), [-np.log(0.9), -np.log(0.2), np.nan], rtol=1e-6
    )
    np.testing.assert_allclose(
        maps.relative_risk_map(CONDITIONAL, PRIOR, THETA, LABELS),
        [np.log(0.9) / np.log(0.6), np.log(0.2) / np.log(0.6), np.nan],
        rtol=1e-6,
    )
    # the second voxel is background that the source takes for the organ: negative gain
    np.testing.assert_allclose(
        maps.transfer_gain_map(CONDITIONAL, PRIOR, THETA, LABELS),
        [np.log(0.9 / 0.6), np.log(0.2 / 0.6), np.nan],
        rtol=1e-6,
    )


def test_maps_without_labels_by_hand():
    np.testing.assert_allclose(
        maps.expected_risk_map(CONDITIONAL, THETA),
        [reference.entropy([0.9, 0.1]), reference.entropy([0.2, 0.8]), reference.entropy([0.55, 0.45])],
        rtol=1e-6,
    )
    segmentation = maps.eep_segmentation(CONDITIONAL, THETA)
    assert segmentation.dtype == torch.int16
    np.testing.assert_array_equal(segmentation, [0, 1, 0])


def test_a_tie_goes_to_the_first_class_and_certainty_has_no_entropy():
    theta = np.array([[0.5, 1.0], [0.5, 0.0]])
    np.testing.assert_array_equal(maps.eep_segmentation(np.eye(2), theta), [0, 0])
    np.testing.assert_allclose(maps.expected_risk_map(np.eye(2), theta), [np.log(2), 0.0], rtol=1e-6)


@pytest.mark.parametrize(("classes", "states"), [(2, 2), (4, 3), (3, 8)])
def test_risk_agrees_with_the_reference(classes, states):
    logits, labels = reference.problem(states, 30_000, classes, states)
    exact = reference.softmax(logits)
    s = JointStatistics.from_logits(
        logits, labels, "softmax", [f"y{n}" for n in range(classes)], [f"z{n}" for n in range(states)]
    )
    expected = reference.risk(reference.conditional(exact, labels, classes), exact, labels)
    made = maps.transfer_maps(s.conditional, s.prior, logits, labels, activation="softmax")
    np.testing.assert_allclose(made.maps["risk"], expected, atol=2e-6, rtol=0)
    np.testing.assert_allclose(maps.risk_map(s.conditional, exact, labels), expected, atol=2e-6, rtol=0)
    surprise = -np.log(reference.prior(labels, classes))[labels]
    np.testing.assert_allclose(made.maps["gain"], surprise - expected, atol=4e-6, rtol=0)
    np.testing.assert_allclose(made.maps["relative-risk"], expected / surprise, rtol=4e-6, atol=4e-6)
    eep = reference.eep(reference.conditional(exact, labels, classes), exact)
    np.testing.assert_allclose(made.maps["expected-risk"], -(eep * np.log(eep)).sum(0), atol=2e-6, rtol=0)
    sure = np.sort(eep, axis=0)[-1] - np.sort(eep, axis=0)[-2] > 1e-6
    np.testing.assert_array_equal(made.maps["eep-segmentation"].numpy()[sure], eep.argmax(0)[sure])
    assert made.floored == 0


def test_half_precision_logits_keep_the_risk_within_three_thousandths():
    logits, labels = reference.problem(9, 20_000, 4, 4)
    s = JointStatistics.from_logits(logits, labels, "softmax", "abcd", "wxyz")
    whole = maps.transfer_maps(s.conditional, s.prior, logits, labels, activation="softmax", kinds=["risk"])
    half = maps.transfer_maps(
        s.conditional, s.prior, logits.astype(np.float16), labels, activation="softmax", kinds=["risk"]
    )
    difference = np.abs(half.maps["risk"].numpy() - whole.maps["risk"].numpy())
    assert np.nanmax(difference) <= 3e-3
    assert np.nanmax(difference) > 0


@pytest.mark.parametrize("activation", ["softmax", "nested", "sigmoid"])
def test_one_pass_gives_what_the_single_functions_give(activation):
    from TransferRiskLib.models.states import to_states

    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(-1, 2, (4, 5, 6), generator=torch.Generator().manual_seed(1))
    theta = to_states(logits, activation, 0)
    names = [f"z{n}" for n in range(len(theta))]
    s = JointStatistics.from_probabilities(theta, labels, ["a", "b"], names)
    made = maps.transfer_maps(s.conditional, s.prior, logits, labels, activation=activation, chunk=7)
    single = {
        "risk": maps.risk_map(s.conditional, theta, labels),
        "relative-risk": maps.relative_risk_map(s.conditional, s.prior, theta, labels),
        "gain": maps.transfer_gain_map(s.conditional, s.prior, theta, labels),
        "expected-risk": maps.expected_risk_map(s.conditional, theta),
        "eep-segmentation": maps.eep_segmentation(s.conditional, theta),
    }
    assert made.maps.keys() == single.keys()
    for kind, expected in single.items():
        assert made.maps[kind].dtype == (torch.int16 if kind == "eep-segmentation" else torch.float32)
        torch.testing.assert_close(made.maps[kind], expected, equal_nan=True, atol=1e-6, rtol=1e-6)
        if kind in maps.LABELLED_MAPS:
            assert torch.equal(made.maps[kind].isnan(), labels < 0)


def test_the_way_for_graphics_cards_gives_the_same():
    theta = torch.softmax(torch.randn(5, 100, generator=torch.Generator().manual_seed(0)), 0)
    table = torch.softmax(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)), 0)
    mixed = maps._mix_without_matmul(table, theta)
    torch.testing.assert_close(mixed, maps._mix(table, theta), atol=1e-6, rtol=1e-6)


def test_a_label_that_the_statistics_never_saw_meets_the_floor_and_is_counted():
    conditional, prior = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([1.0, 0.0])
    labels = np.array([0, 1, 1])
    made = maps.transfer_maps(conditional, prior, THETA, labels)
    assert made.floored == 2
    np.testing.assert_allclose(made.maps["risk"], [0, maps.MAX_RISK, maps.MAX_RISK], rtol=1e-6, atol=1e-6)
    # nothing was known of that class before either: no gain, relative risk 1
    np.testing.assert_allclose(made.maps["gain"], 0, atol=1e-5)
    np.testing.assert_allclose(made.maps["relative-risk"], [0, 1, 1], atol=1e-6)


def test_one_class_only_leaves_no_risk():
    made = maps.transfer_maps(np.ones((1, 2)), np.ones(1), THETA, np.zeros(3, int))
    for kind in ("risk", "relative-risk", "gain", "expected-risk"):
        np.testing.assert_array_equal(made.maps[kind], [0, 0, 0])


def test_maps_keep_the_shape_of_the_image():
    theta = np.full((2, 3, 4, 5), 0.5, np.float32)
    made = maps.transfer_maps(CONDITIONAL, PRIOR, theta, np.zeros((3, 4, 5), np.int16))
    assert {tuple(values.shape) for values in made.maps.values()} == {(3, 4, 5)}
    assert maps.expected_empirical_prediction(CONDITIONAL, theta).shape == (2, 3, 4, 5)


def test_kinds_are_chosen_and_checked():
    both = maps.transfer_maps(CONDITIONAL, PRIOR, THETA, LABELS, kinds=["gain", "risk"])
    assert sorted(both.maps) == ["gain", "risk"]
    assert tuple(maps.transfer_maps(CONDITIONAL, PRIOR, THETA).maps) == maps.UNLABELLED_MAPS
    with pytest.raises(SettingsError, match="'risk' needs labels"):
        maps.transfer_maps(CONDITIONAL, PRIOR, THETA, kinds=["risk"])
    with pytest.raises(SettingsError, match="'heat' is not known"):
        maps.transfer_maps(CONDITIONAL, PRIOR, THETA, LABELS, kinds=["heat"])


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_values_that_are_not_numbers_are_refused_where_they_matter(activation):
    theta = THETA.copy()
    theta[:, 2] = np.nan
    made = maps.transfer_maps(CONDITIONAL, PRIOR, theta, LABELS, activation=activation, kinds=["risk"])
    np.testing.assert_array_equal(made.maps["risk"].isnan(), [False, False, True])
    for labels, kinds in ((np.array([0, 0, 1]), ["risk"]), (LABELS, None), (None, None)):
        with pytest.raises(ModelError, match="not probabilities"):
            maps.transfer_maps(CONDITIONAL, PRIOR, theta, labels, activation=activation, kinds=kinds)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="2 channels where 3"):
        maps.transfer_maps(np.ones((2, 3)) / 2, PRIOR, THETA)
    with pytest.raises(LabelError, match="classes"):
        maps.risk_map(CONDITIONAL, THETA, np.array([0, 1, 2]))


def test_eep_lets_gradients_through():
    theta = torch.tensor([[0.25], [0.75]], requires_grad=True)
    maps.expected_empirical_prediction(CONDITIONAL, theta)[0, 0].backward()
    np.testing.assert_allclose(theta.grad.ravel(), CONDITIONAL[0], rtol=1e-6)


def test_probabilities_that_round_to_more_than_one_leave_no_risk():
    theta = np.array([[1.0004], [0.0]])
    made = maps.transfer_maps(np.eye(2), PRIOR, theta, np.array([0]))
    assert float(made.maps["risk"]) == 0.0
    assert float(made.maps["expected-risk"]) == 0.0


def test_a_small_eep_above_the_floor_is_not_counted_as_floored():
    conditional = np.array([[1 - 1e-11, 1.0], [1e-11, 0.0]])
    made = maps.transfer_maps(conditional, PRIOR, np.array([[1.0], [0.0]]), np.array([1]))
    assert made.floored == 0
    np.testing.assert_allclose(made.maps["risk"], [-np.log(1e-11)], rtol=1e-6)
