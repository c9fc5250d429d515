from __future__ import annotations

import numpy as np
import pytest
import torch

from TransferRiskLib.adaptation.folds import split_folds
from TransferRiskLib.adaptation.selection import (
    Shares,
    ValidationScores,
    candidate_shares,
    choose_components,
    choose_shares,
    choose_stop,
    default_shares,
    dice_per_class,
    mean_dice,
    validation_scores,
)
from TransferRiskLib.adaptation.settings import preset_settings


def test_dice_per_class_by_hand_leaves_out_unlabelled_voxels_and_absent_classes():
    prediction = np.array([1, 1, 0, 2, 1])
    labels = np.array([1, 0, 1, 0, -1])
    dice = dice_per_class(prediction, labels, 4)
    assert dice[0] == pytest.approx(2 * 1 / (2 + 2))
    assert np.isnan(dice[1:]).all(), "neither class is in the reference"


def test_mean_dice_is_over_labels_of_the_means_over_cases_that_have_them():
    table = np.array([[0.8, np.nan], [0.6, 0.2]])
    assert mean_dice(table) == pytest.approx((0.7 + 0.2) / 2)


ALONE, HALF = Shares(1.0, 0.0), Shares(1.0, 0.5)


def test_validation_scores_mix_the_eep_in_and_clean_components():
    labels = torch.zeros(1, 1, 6, dtype=torch.int64)
    labels[0, 0, :2] = 1
    adapted = torch.tensor([[0.4, 0.6, 0.9, 0.9, 0.4, 0.9], [0.6, 0.4, 0.1, 0.1, 0.6, 0.1]])
    eep = torch.tensor([[0.1, 0.1, 0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.1, 0.1, 0.1, 0.1]])
    shape = (2, 1, 1, 6)
    scores = validation_scores(adapted.reshape(shape), eep.reshape(shape), labels, (ALONE, HALF))
    # alone: voxels 0 and 4; of two equal components the first stays; mixed: voxels 0 and 1
    assert scores.plain[ALONE][0, 0] == pytest.approx(2 * 1 / (2 + 2))
    assert scores.largest[ALONE][0, 0] == pytest.approx(2 * 1 / (1 + 2))
    assert scores.plain[HALF][0, 0] == 1.0
    assert choose_components(scores, ALONE, ("organ",)) == ("organ",)
    assert choose_components(scores, HALF, ("organ",)) == ()
    restored = ValidationScores.from_list(scores.to_list())
    assert restored.plain[HALF][0, 0] == 1.0 and set(restored.plain) == {ALONE, HALF}


def test_components_are_kept_where_the_mean_over_cases_gains():
    gains = ValidationScores({ALONE: np.array([[0.5]])}, {ALONE: np.array([[0.6]])})
    loses = ValidationScores({ALONE: np.array([[0.9]])}, {ALONE: np.array([[0.7]])})
    same = ValidationScores({ALONE: np.array([[0.5]])}, {ALONE: np.array([[0.5]])})
    assert choose_components(gains, ALONE, ("organ",)) == ("organ",)
    assert choose_components(ValidationScores.pooled([gains, loses]), ALONE, ("organ",)) == ()
    assert choose_components(same, ALONE, ("organ",)) == ()


def scores_of(dice: dict[Shares, float]) -> ValidationScores:
    tables = {shares: np.array([[value]]) for shares, value in dice.items()}
    return ValidationScores(tables, tables)


@pytest.mark.parametrize(
    ("dice", "default", "chosen"),
    [
        ({ALONE: 0.80, HALF: 0.809, Shares(1.0, 0.25): 0.8185}, HALF, HALF),  # better, but not clearly
        ({ALONE: 0.80, HALF: 0.809, Shares(0.6, 0.25): 0.82}, HALF, Shares(0.6, 0.25)),
        ({ALONE: 0.80, HALF: 0.9}, ALONE, HALF),
    ],
)
def test_other_shares_than_the_default_must_be_clearly_better(dice, default, chosen):
    assert choose_shares(scores_of(dice), default) == chosen


@pytest.mark.parametrize(
    ("changes", "keeps_head", "score", "foreground", "expected"),
    [
        ({}, True, 0.65, 0.8, Shares(0.75, 0.25)),
        ({}, True, 0.03, 0.8, Shares(1.0, 0.0)),
        ({}, True, 0.11, 0.0, Shares(0.75, 0.0)),
        ({}, False, 0.65, 0.8, Shares(1.0, 0.5)),
        ({}, False, 0.03, 0.8, Shares(1.0, 0.0)),
        ({}, False, 0.65, 0.49, Shares(1.0, 0.0)),
        ({"wise_ft": 1.0}, True, 0.65, 0.8, Shares(1.0, 0.5)),
        ({"eep_weight": 0.75}, True, 0.65, 0.0, Shares(0.75, 0.75)),
        ({"scheme": "scratch"}, False, 0.65, 0.8, Shares(1.0, 0.0)),
    ],
)
def test_default_shares_ask_whether_the_source_informs(changes, keeps_head, score, foreground, expected):
    settings = preset_settings("recommended", **changes)
    assert default_shares(settings, keeps_head, score, foreground) == expected
    assert expected in candidate_shares(settings, keeps_head)


def test_only_what_the_settings_leave_open_is_tried():
    assert candidate_shares(preset_settings("plain"), True) == (ALONE,)
    assert len(candidate_shares(preset_settings("recommended"), True)) == 12
    assert {s.adapted for s in candidate_shares(preset_settings("recommended"), False)} == {1.0}


@pytest.mark.parametrize(
    ("curves", "stop"),
    [
        ([], 100),
        ([[(50, 0.5), (100, 0.6)]], 100),
        ([[(50, 0.7), (100, 0.6)]], 50),
        ([[(50, 0.609), (100, 0.6)]], 100),  # within the margin: the end of the schedule
        ([[(50, 0.611), (100, 0.6)]], 50),
        ([[(50, 0.5), (100, 0.6)], [(50, 0.9), (100, 0.6)]], 50),
        ([[(25, 0.5), (50, 0.7), (75, 0.6)]], 50),  # stopped early
    ],
)
def test_the_final_training_stops_where_the_mean_curve_is_best(curves, stop):
    assert choose_stop(curves, 100) == stop


def test_folds_keep_subjects_together_and_hold_out_every_case_once():
    groups = ["a", "a", "b", "c", "d", "e", "f"]
    folds = split_folds(groups, None, seed=0)
    assert len(folds) == 5, "six subjects are more than leave-one-out is for"
    held_out = sorted(n for _, part in folds for n in part)
    assert held_out == list(range(7))
    for train, part in folds:
        assert not {groups[n] for n in train} & {groups[n] for n in part}
    assert split_folds(["a", "a"], None, 0) == [] and split_folds(groups, 1, 0) == []
    assert split_folds(["a", "b", "c"], None, 0) == [([1, 2], [0]), ([0, 2], [1]), ([0, 1], [2])]
