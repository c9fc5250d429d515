"""Source models, trained from scratch once an experiment."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

from experiments.claims import Claims
from experiments.config import ScenarioSpec
from experiments.methods import layered
from experiments.networks import plan_network
from experiments.splits import Fold
from experiments.store import load
from experiments.study import Study
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress


class Busy(Exception):
    """Another process is at work on what is needed."""


def is_trained(folder: Path) -> bool:
    """Whether a source is there."""
    return (folder / "bundle" / "configs" / "card.json").is_file()


def source_model(
    study: Study, scenario: ScenarioSpec, fold: Fold, claims: Claims, progress: Progress
) -> SourceModel:
    """The source of a fold; it is trained where it is not there yet, or half.

    Raises:
        Busy: another process trains it.
        Cancelled, DivergedError, DeviceError: see `adapt_model`.
    """
    folder = study.source_folder(scenario, fold)
    if not is_trained(folder):
        with claims.claimed(f"source-{folder.name}") as ours:
            if not ours:
                raise Busy
            if not is_trained(folder):  # it may have been finished a moment ago
                _train(study, scenario, fold, folder, progress)
    return open_model(folder / "bundle")


def blank_model(study: Study, scenario: ScenarioSpec) -> SourceModel:
    """The untrained network of a scenario's source with its card."""
    spec, labels = study.source_of(scenario), study.source_scheme(study.source_of(scenario))
    definition, divisible_by = plan_network(
        spec.network, spec.patch, spec.spacing, len(spec.channels), len(labels)
    )
    card = ModelCard(
        scenario.source,
        spec.channels,
        labels,
        spacing=spec.spacing,
        normalisation=Normalisation("zscore", nonzero=True),
        patch_size=spec.patch,
        divisible_by=divisible_by,
        architecture=str(definition["_target_"]).rpartition(".")[2],
        description=f"Trained from scratch on {study.cohort(spec.cohort).cohort.name}.",
        contrasts=spec.channels,
    )
    return SourceModel(card, build_network(definition), definition)


def _train(study: Study, scenario: ScenarioSpec, fold: Fold, folder: Path, progress: Progress) -> None:
    spec = study.source_of(scenario)
    cohort = study.cohort(spec.cohort)
    blank = blank_model(study, scenario)
    cases = study.source_cases(scenario, fold)
    prepared = [
        prepare(blank.card, load(cohort, case, spec.channels, spec.channels, spec.merge)) for case in cases
    ]
    settings = layered({"preset": "scratch"}, spec.settings)
    started = time.monotonic()
    progress.message(f"training the source {folder.name} on {len(cases)} cases")
    adapted = adapt_model(
        blank,
        prepared,
        blank.card.labels,
        settings,
        study.prediction,
        folder / "work",
        progress,
        scenario.source,
    )
    save_bundle(
        folder / "bundle",
        dataclasses.replace(adapted.model.card, description=blank.card.description),
        adapted.model.network,
        adapted.model.config,
        provenance={
            "cases": [case.name for case in cases],
            "settings": dataclasses.asdict(settings),
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    shutil.rmtree(folder / "work", ignore_errors=True)
