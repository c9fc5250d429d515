from __future__ import annotations

import numpy as np

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.evaluation.components import choose_largest_component, keep_largest

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


def test_it_is_chosen_for_labels_that_gain_only():
    reference = np.zeros((4, 6, 6), np.int16)
    reference[1:3, 1:3, 1:3] = 1
    prediction = two_islands()
    for array in (reference, prediction):
        array[3, 0, 0] = array[3, 5, 0] = 2  # two true spots: the largest component would lose one
    assert choose_largest_component([(prediction, reference)], SCHEME) == ("organ",)


def test_it_is_not_chosen_where_nothing_changes_or_there_is_no_case():
    clean = keep_largest(two_islands(), [1])
    assert choose_largest_component([(clean, clean)], SCHEME) == ()
    assert choose_largest_component([], SCHEME) == ()


def test_an_island_where_nobody_annotated_is_no_reason():
    reference = keep_largest(two_islands(), [1])
    reference[0] = UNLABELLED
    assert choose_largest_component([(two_islands(), reference)], SCHEME) == ()


def test_the_mean_over_cases_decides():
    reference = keep_largest(two_islands(), [1])
    harmed_reference = two_islands()
    harmed_reference[0, 4:, 4:] = 1  # four true voxels apart, that cleaning would lose
    harmed = harmed_reference.copy()
    gaining, losing = (two_islands(), reference), (harmed, harmed_reference)
    assert choose_largest_component([gaining], SCHEME) == ("organ",)
    assert choose_largest_component([gaining, losing], SCHEME) == ()
