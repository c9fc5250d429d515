"""Requests on few cases, and adaptations of one step: enough to have one behind a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.requests import AdaptRequest, CohortInput

CPU = PredictionSettings(device="cpu", overlap=0.0)
BRIEF = {
    "steps": 4,
    "probe_steps": 2,
    "validate_every": 2,
    "augmentation": AugmentationSettings.off(),
    "batch_size": 1,
}
"""Settings with which every part of an adaptation has its turn."""


def without_labels(cohort: Cohort) -> Cohort:
    """The scans of a cohort."""
    return Cohort(tuple(dataclasses.replace(case, labels=None) for case in cohort.cases))


def part(cohort: Cohort, *numbers: int, prefix: str = "") -> CohortInput:
    """Some cases of a cohort, renamed."""
    cases = (cohort.cases[number] for number in numbers)
    renamed = tuple(dataclasses.replace(case, name=prefix + case.name) for case in cases)
    return CohortInput(dataclasses.replace(cohort, cases=renamed))


def trained(source: Path, target: CohortInput, output: Path, seed: int = 1, **settings: object) -> Path:
    """The bundle of a model that was adapted in a new folder, with the record of the run beside it."""
    chosen = preset_settings(
        "plain", steps=1, batch_size=1, augmentation=AugmentationSettings.off(), seed=seed, **settings
    )
    return adapt(AdaptRequest(source, target, output, chosen, CPU, output.name), Progress()).bundle
