"""Tiny models and cases for the tests of prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.volumes.geometry import Geometry

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class VoxelWise(nn.Module):
    """Logits (0, x, 2x, ...) of the first channel: every voxel on its own, so windows cannot matter."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.register_buffer("factors", torch.arange(outputs, dtype=torch.float32).reshape(1, -1, 1, 1, 1))
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.shapes.append(tuple(batch.shape))
        return batch[:, :1] * self.factors


class RecordingProgress(Progress):
    """Keeps what it is told; cancels at the check with the given number."""

    def __init__(self, cancel_at: int | None = None) -> None:
        self.checks = 0
        super().__init__(lambda: cancel_at is not None and self.checks >= cancel_at)
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0
        self.warnings: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))
        self.steps = 0

    def step(self, advance: int = 1, message: str = "") -> None:
        self.steps += advance

    def message(self, text: str, level: str = "info") -> None:
        assert level == "warning"
        self.warnings.append(text)

    def check(self) -> None:
        self.checks += 1
        super().check()


def a_card(**changes) -> ModelCard:
    defaults = dict(
        name="tiny",
        channels=("T1",),
        labels=LabelScheme.of("a", "b"),
        normalisation=Normalisation("none"),
        patch_size=(8, 8, 8),
    )
    return ModelCard(**{**defaults, **changes})


def a_model(network: nn.Module | None = None, **card) -> SourceModel:
    return SourceModel(a_card(**card), network or VoxelWise())


def a_grid(size, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=IDENTITY) -> Geometry:
    return Geometry(tuple(size), tuple(spacing), tuple(origin), tuple(float(v) for v in np.ravel(direction)))


def a_case(image: np.ndarray, geometry: Geometry, labels: np.ndarray | None = None) -> LoadedCase:
    images = image if image.ndim == 4 else image[None]
    return LoadedCase(
        name="case-1",
        channels=tuple(f"channel-{c}" for c in range(len(images))),
        images=images.astype(np.float32),
        geometry=geometry,
        labels=labels,
        scheme=None if labels is None else LabelScheme.of("a", "b"),
        group="subject-1",
        source=Path("case-1.nii.gz"),
    )
