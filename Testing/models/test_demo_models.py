"""The source models that ship with the package do what their cards say, on subjects they never saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.cases.simulate import SOURCE_SITE, simulate_case
from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model

HELD_OUT_SEED = 910_000


def dice_at_home(name, contrast, site=SOURCE_SITE):
    """Dice of every label of a demo model on a held-out subject of the source site."""
    model = open_model(demo_models()[name])
    case = simulate_case(HELD_OUT_SEED, (contrast,), site)
    loaded = LoadedCase(
        name=case.name,
        channels=(contrast,),
        images=case.images[contrast][None],
        geometry=case.geometry,
        labels=case.labels,
        scheme=case.scheme,
        group=case.name,
        source=Path(case.name),
    )
    states = predict_states(model, loaded, PredictionSettings(device="cpu", overlap=0.25))
    found = states.argmax(axis=0)
    scores = {}
    for index, label in enumerate(model.card.labels.foreground, start=1):
        ours, theirs = found == index, case.labels == case.scheme.index(label.name)
        scores[label.name] = 2 * np.sum(ours & theirs) / (ours.sum() + theirs.sum())
    return scores


def test_tissue_model_finds_tissues():
    scores = dice_at_home("tissue-t1w", "T1")
    assert set(scores) == {"CSF", "GM", "WM"}
    # trained on images prepared otherwise, it stays below
    assert scores["CSF"] > 0.68
    assert scores["GM"] > 0.8
    assert scores["WM"] > 0.865


def test_lesion_model_finds_lesions():
    scores = dice_at_home("lesion-flair", "FLAIR")
    assert set(scores) == {"lesion"}
    assert scores["lesion"] > 0.6


@pytest.mark.parametrize("name", sorted(demo_models()))
def test_monai_writes_the_results_of_two_cases_into_two_folders(name):
    config = json.loads((demo_models()[name] / "configs" / "inference.json").read_text())
    saving = next(t for t in config["postprocessing"]["transforms"] if t["_target_"] == "SaveImaged")
    assert saving["data_root_dir"] == "@dataset_dir"


@pytest.mark.parametrize("name", sorted(demo_models()))
def test_demo_models_are_small_and_say_that_they_saw_simulations_only(name):
    folder = demo_models()[name]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert size < 3_000_000
    card = open_model(folder).card
    assert card.name == name
    assert len(card.channels) == 1
    assert card.licence == "Apache-2.0"
    assert "simulated" in card.description
