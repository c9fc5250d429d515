"""What the maps give to the cases of a training: voxel weights, risk to sample by, an anchor to hold to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from TransferRiskLib.adaptation.evidence import Evidence
from TransferRiskLib.adaptation.grounds import Ground
from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.weights import voxel_weights
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress


def weighted_cases(ground: Ground, train: Sequence[int], settings: AdaptationSettings) -> list[TrainingCase]:
    """The training cases with what the source's maps give them at the start.

    Args:
        ground: Cases and evidence.
        train: Indices of the cases that train; the statistics are theirs.
        settings: Say which maps are needed; from scratch none is.
    """
    cases = [TrainingCase.of(ground.cases[n]) for n in train]
    if settings.scheme == "scratch":
        return cases
    weights = settings.weights != "none" and not settings.uniform_start
    if not (weights or settings.sampling == "risk" or settings.eep_anchor > 0):
        return cases
    statistics = ground.evidence.statistics(train)
    for case, n in zip(cases, train, strict=True):
        risk, gain = ground.evidence.maps(n, statistics)
        _weigh(case, risk, gain, settings, weights)
        if settings.eep_anchor > 0:
            case.anchor = ground.evidence.eep(n, statistics) * (gain > 0)
    return cases


def reweighted_cases(
    current: SourceModel,
    ground: Ground,
    train: Sequence[int],
    cases: Sequence[TrainingCase],
    settings: AdaptationSettings,
    prediction: PredictionSettings,
    scratch: Path,
    progress: Progress,
) -> list[TrainingCase]:
    """The training cases with weights from the model in training itself (self-paced).

    Args:
        current: The model as it is now.
        ground: Cases.
        train: Indices of the cases that train.
        cases: Those cases with their weights until now.
        settings: Of the weights.
        prediction: Device and sliding window.
        scratch: Folder for the model's states, emptied before and after.
        progress: Asked for cancel, told what runs short.
    """
    _clear(scratch)
    prepared = [ground.cases[n] for n in train]
    evidence = Evidence(current, prepared, current.card.labels.names, scratch, prediction, progress)
    statistics = evidence.statistics(range(len(train)))
    fresh = []
    for n, case in enumerate(cases):
        changed = dataclasses.replace(case)
        _weigh(changed, *evidence.maps(n, statistics), settings, True)
        fresh.append(changed)
    _clear(scratch)
    return fresh


def _weigh(
    case: TrainingCase, risk: torch.Tensor, gain: torch.Tensor, settings: AdaptationSettings, weights: bool
) -> None:
    s = settings
    if weights:
        case.weights = voxel_weights(
            s.weights, risk, gain, case.labels, s.weight_strength, s.map_control, s.seed
        )
    if s.sampling == "risk":
        case.risk = risk


def _clear(folder: Path) -> None:
    for file in folder.glob("*.npy"):
        file.unlink()
