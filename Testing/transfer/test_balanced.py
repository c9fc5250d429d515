"""The balanced score against a float64 reference, and what it must be where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from TransferRiskLib.transfer.balanced import balanced_score


def reference(theta: np.ndarray, labels: np.ndarray) -> float:
    """Voxel by voxel, in float64."""
    classes = sorted(set(labels.tolist()) - {-1})
    profile = {y: np.mean([theta[:, i] for i in np.flatnonzero(labels == y)], axis=0) for y in classes}
    total = 0.0
    for y in classes:
        logs = []
        for i in np.flatnonzero(labels == y):
            eep = sum(
                theta[z, i] * profile[y][z] / sum(profile[c][z] for c in classes) for z in range(len(theta))
            )
            logs.append(math.log(eep))
        total += float(np.mean(logs))
    return (math.log(len(classes)) + total / len(classes)) / math.log(len(classes))


def test_agrees_with_a_float64_reference_where_voxels_are_unlabelled():
    random = np.random.default_rng(0)
    theta = random.dirichlet([0.4, 0.6, 1.0], (2, 3, 4, 5)).transpose(0, 4, 1, 2, 3)
    labels = random.choice([-1, 0, 0, 0, 1, 3], (2, 3, 4, 5))
    got = balanced_score(torch.from_numpy(theta), torch.from_numpy(labels), 4)
    want = reference(theta.transpose(1, 0, 2, 3, 4).reshape(3, -1), labels.reshape(-1))
    assert float(got) == pytest.approx(want, abs=1e-5)


def test_an_oracle_scores_one_however_its_states_are_named_and_a_constant_source_nothing():
    labels = torch.tensor([0] * 90 + [1] * 9 + [2]).view(1, 100, 1, 1)
    names = torch.tensor([2, 0, 1])  # the source calls the labels otherwise
    oracle = torch.nn.functional.one_hot(names[labels], 3).movedim(-1, 1).float()
    assert float(balanced_score(oracle, labels, 3)) == pytest.approx(1.0, abs=1e-6)
    constant = torch.tensor([0.5, 0.3, 0.2]).view(1, 3, 1, 1, 1).expand(1, 3, 100, 1, 1)
    assert float(balanced_score(constant, labels, 3)) == pytest.approx(0.0, abs=1e-6)


def test_a_rare_class_counts_as_much_as_a_common_one():
    labels = torch.tensor([0] * 1000 + [1] * 2).view(1, -1, 1, 1)
    blind = torch.full((1, 2, 1002, 1, 1), 0.5)
    right = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
    half = torch.where((labels == 1).unsqueeze(1), blind, right)
    # class 0 is certain; P(y|z) of the states that both share: P(z|0) = (1, 0), P(z|1) = (1/2, 1/2)
    class_0, class_1 = math.log(1 / 1.5), math.log(0.5 * (0.5 / 1.5) + 0.5 * 1.0)
    want = 1 + (class_0 + class_1) / 2 / math.log(2)
    assert float(balanced_score(half, labels, 2)) == pytest.approx(want, abs=1e-5)


def test_one_class_alone_tells_nothing_and_has_no_gradient_trouble():
    theta = torch.rand(1, 2, 4, 1, 1, requires_grad=True)
    value = balanced_score(theta, torch.zeros(1, 4, 1, 1, dtype=torch.long), 2)
    value.backward()
    assert float(value.detach()) == 0.0 and torch.equal(theta.grad, torch.zeros_like(theta))


def test_its_gradient_is_that_of_finite_differences():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 3, 6, 1, 1, generator=random, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 1, 1, 2]).view(1, 6, 1, 1)
    balanced_score(torch.softmax(logits, 1), labels, 3).backward()
    step = 1e-2
    for index in ((0, 0, 0, 0, 0), (0, 1, 3, 0, 0), (0, 2, 5, 0, 0)):
        moved = [logits.detach().clone() for _ in range(2)]
        moved[0][index] += step
        moved[1][index] -= step
        up, down = (float(balanced_score(torch.softmax(m, 1), labels, 3)) for m in moved)
        assert float(logits.grad[index]) == pytest.approx((up - down) / (2 * step), abs=2e-4)
