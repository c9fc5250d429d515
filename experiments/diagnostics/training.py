"""Adapted models for the diagnostics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.diagnostics.inputs import Target, split_cases
from experiments.methods import layered
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json


def adapted_model(
    source: SourceModel,
    cases: Sequence[LoadedCase],
    scheme: LabelScheme,
    settings: AdaptationSettings,
    prediction: PredictionSettings,
    work: Path,
) -> SourceModel:
    """A model adapted to cases as they are annotated; working files vanish afterwards."""
    prepared = [prepare(source.card, case) for case in cases]
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work, prefix=".training-") as scratch:
        made = adapt_model(source, prepared, scheme, settings, prediction, Path(scratch), Progress())
    return made.model


def preset(name: str, steps: int | None, learning_rate: float | None, seed: int) -> AdaptationSettings:
    """A preset under a small budget: one training, without folds and audit."""
    budget = {"steps": steps, "learning_rate": learning_rate}
    given = {key: value for key, value in budget.items() if value is not None}
    return layered({"preset": name, "folds": 0, "audit": False, "seed": seed, **given})


def write_adapted(
    source: SourceModel,
    target: Target,
    presets: Sequence[AdaptationSettings],
    k: int,
    test: int,
    prediction: PredictionSettings,
    output: Path,
) -> list[Path]:
    """Adapt with several presets to the same k cases; `output/PRESET` holds a bundle each.

    Args:
        source: The source model.
        target: Its cases that the source knows are passed over.
        presets: Their seed draws the cases, one of a subject.
        k: Annotated cases.
        test: Subjects that stay out, for the diagnostics.
        prediction: Device and sliding window.
        output: Folder.

    Raises:
        SettingsError: fewer subjects than k.
    """
    _, pool = split_cases(target.unseen(source), test)
    bundles = []
    for settings in presets:
        subjects = sorted({case.group for case in pool})
        if k > len(subjects):
            raise SettingsError(f"{len(subjects)} subjects are too few for k = {k}.")
        np.random.default_rng([settings.seed, k]).shuffle(subjects)
        chosen = [next(case for case in pool if case.group == subject) for subject in subjects[:k]]
        loaded = [target.load(case, source) for case in chosen]
        model = adapted_model(source, loaded, target.scheme, settings, prediction, output)
        bundles.append(
            save_bundle(
                output / settings.preset,
                dataclasses.replace(model.card, name=settings.preset),
                model.network,
                model.config,
                provenance={"cases": [case.name for case in chosen], "settings": to_json(settings)},
            )
        )
    return bundles
