"""A tiny source model and a few tiny cases on which a training takes a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.starts import starting_network
from TransferRiskLib.adaptation.training import TrainingPlan
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.volumes.geometry import Geometry

TINY = {
    "_target_": "monai.networks.nets.DynUNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "upsample_kernel_size": [2, 2],
    "filters": [4, 8, 8],
}
SIZE = (16, 16, 16)


def tiny_model(*labels: str, seed: int = 0) -> SourceModel:
    scheme = LabelScheme.of(*labels)
    card = ModelCard("tiny", ("T1",), scheme, patch_size=(16, 16, 16), divisible_by=4)
    config = {**TINY, "out_channels": len(scheme)}
    torch.manual_seed(seed)
    return SourceModel(card, build_network(config), config, digest="0" * 64)


def ball_case(seed: int, classes: int = 2) -> Prepared:
    """A bright ball, its upper half class 2 where there are three classes, in noise."""
    random = np.random.default_rng(seed)
    centre, radius = random.uniform(6, 10, 3), random.uniform(3, 5)
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in SIZE), indexing="ij"), -1)
    inside = np.linalg.norm(grid - centre, axis=-1) < radius
    labels = inside.astype(np.int64)
    if classes == 3:
        labels[inside & (grid[..., 2] > centre[2])] = 2
    image = 2.0 * inside + (labels == 2) + random.normal(0, 0.3, SIZE)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Prepared(
        torch.from_numpy(image).float()[None],
        torch.from_numpy(labels),
        geometry,
        geometry,
        f"ball-{seed}",
        f"subject-{seed}",
    )


def tiny_plan(folder: Path, settings: AdaptationSettings, **changes: Any) -> TrainingPlan:
    """Two balls, one model, two new labels; `changes` are fields of the plan."""
    start = starting_network(tiny_model("ball"), LabelScheme.of("top", "bottom"), settings)
    values: dict[str, Any] = dict(
        name="Training",
        folder=folder,
        network=start.network,
        head=start.head,
        probe_steps=start.probe_steps,
        cases=[TrainingCase.of(ball_case(seed, classes=3)) for seed in range(2)],
        patch=SIZE,
        settings=settings,
        device=torch.device("cpu"),
    )
    return TrainingPlan(**{**values, **changes})
