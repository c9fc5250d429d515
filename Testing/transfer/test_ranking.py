"""Which source model informs most about the target."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.transfer.ranking import rank, ranking_table
from TransferRiskLib.transfer.scores import LeepSums, TransferScore, score
from TransferRiskLib.transfer.statistics import JointStatistics

COUNTS = {"background": 6, "organ": 2}


def a_score(model, normalised, counts=COUNTS):
    return TransferScore(model, -1.0, normalised, {"background": normalised, "organ": 0.5}, counts)


def test_best_first_and_ties_by_name():
    ranked = rank([a_score("weak", -0.1), a_score("b", 0.7), a_score("a", 0.7), a_score("best", 0.9)])
    assert [entry.model for entry in ranked] == ["best", "a", "b", "weak"]


def test_a_sharper_source_ranks_higher():
    scores = []
    for name, sharpness in (("blurred", 0.5), ("sharp", 4.0), ("useless", 0.0)):
        logits, labels = reference.problem(0, 5000, 3, 3, sharpness=sharpness)
        s = JointStatistics.from_logits(logits, labels, "softmax", "abc", "xyz")
        scores.append(score(name, s, LeepSums.from_logits(s.conditional, logits, labels, "softmax", "abc")))
    ranked = rank(scores)
    assert [entry.model for entry in ranked] == ["sharp", "blurred", "useless"]
    assert ranked[-1].normalised == pytest.approx(0.0, abs=2e-3)


def test_the_table_has_a_column_per_class():
    header, rows = ranking_table(rank([a_score("a", 0.2), a_score("b", 0.4)]))
    assert header == ("model", "normalised", "leep", "background", "organ")
    assert rows == [("b", 0.4, -1.0, 0.4, 0.5), ("a", 0.2, -1.0, 0.2, 0.5)]


def test_models_scored_on_other_voxels_are_not_compared():
    with pytest.raises(SettingsError, match="same cases"):
        rank([a_score("a", 0.2), a_score("b", 0.4, {"background": 5, "organ": 3})])
    with pytest.raises(SettingsError, match="called 'a'"):
        rank([a_score("a", 0.2), a_score("a", 0.4)])
    with pytest.raises(SettingsError, match="no models"):
        rank([])


def test_ranking_does_not_change_the_scores():
    scores = [a_score("a", np.float64(0.2)), a_score("b", 0.4)]
    assert set(map(id, rank(scores))) == set(map(id, scores))
