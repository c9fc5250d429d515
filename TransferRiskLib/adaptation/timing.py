"""How fast this computer trains and predicts with a model: a few real steps on made-up patches."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import torch

from TransferRiskLib.adaptation.augmentation import mirrored_axes
from TransferRiskLib.adaptation.packaging import adapted_card
from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.adaptation.selection import Shares, validation_scores
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.adaptation.starts import starting_network
from TransferRiskLib.adaptation.training import Trainer, TrainingPlan
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import Cancelled
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

Size = tuple[int, int, int]

BUDGET_SECONDS = 1.5
"""A larger patch is only timed when that is expected to end within this time."""
STEPS = 12
TRANSIENT = 1.25
"""Activations at the peak of a step over those that are kept for the way back."""


def measure_speed(
    source: SourceModel,
    target: LabelScheme,
    settings: AdaptationSettings,
    prediction: PredictionSettings,
    folder: Path,
    progress: Progress,
) -> Speed:
    """Time training steps, a prediction and its scoring, on the device and patch of an adaptation.

    Patches grow from a small one to the wanted one as long as the time allows; what is not reached is
    extrapolated from the last two sizes. The first step of every size is a warm-up and does not count.

    Args:
        source: The source model.
        target: The labels to segment.
        settings: Of the adaptation: network, patch, batch, augmentation and loss count.
        prediction: Device and precision.
        folder: Scratch folder.
        progress: Asked for cancel.

    Raises:
        SettingsError: settings that the source cannot follow. DeviceError: the device is not there, or
            has not enough memory for a small patch.
    """
    bench = _Bench(source, target, settings, prediction, folder, progress)
    memory = bench.held_bytes()  # also what is slow for the first time only
    began = time.perf_counter()
    taken: list[tuple[int, float]] = []
    for size in bench.sizes:
        left = BUDGET_SECONDS - (time.perf_counter() - began)
        # A step that has to be warmed up first costs two.
        if taken and 2 * _extrapolated(taken, bench.voxels(size)) > left:
            break
        taken.append((bench.voxels(size), bench.step_seconds(size, left)))
    whole = bench.voxels(bench.patch)
    step = _extrapolated(taken, whole) / whole
    # A prediction takes about a third of a step.
    quick = step * math.prod(bench.card.patch_size) < BUDGET_SECONDS
    window, scoring = bench.window_and_scoring_seconds(bench.card.patch_size if quick else bench.sizes[0])
    return Speed(bench.device.type, step, window, scoring, memory)


class _Bench:
    def __init__(
        self,
        source: SourceModel,
        target: LabelScheme,
        settings: AdaptationSettings,
        prediction: PredictionSettings,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.device = resolve_device(prediction.device)
        self.card = adapted_card(source.card, target)
        self.patch = settings.patch_size or source.card.patch_size
        self.sizes = _growing(self.patch, source.card.divisible_by)
        self._start = starting_network(source, target, settings)
        axes = mirrored_axes(settings.augmentation, source.card.orientation, target)
        self._settings = dataclasses.replace(
            settings, steps=10**6, validate_every=10**6, checkpoint_seconds=math.inf, weight_refresh=(),
            augmentation=dataclasses.replace(settings.augmentation, mirror_axes=axes),
        )  # fmt: skip
        self._prediction, self._folder, self._progress = prediction, folder, progress

    def voxels(self, size: Size) -> int:
        """Of the patches of one step."""
        return math.prod(size) * self._settings.batch_size

    def step_seconds(self, size: Size, seconds: float) -> float:
        """Mean time of a step after the first, of as many as fit into `seconds` (at least one)."""
        clock = _Clock(self._progress, seconds)
        self._train(size, clock, STEPS)
        taken = [after - before for before, after in zip(clock.marks, clock.marks[1:], strict=False)]
        return sum(taken[1:]) / len(taken[1:])

    def window_and_scoring_seconds(self, size: Size) -> tuple[float, float]:
        """Seconds a voxel of predicting a window, and of scoring it."""
        most = self.card.patch_size
        window = (min(size[0], most[0]), min(size[1], most[1]), min(size[2], most[2]))
        card = dataclasses.replace(self.card, patch_size=window)
        self._start.network.load_state_dict(self._start.before)  # what training on noise may have spoilt
        model, image = SourceModel(card, self._start.network), self._image(window)
        taken = []
        for _ in range(2):  # the first is a warm-up
            began = time.perf_counter()
            predict_on_grid(model, image, self._prediction)
            taken.append(time.perf_counter() - began)
        labels = self._labels(window)
        certain = torch.nn.functional.one_hot(labels, len(card.labels)).movedim(-1, 0).float()
        began = time.perf_counter()
        validation_scores(certain, None, labels, [Shares()])
        voxels = math.prod(window)
        return taken[-1] / voxels, (time.perf_counter() - began) / voxels

    def held_bytes(self) -> float:
        """Bytes a voxel that one step of the smallest patch holds for the way back."""
        weights = {p.untyped_storage().data_ptr() for p in self._start.network.parameters()}
        held: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                held[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self._train(self.sizes[0], _Clock(self._progress, math.inf), 1)
        return TRANSIENT * sum(held.values()) / self.voxels(self.sizes[0])

    def _train(self, size: Size, progress: Progress, steps: int) -> None:
        folder = self._folder / f"bench-{len(list(self._folder.iterdir()))}"
        self._start.network.load_state_dict(self._start.before)
        labels = self._labels(size)
        case = TrainingCase("bench", self._image(size), labels, torch.ones(size))
        plan = TrainingPlan(
            "Timing", folder, self._start.network, self._start.head, 0, [case], size, self._settings,
            self.device, self._prediction.mixed_precision, stop_at=steps,
        )  # fmt: skip
        try:
            Trainer(plan, progress).train()
        except Cancelled:
            self._progress.check()  # the user's, or only the end of the time

    def _image(self, size: Size) -> torch.Tensor:
        return torch.randn(len(self.card.channels), *size, generator=torch.Generator().manual_seed(0))

    def _labels(self, size: Size) -> torch.Tensor:
        """All classes, side by side."""
        row = torch.arange(size[0]) * len(self.card.labels) // size[0]
        return row[:, None, None].expand(size).contiguous()


class _Clock(Progress):
    """Notes when each step ended, and stops the training when the time is over."""

    def __init__(self, whole: Progress, seconds: float) -> None:
        super().__init__()
        self._whole, self._seconds = whole, seconds
        self.marks: list[float] = []

    def step(self, advance: int = 1, message: str = "") -> None:
        self.marks.append(time.perf_counter())

    def check(self) -> None:
        self._whole.check()
        if len(self.marks) > 2 and self.marks[-1] - self.marks[0] > self._seconds:
            raise Cancelled("The time for measuring is over.")


def _growing(patch: Size, divisor: int) -> list[Size]:
    """Patches of about a quarter and half of each side, then the whole one; none twice."""
    sizes: list[Any] = []
    for part in (4, 2, 1):
        size = tuple(min(p, max(2 * divisor, p // part // divisor * divisor)) for p in patch)
        if size not in sizes:
            sizes.append(size)
    return sizes


def _extrapolated(taken: list[tuple[int, float]], voxels: int) -> float:
    """Seconds of a step with so many voxels: along the line through the last two sizes."""
    last, seconds = taken[-1]
    if len(taken) == 1:
        return seconds * voxels / last
    before, earlier = taken[-2]
    slope = max(0.0, (seconds - earlier) / (last - before))
    return seconds + slope * (voxels - last)
