"""A network that knows bright balls, and scans with dark ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from tiny_training import SIZE
from torch import nn

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.source_model import SourceModel


class Bright(nn.Module):
    """Foreground where the image is bright: P(1|x) = sigmoid(8 (x - 1))."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(8.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(image), self.weight * (image - 1)], 1)


def bright_model(normalisation: Normalisation | None = None) -> SourceModel:
    scheme, how = LabelScheme.of("ball"), normalisation or Normalisation()
    return SourceModel(ModelCard("bright", ("T1",), scheme, normalisation=how, patch_size=SIZE), Bright())


def dark(case: Prepared) -> Prepared:
    """The ball in the middle of the range, what is around it at either end: no state of `Bright` is its."""
    random = np.random.default_rng(0)
    around = 1.5 * (-1.0) ** random.integers(0, 2, SIZE)
    image = np.where(case.labels.numpy() > 0, 0.0, around) + random.normal(0, 0.05, SIZE)
    return dataclasses.replace(case, image=torch.from_numpy(image).float()[None])


def clouded(case: Prepared) -> Prepared:
    """The same dark scan with a sixth of what is around the ball as dark as it: of the voxels that look like
    the ball, most are not in it."""
    random = np.random.default_rng(1)
    cloud = (case.labels.numpy() == 0) & (random.random(SIZE) < 1 / 6)
    image = np.where(cloud, random.normal(0, 0.05, SIZE), case.image[0].numpy())
    return dataclasses.replace(case, image=torch.from_numpy(image).float()[None])
