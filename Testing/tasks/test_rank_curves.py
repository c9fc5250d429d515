"""Ranking a source of another contrast, through intensity curves and without."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bright_source import bright_model, clouded, dark
from tiny_training import ball_case

from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cli.rank import COMMAND
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import Normalisation
from TransferRiskLib.models.card_files import EXTRA_FILE, card_to_json
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import CohortInput, RankRequest
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

CPU = PredictionSettings(device="cpu", overlap=0.0)
SCHEME = LabelScheme.of("ball")


@pytest.fixture
def sources(tmp_path) -> tuple[Path, Path]:
    """A network that looks for bright things, and one that says the same everywhere."""
    paths = []
    for name, factor in (("bright", 1.0), ("blind", 0.0)):
        model = bright_model(Normalisation("none"))
        card = dataclasses.replace(model.card, name=name)
        model.network.weight.data *= factor
        example = torch.zeros(1, 1, *card.patch_size)
        path = tmp_path / f"{name}.ts"
        extras = {EXTRA_FILE: json.dumps(card_to_json(card))}
        torch.jit.save(torch.jit.trace(model.network, example), str(path), _extra_files=extras)
        paths.append(path)
    return paths[0], paths[1]


def cohort(folder: Path, cases) -> CohortInput:
    found = []
    for case in cases:
        image, labels = folder / f"{case.name}.nii.gz", folder / f"{case.name}-labels.nii.gz"
        for path, values, kind in ((image, case.image[0], np.float32), (labels, case.labels, np.uint8)):
            write_volume(Volume(values.numpy().astype(kind).transpose(2, 1, 0), case.native), path)
        found.append(Case(case.name, {"T1": ChannelFile(image)}, labels))
    return CohortInput(Cohort(tuple(found), SCHEME))


def test_a_source_of_another_contrast_is_ranked_by_what_curves_make_of_it(sources, tmp_path):
    target = cohort(tmp_path, [dark(ball_case(n)) for n in (1, 2)])
    with_curves = rank(RankRequest(sources, target, tmp_path / "auto", CPU), Progress())
    plain = rank(RankRequest(sources, target, tmp_path / "off", CPU, "off"), Progress())
    best, blind = with_curves.scores
    before = {score.model: score for score in plain.scores}
    assert best.model == "bright" and best.normalised > 0.7
    assert best.without_curves == pytest.approx(before["bright"].normalised) and best.without_curves < 0.4
    assert blind.without_curves is None and blind.normalised == pytest.approx(0.0, abs=1e-6)
    assert all(score.without_curves is None for score in plain.scores)
    with with_curves.table.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["normalised"]) for row in rows] == [best.normalised, blind.normalised]
    assert float(rows[0]["normalised_without_curves"]) == best.without_curves
    assert rows[1]["normalised_without_curves"] == ""
    shown = COMMAND.show(with_curves)
    assert "without curves" in shown[0] and f"{best.without_curves:.3f}" in shown[1]
    assert "without curves" not in COMMAND.show(plain)[0]


def test_a_source_that_knows_the_contrast_is_scored_as_it_is(sources, tmp_path):
    target = cohort(tmp_path, [ball_case(n) for n in (1, 2)])
    result = rank(RankRequest(sources[:1], target, tmp_path / "out", CPU), Progress())
    assert result.scores[0].normalised > 0.4 and result.scores[0].without_curves is None


def test_curves_under_which_no_foreground_is_found_do_not_count(sources, tmp_path):
    target = cohort(tmp_path, [clouded(dark(ball_case(n))) for n in (1, 2)])
    with_curves = rank(RankRequest(sources[:1], target, tmp_path / "auto", CPU), Progress())
    plain = rank(RankRequest(sources[:1], target, tmp_path / "off", CPU, "off"), Progress())
    assert with_curves.scores == plain.scores and with_curves.scores[0].without_curves is None
