from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.inference import decisions
from TransferRiskLib.inference.decisions import entropy, labels_from_probabilities


def some_probabilities(shape=(3, 5, 4, 6)):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    return values / values.sum(axis=0)


def test_the_most_probable_class_wins_and_ties_go_to_the_lower_index():
    probabilities = np.array([[0.2, 0.4], [0.5, 0.2], [0.3, 0.4]], np.float32).reshape(3, 1, 1, 2)
    labels = labels_from_probabilities(probabilities)
    assert labels.dtype == np.int16
    assert labels.ravel().tolist() == [1, 0]


def test_entropy_by_hand():
    probabilities = np.array([[1.0, 0.25, 0.5], [0.0, 0.25, 0.5], [0.0, 0.25, 0], [0.0, 0.25, 0]], np.float32)
    values = entropy(probabilities.reshape(4, 1, 1, 3))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.ravel(), [0, np.log(4), np.log(2)], rtol=1e-6)


@pytest.mark.parametrize("slab", [1, 50, 10**6])
def test_the_size_of_the_slabs_does_not_matter(slab, monkeypatch):
    monkeypatch.setattr(decisions, "SLAB", slab)
    probabilities = some_probabilities()
    np.testing.assert_array_equal(labels_from_probabilities(probabilities), probabilities.argmax(axis=0))
    expected = -(probabilities.astype(float) * np.log(probabilities.astype(float))).sum(axis=0)
    np.testing.assert_allclose(entropy(probabilities), expected, rtol=1e-5)
