from __future__ import annotations

import math

import pytest
import torch

from TransferRiskLib.adaptation.losses import AdaptationLoss

# One patch of four voxels along X, two classes; p(1) = 1/2, 3/4, 1/4 and (unlabelled) 1/100.
P1 = torch.tensor([0.5, 0.75, 0.25, 0.01])
LOGITS = torch.stack([torch.log(1 - P1), torch.log(P1)]).reshape(1, 2, 4, 1, 1)
LABELS = torch.tensor([0, 1, 1, -1]).reshape(1, 4, 1, 1)
WEIGHTS = torch.tensor([1.0, 2.0, 3.0, 7.0]).reshape(1, 4, 1, 1)
RATIO = torch.tensor([5.0])
WEIGHTED_SUM = 1 * math.log(2) + 2 * math.log(4 / 3) + 3 * math.log(4)


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("labelled", WEIGHTED_SUM / 3),
        ("weights", WEIGHTED_SUM / 6),
        # the patch's mean stands for the case, whose labelled voxels are five times its foreground
        ("foreground", WEIGHTED_SUM / 3 * 5),
    ],
)
def test_weighted_cross_entropy_by_hand(normalisation, expected):
    loss = AdaptationLoss(normalisation, "ce")(LOGITS, LABELS, WEIGHTS, RATIO)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_soft_dice_by_hand_leaves_out_background_and_unlabelled_voxels():
    with_dice = AdaptationLoss("labelled", "ce+dice")(LOGITS, LABELS, WEIGHTS, RATIO)
    without = AdaptationLoss("labelled", "ce")(LOGITS, LABELS, WEIGHTS, RATIO)
    overlap, total = 0.75 + 0.25, 2 + (0.5 + 0.75 + 0.25)
    assert (with_dice - without).item() == pytest.approx(1 - 2 * overlap / total, rel=1e-4)


def test_unlabelled_voxels_get_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    AdaptationLoss("labelled", "ce+dice")(logits, LABELS, WEIGHTS, RATIO).backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 3].abs().max() == 0
    assert logits.grad[0, :, :3].abs().min() > 0


@pytest.mark.parametrize("normalisation", ["labelled", "weights", "foreground"])
def test_a_patch_without_labels_is_finite(normalisation):
    labels = torch.full_like(LABELS, -1)
    loss = AdaptationLoss(normalisation, "ce+dice")(LOGITS, labels, WEIGHTS, RATIO)
    assert math.isfinite(loss.item())


def test_focal_loss_by_hand():
    loss = AdaptationLoss("labelled", "focal")(LOGITS, LABELS, torch.ones_like(WEIGHTS), RATIO)
    # (1 - p_y)^2 · -log p_y with p_y = 1/2, 3/4, 1/4
    expected = (0.25 * math.log(2) + 0.0625 * math.log(4 / 3) + 0.5625 * math.log(4)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_hardest_tenth_is_the_mean_of_the_largest_labelled_losses():
    p1 = torch.full((20,), 0.1)
    p1[:2] = torch.tensor([0.5, 0.75])
    p1[2] = 0.999  # unlabelled: must not count as hard
    logits = torch.stack([torch.log(1 - p1), torch.log(p1)]).reshape(1, 2, 20, 1, 1)
    labels = torch.zeros(1, 20, 1, 1, dtype=torch.int64)
    labels[0, 2] = -1
    loss = AdaptationLoss("labelled", "topk")(logits, labels, torch.ones(1, 20, 1, 1), RATIO)
    # a tenth of 19 labelled voxels are 2: those with p(0) = 1/2 and 1/4
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-5)


def test_the_anchor_adds_the_cross_entropy_to_what_is_trusted():
    eep = torch.tensor([0.2, 0.8])
    anchor = torch.zeros(1, 2, 4, 1, 1)
    anchor[0, :, 1, 0, 0] = eep  # one trusted voxel, p(1) = 3/4 there
    anchor[0, :, 3, 0, 0] = eep  # unlabelled: counts nowhere
    one = torch.ones_like(WEIGHTS)
    held = AdaptationLoss("labelled", "ce", anchor=2.0)(LOGITS, LABELS, one, RATIO, anchor)
    free = AdaptationLoss("labelled", "ce", anchor=2.0)(LOGITS, LABELS, one, RATIO)
    expected = 2.0 * -(0.2 * math.log(1 / 4) + 0.8 * math.log(3 / 4)) / 3
    assert (held - free).item() == pytest.approx(expected, rel=1e-5)
