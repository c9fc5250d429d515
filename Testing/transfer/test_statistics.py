"""Joint statistics: right, mergeable, checked."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference
import torch

from TransferRiskLib.errors import LabelError, ModelError, SettingsError
from TransferRiskLib.transfer.statistics import JointStatistics, _class_sums_by_matmul, class_sums, entropy

TWO = ("background", "organ")
THREE = ("p", "q", "r")


def by_hand():
    """Four labelled voxels and one without a label."""
    theta = np.array([[0.75, 0.5, 0.0, 0.25, 1.0], [0.25, 0.5, 1.0, 0.75, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    return theta, np.array([0, 0, 1, 1, -1])


def test_sums_worked_out_by_hand():
    s = JointStatistics.from_probabilities(*by_hand(), TWO, THREE)
    np.testing.assert_array_equal(s.joint, [[1.25, 0.75, 0.0], [0.25, 1.75, 0.0]])
    np.testing.assert_array_equal(s.counts, [2, 2])
    assert s.voxels == 4
    np.testing.assert_array_equal(s.prior, [0.5, 0.5])
    np.testing.assert_allclose(s.source_marginal, [1.5 / 4, 2.5 / 4, 0.0])
    np.testing.assert_allclose(s.entropy, np.log(2))
    # the third state is dead: it gets P(y)
    np.testing.assert_allclose(s.conditional, [[5 / 6, 0.3, 0.5], [1 / 6, 0.7, 0.5]])


def test_classes_that_no_output_stands_for():
    """P(y|z) by hand: of a 90 % background, 10 % wall; of b 40 % wall, 60 % cavity: neither is a wall's."""
    joint, counts = np.array([[90.0, 0.0], [10.0, 40.0], [0.0, 60.0]]), np.array([90, 50, 60])
    names = ("background", "wall", "cavity")
    assert JointStatistics(joint, counts, names, ("a", "b")).unnamed == ("wall",)
    joint, counts = np.array([[90.0, 0.0], [10.0, 40.0], [0.0, 0.0]]), np.array([90, 50, 0])
    assert JointStatistics(joint, counts, names, ("a", "b")).unnamed == (), (
        "a class without voxels is no class here"
    )


def test_mutual_information_by_hand():
    perfect = JointStatistics(np.diag([2.0, 2.0]), np.array([2, 2]), TWO, ("p", "q"))
    useless = JointStatistics(np.ones((2, 2)), np.array([2, 2]), TWO, ("p", "q"))
    assert perfect.mutual_information == pytest.approx(np.log(2))
    assert useless.mutual_information == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("classes", "states"), [(2, 2), (4, 3), (3, 7)])
def test_agrees_with_the_reference(classes, states):
    logits, labels = reference.problem(classes, 20_000, classes, states)
    names = [tuple(f"{k}{n}" for n in range(count)) for k, count in (("y", classes), ("z", states))]
    exact = reference.softmax(logits)
    for theta in (exact, exact.astype(np.float32)):
        s = JointStatistics.from_probabilities(theta, labels, *names)
        np.testing.assert_allclose(s.joint, reference.joint(theta, labels, classes), rtol=1e-12)
        np.testing.assert_allclose(s.conditional, reference.conditional(theta, labels, classes), rtol=1e-10)
    fused = JointStatistics.from_logits(logits, labels, "softmax", *names)
    np.testing.assert_allclose(fused.joint, reference.joint(exact, labels, classes), rtol=1e-6)
    np.testing.assert_allclose(fused.prior, reference.prior(labels, classes), rtol=1e-15)


def test_sums_stay_exact_at_the_size_of_a_brain():
    # 240 x 240 x 155 voxels; a float32 sum over them is wrong in the second digit.
    voxels = 240 * 240 * 155
    block, labels = reference.problem(0, 27_900, 4, 4)
    repeats = voxels // labels.size
    logits = torch.from_numpy(block).repeat(1, repeats)
    s = JointStatistics.from_logits(logits, np.tile(labels, repeats), "softmax", "abcd", "wxyz")
    expected = repeats * reference.joint(reference.softmax(block), labels, 4)
    np.testing.assert_allclose(s.joint, expected, rtol=1e-6)
    assert s.voxels == repeats * int((labels >= 0).sum())


def test_the_sums_made_for_graphics_cards_are_the_same():
    logits, labels = reference.problem(5, 3000, 3, 4)
    theta, y = torch.from_numpy(reference.softmax(logits)), torch.from_numpy(labels)
    theta[:, y < 0] = torch.nan
    for one, other in zip(class_sums(theta, y, 3), _class_sums_by_matmul(theta, y, 3), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.uint8, np.int32])
def test_labels_of_any_integer_type(kind):
    theta, labels = by_hand()
    s = JointStatistics.from_probabilities(theta[:, :4], labels[:4].astype(kind), TWO, THREE)
    np.testing.assert_array_equal(s.counts, [2, 2])


def test_images_of_any_layout():
    logits, labels = reference.problem(1, 60, 2, 3)
    flat = JointStatistics.from_logits(logits, labels, "softmax", TWO, THREE)
    image, mask = logits.reshape(3, 3, 4, 5), labels.reshape(3, 4, 5)
    turned = JointStatistics.from_logits(
        np.ascontiguousarray(image[..., ::-1])[..., ::-1], mask, "softmax", TWO, THREE
    )
    swapped = JointStatistics.from_logits(
        torch.from_numpy(image).transpose(1, 3),
        torch.from_numpy(mask).transpose(0, 2),
        "softmax",
        TWO,
        THREE,
    )
    image.flags.writeable = False
    frozen = JointStatistics.from_logits(image.astype(">f4"), mask, "softmax", TWO, THREE)
    for other in (turned, swapped, frozen):
        # the float32 softmax may round differently at another place in memory
        np.testing.assert_allclose(other.joint, flat.joint, rtol=1e-6)


