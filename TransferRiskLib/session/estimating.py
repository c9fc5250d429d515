"""How long an adaptation will take and how much memory it will need, before it starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.errors import ModelError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.inference.windows import window_count
from TransferRiskLib.models.bundle_configs import read_bundle_config
from TransferRiskLib.models.bundle_weights import weights_file
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.session.workload import workload
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.resample import canonical_grid
from TransferRiskLib.wording import wording

_ = wording(__name__)

_TYPICAL_BYTES = 120e6
_ASSUMED = {
    "cuda": Speed("cuda", 1e-7, 3e-8, 3e-8, 2400.0),
    "mps": Speed("mps", 1e-6, 3e-7, 3e-8, 2400.0),
    "cpu": Speed("cpu", 1.2e-5, 4e-6, 3e-8, 2400.0),
}
"""What a network of `_TYPICAL_BYTES` (a U-Net with 32 channels at full resolution) is assumed to cost."""
_BYTES_A_CASE_VOXEL = 40.0
"""Image, labels, weights and probabilities of a case in main memory."""
_FIXED_SECONDS = 5.0
"""Reading the cases, statistics and maps, saving the model."""
_LARGEST_CORRECTION = 4.0
"""A run that took longer still was held up by something else, a computer that slept for instance."""
_MEASURED_SPREAD = (0.7, 1.5)
_ASSUMED_SPREAD = (0.25, 4.0)
"""Factors from the estimate to the ends of its range."""


@dataclass(frozen=True)
class Estimate:
    """What is to be expected before the start.

    Attributes:
        seconds: Of the whole adaptation.
        low, high: The range of these seconds that is shown.
        bytes: Memory of the training, on the GPU where there is one.
        trainings: How often a network is trained (folds, audit, the final one).
        steps: Of each training.
        measured: Whether the speed was measured on this computer rather than assumed.
        speed: That speed.
    """

    seconds: float
    low: float
    high: float
    bytes: float
    trainings: int
    steps: int
    measured: bool
    speed: Speed

    @property
    def sentence(self) -> str:
        """The estimate in words, with its range and what it stands on."""
        about = _("{low} to {high} on {device}, with {memory} GB of memory.").format(
            low=duration(self.low), high=duration(self.high), device=self.speed.device,
            memory=f"{self.bytes / 1e9:.1f}",
        )  # fmt: skip
        many = _("{number} trainings of {steps} steps.")
        work = _("One training of {steps} steps.") if self.trainings == 1 else many
        basis = _("Measured on this computer.") if self.measured else _("A guess: Measure tells more.")
        return " ".join((about, work.format(number=self.trainings, steps=self.steps), basis))

    def speed_after(self, seconds: float) -> Speed:
        """The speed that would have made the estimate right.

        Args:
            seconds: What the adaptation took.
        """
        factor = max(0.0, seconds - _FIXED_SECONDS) / (self.seconds - _FIXED_SECONDS)
        factor = min(_LARGEST_CORRECTION, max(1 / _LARGEST_CORRECTION, factor))
        speed = self.speed
        return dataclasses.replace(
            speed, step=speed.step * factor, window=speed.window * factor, scoring=speed.scoring * factor
        )


def estimate(
    settings: AdaptationSettings,
    prediction: PredictionSettings,
    card: ModelCard,
    model: Path,
    grids: Sequence[Geometry],
    patients: int,
    new_labels: bool,
    speed: Speed | None,
    device: str,
) -> Estimate:
    """Time and memory of an adaptation.

    Args:
        settings: What is asked for.
        prediction: How cases are predicted.
        card: The source model's.
        model: Where it lies; the size of its weights stands for the size of the network.
        grids: Of the training cases.
        patients: Whose cases they are.
        new_labels: Whether a label is new to the model, so that a new output layer is trained first.
        speed: What was measured with this model on this computer; None guesses.
        device: `cuda`, `mps` or `cpu`, for a guess.
    """
    work = workload(settings, len(grids), patients, new_labels)
    weights = weights_bytes(model)
    pace = speed or _assumed(device, weights)
    patch = math.prod(settings.patch_size or card.patch_size) * settings.batch_size
    window, looked_at, scored = math.prod(card.patch_size), 0.0, 0.0
    for grid in grids:
        size = canonical_grid(grid, card.spacing, card.orientation).size
        looked_at += window_count(size, card.patch_size, prediction.overlap) * window / len(grids)
        scored += math.prod(size) / len(grids)
    passes = 8 if prediction.mirror else 1
    seconds = (
        work.steps * patch * pace.step
        + work.predictions * passes * looked_at * pace.window
        + work.scorings * scored * pace.scoring
        + _FIXED_SECONDS
    )
    memory = patch * pace.memory + 4 * weights  # weights, gradients, and two averages of AdamW
    if pace.device == "cpu":
        memory += sum(math.prod(grid.size) for grid in grids) * len(card.channels) * _BYTES_A_CASE_VOXEL
    low, high = _MEASURED_SPREAD if speed is not None else _ASSUMED_SPREAD
    return Estimate(
        seconds, low * seconds, high * seconds, memory, work.trainings, settings.steps + work.probe_steps,
        speed is not None, pace,
    )  # fmt: skip


def weights_bytes(model: Path) -> float:
    """Size of a model's weights in its file."""
    try:
        path = weights_file(model, read_bundle_config(model)[0]) if model.is_dir() else model
        return float(path.stat().st_size) if path.is_file() else _TYPICAL_BYTES
    except (ModelError, OSError):  # said where the model is opened
        return _TYPICAL_BYTES


def duration(seconds: float) -> str:
    """A time in words, as coarse as an estimate deserves."""
    if seconds < 90:
        number = max(1, round(seconds) if seconds < 10 else round(seconds / 10) * 10)
        return _("{number} s").format(number=number)
    if seconds < 5400:
        return _("{number} min").format(number=round(seconds / 60))
    return _("{number} h").format(number=f"{seconds / 3600:.1f}")


def _assumed(device: str, weights: float) -> Speed:
    """Cost grows slower than the number of weights: most of them work at coarse resolution."""
    scale = math.sqrt(max(weights, 1e4) / _TYPICAL_BYTES)
    typical = _ASSUMED.get(device, _ASSUMED["cpu"])
    memory = typical.memory * min(1.0, 2 * scale)
    return Speed(typical.device, typical.step * scale, typical.window * scale, typical.scoring, memory)
