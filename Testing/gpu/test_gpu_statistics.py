"""The transfer statistics on a GPU, beside float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from TransferRiskLib.errors import ModelError
from TransferRiskLib.transfer.maps import transfer_maps
from TransferRiskLib.transfer.scores import LeepSums
from TransferRiskLib.transfer.statistics import JointStatistics

TARGETS, STATES = ("background", "a", "b"), ("background", "x", "y", "z")
SHAPE = (31, 40, 29)


@pytest.fixture
def outputs():
    """Logits (4, ...), not-a-number where nothing is labelled; labels; probabilities in float64."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 4, (4, *SHAPE)).astype(np.float32)
    labels = random.integers(-1, 3, SHAPE).astype(np.int16)
    powers = np.exp(logits.astype(np.float64))
    theta = powers / powers.sum(0)
    logits[:, labels < 0] = np.nan
    return torch.from_numpy(logits), torch.from_numpy(labels), theta


def joint_of(theta: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([theta[:, labels == y].sum(1) for y in range(3)])


@pytest.mark.parametrize("chunk", [1000, 65536])
def test_the_joint_agrees_with_float64(gpu, outputs, chunk):
    logits, labels, theta = outputs
    found = JointStatistics.from_logits(logits.to(gpu), labels, "softmax", TARGETS, STATES, chunk=chunk)
    np.testing.assert_allclose(found.joint, joint_of(theta, labels.numpy()), rtol=1e-6)
    np.testing.assert_array_equal(found.counts, [(labels == y).sum() for y in range(3)])


def test_sums_on_a_gpu_come_out_the_same_every_time(gpu, outputs):
    logits, labels, _ = outputs
    twice = [
        JointStatistics.from_logits(logits.to(gpu), labels.to(gpu), "softmax", TARGETS, STATES)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(twice[0].joint, twice[1].joint)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_probabilities_in_half_precision_are_summed_in_double(gpu, outputs, kind):
    _, labels, theta = outputs
    rounded = torch.from_numpy(theta).to(kind)
    found = JointStatistics.from_probabilities(rounded.to(gpu), labels, TARGETS, STATES)
    np.testing.assert_allclose(found.joint, joint_of(rounded.double().numpy(), labels.numpy()), rtol=1e-12)


def test_every_map_agrees_with_float64(gpu, outputs):
    logits, labels, theta = outputs
    here = labels.numpy() >= 0
    joint = joint_of(theta, labels.numpy())
    conditional, prior = joint / joint.sum(0), joint.sum(1) / joint.sum()
    eep = np.einsum("yz,z...->y...", conditional, theta)[:, here]
    at_label = np.take_along_axis(eep, labels.numpy()[here][None], 0)[0]
    surprise = -np.log(prior[labels.numpy()[here]])
    expected = {
        "risk": -np.log(at_label),
        "relative-risk": -np.log(at_label) / surprise,
        "gain": np.log(at_label) + surprise,
        "expected-risk": -(eep * np.log(eep)).sum(0),
    }
    clean = logits.nan_to_num(0.0).to(gpu)
    maps = transfer_maps(conditional, prior, clean, labels, activation="softmax").maps
    for kind, values in expected.items():
        assert maps[kind].device.type == "cpu"
        np.testing.assert_allclose(maps[kind].numpy()[here], values, rtol=1e-5, atol=1e-5, err_msg=kind)
    assert np.isnan(maps["risk"].numpy()[~here]).all()
    clear = np.diff(np.sort(eep, 0)[-2:], axis=0)[0] > 1e-6
    found = maps["eep-segmentation"].numpy()[here]
    np.testing.assert_array_equal(found[clear], eep.argmax(0)[clear])


def test_the_score_is_that_of_the_cpu(gpu, outputs):
    logits, labels, theta = outputs
    joint = joint_of(theta, labels.numpy())
    conditional, clean = joint / joint.sum(0), logits.nan_to_num(0.0)
    here, there = (
        LeepSums.from_logits(conditional, values, labels, "softmax", TARGETS)
        for values in (clean, clean.to(gpu))
    )
    np.testing.assert_allclose(there.log_eep, here.log_eep, rtol=1e-6)
    np.testing.assert_array_equal(there.counts, here.counts)


def test_outputs_that_are_not_numbers_are_refused_on_a_gpu_too(gpu, outputs):
    logits, labels, _ = outputs
    spoilt = logits.nan_to_num(0.0)
    spoilt[0][labels == 1] = float("nan")
    with pytest.raises(ModelError, match="not probabilities"):
        JointStatistics.from_logits(spoilt.to(gpu), labels, "softmax", TARGETS, STATES)
