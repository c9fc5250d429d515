"""How long an adaptation will take and how much memory it will need: roughly, before it starts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from TransferRiskLib.adaptation.folds import LEAVE_ONE_OUT_UP_TO
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.session.desk import Settings

_ASSUMED = {"cuda": 1e-7, "mps": 1e-6, "cpu": 1.2e-5}
"""Seconds a patch voxel and training step of a network of `_TYPICAL_BYTES`, by device."""
_TYPICAL_BYTES = 120e6
_BYTES_A_VOXEL = 2400.0
"""Activations kept for the backward pass, of a full-size U-Net (32 channels at full resolution)."""
_BYTES_A_CASE_VOXEL = 40.0
"""Image, labels, weights and probabilities of a case in main memory."""
_OVERHEAD = 1.3
"""Validation, checkpoints, asking the source model."""


@dataclass(frozen=True)
class Estimate:
    """A rough guess before the start.

    Attributes:
        seconds: Of the whole adaptation.
        bytes: Memory of the training, on the GPU where there is one.
        trainings: How often a network is trained (folds, audit, the final one).
        steps: Of each training.
        measured: Whether the speed was measured in an earlier run rather than assumed.
        device: What the guess is for: `cuda`, `mps` or `cpu`.
    """

    seconds: float
    bytes: float
    trainings: int
    steps: int
    measured: bool
    device: str

    @property
    def sentence(self) -> str:
        """The estimate in words, saying that it is rough."""
        basis = "from the speed of an earlier run" if self.measured else "a guess: nothing was measured yet"
        many = "1 training" if self.trainings == 1 else f"{self.trainings} trainings"
        return (
            f"Roughly {duration(self.seconds)} on {self.device} and {self.bytes / 1e9:.1f} GB of memory, "
            f"for {many} of {self.steps} steps ({basis})."
        )


def estimate(
    settings: AdaptationSettings,
    card: ModelCard,
    model: Path,
    subjects: int,
    voxels: int,
    device: str,
    store: Settings,
) -> Estimate:
    """Time and memory of an adaptation.

    Args:
        settings: What is asked for.
        card: The source model's.
        model: Where it lies; the size of its weights stands for the size of the network.
        subjects: Training cases.
        voxels: Of all training cases, all channels.
        device: `cuda`, `mps` or `cpu`.
        store: Holds speeds that were measured.
    """
    trainings = count_trainings(settings, subjects)
    steps = settings.steps + (settings.probe_steps if settings.head in ("auto", "probe") else 0)
    patch = math.prod(settings.patch_size or card.patch_size) * settings.batch_size
    weights = weights_bytes(model)
    pace = measured_speed(store, model, device)
    # Cost grows slower than the number of weights: most of them work at coarse resolution.
    scale = math.sqrt(max(weights, 1e4) / _TYPICAL_BYTES)
    assumed = _ASSUMED.get(device, _ASSUMED["cpu"]) * scale
    seconds = trainings * steps * patch * (pace or assumed) * _OVERHEAD
    memory = patch * _BYTES_A_VOXEL * min(1.0, scale * 2) + 4 * weights
    if device == "cpu":
        memory += voxels * _BYTES_A_CASE_VOXEL
    return Estimate(seconds, memory, trainings, steps, pace is not None, device)


def count_trainings(settings: AdaptationSettings, subjects: int) -> int:
    """How often a network is trained: every fold, every fold again for the audit, and the final one."""
    folds = min(subjects, LEAVE_ONE_OUT_UP_TO if settings.folds is None else settings.folds)
    if folds < 2:
        return 1
    return folds * (2 if settings.audit else 1) + 1


def remember_speed(store: Settings, model: Path, device: str, seconds_a_voxel: float) -> None:
    """Keep a measured speed for the next estimate."""
    speeds = _speeds(store)
    speeds[_key(model, device)] = seconds_a_voxel
    store.set("TrainingSpeed", json.dumps(speeds))


def measured_speed(store: Settings, model: Path, device: str) -> float | None:
    """Seconds a patch voxel and step, measured with this model on such a device; None when unknown."""
    return _speeds(store).get(_key(model, device))


def weights_bytes(model: Path) -> float:
    """Size of a model's weights in its file."""
    path = model / "models" / "model.pt" if model.is_dir() else model
    if model.is_dir() and not path.is_file():
        path = model / "models" / "model.ts"
    return float(path.stat().st_size) if path.is_file() else _TYPICAL_BYTES


def duration(seconds: float) -> str:
    """A time in words, as coarse as a guess deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds / 10) * 10) if seconds >= 10 else max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


def _key(model: Path, device: str) -> str:
    return f"{device} {weights_bytes(model):.0f}"


def _speeds(store: Settings) -> dict[str, float]:
    try:
        value = json.loads(store.get("TrainingSpeed") or "{}")
    except ValueError:
        return {}
    found = value.items() if isinstance(value, dict) else ()
    return {str(key): float(pace) for key, pace in found if isinstance(pace, (int, float)) and pace > 0}