def test_nested_logits_are_summed_over_exclusive_states():
    logits = torch.tensor([[2.0, -1.0], [3.0, -2.0]])
    s = JointStatistics.from_logits(logits, np.array([1, 0]), "nested", TWO, THREE)
    outer, inner = (1 / (1 + np.exp(-v)) for v in (-1.0, -2.0))
    upper = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(s.joint, [[1 - outer, outer - inner, inner], [1 - upper, 0, upper]], atol=1e-7)


def test_json_gives_back_the_very_same_numbers():
    logits, labels = reference.problem(2, 500, 2, 3)
    s = JointStatistics.from_logits(logits, labels, "softmax", TWO, THREE)
    again = JointStatistics.from_dict(json.loads(json.dumps(s.to_dict(), allow_nan=False)))
    assert again == s
    np.testing.assert_array_equal(again.joint, s.joint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "report"}, "not joint statistics"),
        ({"version": 2}, "version 2"),
        ({"targets": ["a", "a"]}, "distinct"),
        ({"targets": "ab"}, "names"),
        ({"states": ["only"]}, "do not fit"),
        ({"joint": [[1.0], [1.0, 2.0]]}, "not a number"),
        ({"joint": [["x"] * 3] * 2}, "not a number"),
        ({"joint": None}, "do not fit"),
        ({"joint": [[-1.0, 2.0, 1.0], [0.0, 2.0, 0.0]]}, "negative"),
        ({"joint": [[9.0, 2.0, 1.0], [0.0, 2.0, 0.0]]}, "contradict"),
        ({"counts": [1.5, 2.5]}, "integers"),
    ],
)
def test_wrong_json_is_refused(change, message):
    content = JointStatistics.from_probabilities(*by_hand(), TWO, THREE).to_dict() | change
    with pytest.raises(SettingsError, match=message):
        JointStatistics.from_dict(content)


def test_other_names_do_not_merge():
    zeros = JointStatistics.zeros(TWO, THREE)
    for other in (JointStatistics.zeros(("background", "x"), THREE), JointStatistics.zeros(TWO, TWO)):
        with pytest.raises(SettingsError, match="merged"):
            zeros.merge(other)
    with pytest.raises(SettingsError, match="no statistics"):
        JointStatistics.merged([])


def test_zeros_are_neutral_and_know_nothing():
    s = JointStatistics.from_probabilities(*by_hand(), TWO, THREE)
    zeros = JointStatistics.zeros(TWO, THREE)
    assert zeros.merge(s) == s
    assert JointStatistics.merged([s, zeros]) == s
    for name in ("prior", "conditional", "entropy", "mutual_information", "source_marginal"):
        with pytest.raises(LabelError, match="no labelled voxel"):
            getattr(zeros, name)


@pytest.mark.parametrize(
    "theta", [[[0.5], [0.4]], [[1.2], [-0.2]], [[np.nan], [0.5]], [[np.inf], [0.0]], [[2.0], [-3.0]]]
)
def test_outputs_that_are_no_probabilities_are_refused(theta):
    good = np.array([[0.5], [0.5]])
    with pytest.raises(ModelError, match="not probabilities"):
        JointStatistics.from_probabilities(np.hstack([good, theta]), np.array([0, 1]), TWO, ("p", "q"))
    hidden = JointStatistics.from_probabilities(np.hstack([good, theta]), np.array([0, -1]), TWO, ("p", "q"))
    np.testing.assert_array_equal(hidden.joint, [[0.5, 0.5], [0.0, 0.0]])


@pytest.mark.parametrize("activation", ["softmax", "nested"])
def test_logits_that_are_not_numbers_are_refused_only_where_labelled(activation):
    states = THREE[: 2 if activation == "softmax" else 3]
    logits = np.array([[0.0, np.nan], [0.0, 1.0]], dtype=np.float32)
    with pytest.raises(ModelError, match="not probabilities"):
        JointStatistics.from_logits(logits, np.array([0, 1]), activation, TWO, states)
    assert JointStatistics.from_logits(logits, np.array([0, -1]), activation, TWO, states).voxels == 1


def test_what_does_not_fit_is_refused():
    theta, labels = by_hand()
    with pytest.raises(ModelError, match="3 channels where 2"):
        JointStatistics.from_probabilities(theta, labels, TWO, ("p", "q"))
    with pytest.raises(ModelError, match="4 states"):
        JointStatistics.from_logits(theta, labels, "nested", TWO, THREE)
    with pytest.raises(ModelError, match="floating-point"):
        JointStatistics.from_probabilities(theta.astype(int), labels, TWO, THREE)
    with pytest.raises(LabelError, match="one grid"):
        JointStatistics.from_probabilities(theta, labels[:3], TWO, THREE)
    with pytest.raises(LabelError, match="integers"):
        JointStatistics.from_probabilities(theta, labels.astype(float), TWO, THREE)
    for wrong in (2, -2):
        with pytest.raises(LabelError, match="classes"):
            JointStatistics.from_probabilities(theta, np.where(labels == 1, wrong, 0), TWO, THREE)
    with pytest.raises(SettingsError, match="chunk"):
        JointStatistics.from_probabilities(theta, labels, TWO, THREE, chunk=0)


def test_statistics_cannot_be_changed_by_their_users():
    s = JointStatistics.from_probabilities(*by_hand(), TWO, THREE)
    with pytest.raises(ValueError, match="read-only"):
        s.joint[0, 0] = 7


def test_entropy_of_simple_distributions():
    assert entropy(np.array([1.0, 0.0])) == 0.0
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3 * np.log(2))
