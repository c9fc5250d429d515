from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.evaluation.errors_auroc import auroc


def every_pair(scores, errors):
    """The definition: the share of pairs in which the error scores higher, ties a half."""
    wrong, right = scores[errors][:, None], scores[~errors][None]
    return ((wrong > right) + 0.5 * (wrong == right)).mean()


@pytest.mark.parametrize("levels", [3, 1000])
def test_it_agrees_with_the_definition_with_and_without_ties(levels):
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, (5, 6, 7)).astype(np.float32)
    errors = rng.random((5, 6, 7)) < 0.2 + 0.5 * scores / levels
    assert auroc(scores, errors) == pytest.approx(every_pair(scores, errors), abs=1e-12)


def test_perfect_reversed_and_constant_scores():
    errors = np.array([False, False, True, True])
    assert auroc(np.array([1, 2, 3, 4]), errors) == 1.0
    assert auroc(np.array([4, 3, 2, 1]), errors) == 0.0
    assert auroc(np.ones(4), errors) == 0.5


def test_it_is_undefined_without_errors_or_without_correct_voxels():
    assert auroc(np.arange(3), np.zeros(3, bool)) is None
    assert auroc(np.arange(3), np.ones(3, bool)) is None
