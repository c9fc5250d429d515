"""Three labelled simulated scans and a tiny source model, made once; a ranking that says what is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from small_adaptations import CPU
from tiny_training import tiny_model

from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.simulate import TARGET_SITE, simulate_cohort
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import CohortInput, RankRequest
from TransferRiskLib.tasks.results import Lineage, RankResult

COARSE = dataclasses.replace(TARGET_SITE, spacing=(6.0, 6.0, 7.0))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Cohort:
    return simulate_cohort(tmp_path_factory.mktemp("cohort"), 3, 40, ("T1",), COARSE)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A source model of tissue with random weights: it informs about nothing, which is enough here."""
    model = tiny_model("CSF", "GM", "WM")
    card = ModelCard(
        "tiny tissue",
        ("T1",),
        model.card.labels,
        spacing=(6.0, 6.0, 6.0),
        normalisation=Normalisation("zscore", nonzero=True),
        patch_size=(16, 16, 16),
        divisible_by=4,
    )
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", card, model.network, model.config)


@pytest.fixture
def ranked(tmp_path):
    """Ranks models on cases; the result and what is known of each model by its path."""

    def run(target: CohortInput, *models: Path) -> tuple[RankResult, dict[Path, Lineage]]:
        request = RankRequest(models, target, tmp_path / "ranking", CPU, "off")
        result = rank(request, Progress())
        assert from_json(RankResult, json.loads(json.dumps(to_json(result)))) == result
        return result, {score.path: score.lineage for score in result.scores}

    return run
