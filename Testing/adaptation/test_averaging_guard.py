"""Without validation cases: whether weights are averaged."""

from __future__ import annotations

import pytest
from tiny_training import ball_case, tiny_model

from TransferRiskLib.adaptation import adapting
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.selection import DEFAULT_WISE_SHARE
from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

TARGET = LabelScheme.of("ball")
CPU = PredictionSettings(device="cpu")
COMMON = {"augmentation": AugmentationSettings.off(), "batch_size": 2, "folds": 0, "audit": False}


@pytest.fixture(scope="module")
def informed(tmp_path_factory) -> SourceModel:
    """A tiny model that finds the ball."""
    settings = preset_settings("scratch", steps=40, learning_rate=0.02, **COMMON)
    cases = [ball_case(seed) for seed in range(4)]
    folder = tmp_path_factory.mktemp("source")
    return adapt_model(tiny_model("ball"), cases, TARGET, settings, CPU, folder, Progress()).model


@pytest.mark.parametrize(("allowed", "share"), [(2.0, DEFAULT_WISE_SHARE), (-2.0, 1.0)])
def test_an_average_that_loses_the_fit_is_not_taken(informed, tmp_path, monkeypatch, allowed, share):
    # no average loses two whole Dice, and none wins them: the limit alone decides
    monkeypatch.setattr(adapting, "LOST_FIT", allowed)
    settings = preset_settings("recommended", steps=2, **COMMON)
    adapted = adapt_model(informed, [ball_case(9)], TARGET, settings, CPU, tmp_path, Progress())
    assert adapted.normalised_score > 0.1
    assert adapted.shares.adapted == share


def test_weights_are_not_averaged_where_two_labels_start_from_one_row(informed, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "LOST_FIT", 2.0)
    settings = preset_settings("recommended", steps=2, **COMMON)
    halves = LabelScheme.of("top", "bottom")
    adapted = adapt_model(informed, [ball_case(9, classes=3)], halves, settings, CPU, tmp_path, Progress())
    assert adapted.normalised_score > 0.1
    assert adapted.shares.adapted == 1.0
