from __future__ import annotations

import numpy as np

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.evaluation.components import keep_largest

SCHEME = LabelScheme.of("organ", "spots")


def two_islands():
    indices = np.zeros((4, 6, 6), np.int16)
    indices[1:3, 1:3, 1:3] = 1
    indices[0, 5, 5] = 1
    return indices


def test_only_the_largest_island_stays():
    cleaned = keep_largest(two_islands(), [1])
    expected = two_islands()
    expected[0, 5, 5] = 0
    np.testing.assert_array_equal(cleaned, expected)


def test_voxels_that_touch_by_a_corner_belong_together():
    indices = two_islands()
    indices[3, 3, 3] = 1
    assert keep_largest(indices, [1])[3, 3, 3] == 1


def test_other_classes_and_the_input_stay_as_they_are():
    indices = two_islands()
    indices[3, 0, 0] = 2
    before = indices.copy()
    cleaned = keep_largest(indices, [1])
    assert cleaned[3, 0, 0] == 2
    assert cleaned.dtype == np.int16
    np.testing.assert_array_equal(indices, before)
    np.testing.assert_array_equal(keep_largest(indices, []), before)


def test_a_class_that_is_absent_changes_nothing():
    np.testing.assert_array_equal(keep_largest(two_islands(), [2]), two_islands())
