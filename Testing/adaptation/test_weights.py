from __future__ import annotations

import math

import pytest
import torch

from TransferRiskLib.adaptation.weights import voxel_weights

LABELS = torch.tensor([0, 0, 1, 1, -1])
RISK = torch.tensor([0.0, 1.0, 2.0, 4.0, math.nan])
GAIN = torch.tensor([1.0, -1.0, 0.5, -9.0, math.nan])


def test_paper_weights_are_ten_to_the_risk_normalised_over_the_case():
    weights = voxel_weights("paper", RISK, GAIN, LABELS)
    expected = torch.tensor([1.0, 10**0.25, 10**0.5, 10.0, 0.0])
    torch.testing.assert_close(weights, expected)


def test_linear_weights_follow_the_risk_with_mean_one():
    weights = voxel_weights("linear", RISK, GAIN, LABELS)
    torch.testing.assert_close(weights, torch.tensor([0.0, 4 / 7, 8 / 7, 16 / 7, 0.0]))


def test_class_calibrated_weights_have_mean_one_in_every_class():
    weights = voxel_weights("class-calibrated", RISK, GAIN, LABELS)
    mean_0 = (1 + 10**0.25) / 2
    torch.testing.assert_close(weights[0], torch.tensor(1 / mean_0))
    for label in (0, 1):
        assert weights[label == LABELS].mean().item() == pytest.approx(1, abs=1e-6)


def test_gain_weights_rise_only_where_the_source_misleads():
    weights = voxel_weights("gain", RISK, GAIN, LABELS)
    # class 0: 1 and 2, mean 1.5; class 1: 1 and 1 + the cap of 3, mean 2.5
    torch.testing.assert_close(weights, torch.tensor([1 / 1.5, 2 / 1.5, 1 / 2.5, 4 / 2.5, 0.0]))


def test_half_the_strength_goes_half_the_way():
    full = voxel_weights("class-calibrated", RISK, GAIN, LABELS)
    half = voxel_weights("class-calibrated", RISK, GAIN, LABELS, strength=0.5)
    torch.testing.assert_close(half[:4], (full[:4] + 1) / 2)


@pytest.mark.parametrize("kind", ["none", "paper", "linear", "class-calibrated", "gain"])
def test_unlabelled_voxels_weigh_nothing_and_a_flat_map_is_uniform(kind):
    flat = torch.where(LABELS >= 0, 0.0, math.nan)
    weights = voxel_weights(kind, flat, flat, LABELS)
    torch.testing.assert_close(weights, torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]))


def test_a_case_without_any_labelled_voxel_weighs_nothing():
    labels = torch.full((3,), -1)
    nothing = torch.full((3,), math.nan)
    assert voxel_weights("paper", nothing, nothing, labels).tolist() == [0, 0, 0]


def test_class_balanced_weights_give_every_class_the_same_total():
    labels = torch.tensor([0, 0, 0, 1, -1])
    weights = voxel_weights("class-balanced", RISK, GAIN, labels)
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0, 0.0]))


def test_the_class_mean_control_keeps_only_what_the_class_explains():
    weights = voxel_weights("paper", RISK, GAIN, LABELS, control="class-mean")
    low, high = (1 + 10**0.25) / 2, (10**0.5 + 10) / 2
    torch.testing.assert_close(weights, torch.tensor([low, low, high, high, 0.0]))


def test_the_permuted_control_shuffles_within_classes_repeatably():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(-1, 3, (300,), generator=generator)
    risk = torch.rand(300, generator=generator)
    true = voxel_weights("paper", risk, risk, labels)
    shuffled = voxel_weights("paper", risk, risk, labels, control="permuted", seed=1)
    again = voxel_weights("paper", risk, risk, labels, control="permuted", seed=1)
    assert torch.equal(shuffled, again) and not torch.equal(shuffled, true)
    for label in range(3):
        assert torch.equal(shuffled[labels == label].sort().values, true[labels == label].sort().values)
    assert not shuffled[labels < 0].any()
