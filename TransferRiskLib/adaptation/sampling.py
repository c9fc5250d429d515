"""Training patches of a few cases, drawn repeatably."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.inference.prepare import Prepared

CANDIDATES = 50_000
"""Centres kept for each class of a case: enough to cover it, small beside the image itself."""


@dataclass
class TrainingCase:
    """A prepared case as training needs it.

    Attributes:
        image: (C, X, Y, Z) float32.
        labels: (X, Y, Z) int64, -1 where unlabelled.
        weights: (X, Y, Z) float32.
        risk: (X, Y, Z) float32 nats, NaN where unlabelled, or None when nothing is drawn by it.
        anchor: (Y, X, Y, Z) float32, what the network is held to: the EEP where it is to be trusted,
            zero elsewhere; or None.
    """

    name: str
    image: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    risk: torch.Tensor | None = None
    anchor: torch.Tensor | None = None

    @classmethod
    def of(cls, prepared: Prepared) -> TrainingCase:
        """A case with uniform weights."""
        if prepared.labels is None:
            raise ValueError(f"{prepared.name} has no labels to train on")
        labels = prepared.labels.to(torch.int64)
        return cls(prepared.name, prepared.image, labels, (labels >= 0).to(torch.float32))

    @property
    def foreground_ratio(self) -> float:
        """Labelled voxels over labelled foreground voxels of the whole case."""
        foreground = int((self.labels > 0).sum())
        return float((self.labels >= 0).sum()) / max(foreground, 1)


@dataclass(frozen=True)
class Batch:
    """Patches as `AdaptationLoss` takes them: image (B, C, ...), labels and weights (B, ...), ratio (B,),
    anchor (B, Y, ...) or None."""

    image: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    ratio: torch.Tensor
    anchor: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(*(part if part is None else part.to(device) for part in self._parts()))  # type: ignore[arg-type]

    def split(self, patches: int) -> list[Batch]:
        """Views of so many patches each, the last one of what is left."""
        starts = range(0, len(self.image), patches)
        return [
            Batch(*(part if part is None else part[n : n + patches] for part in self._parts()))  # type: ignore[arg-type]
            for n in starts
        ]

    def _parts(self) -> tuple[torch.Tensor | None, ...]:
        return (self.image, self.labels, self.weights, self.ratio, self.anchor)


class PatchSampler:
    """Draws patches; the same generator state always gives the same patches.

    Args:
        cases: At least one.
        patch: Patch size along X, Y, Z; smaller cases are padded with unlabelled zeros.
        mode: `uniform`: any labelled voxel is the centre. `balanced`: first a class that the case
            holds, then one of its voxels. `risk`: voxels in proportion to their risk.
    """

    def __init__(
        self,
        cases: list[TrainingCase],
        patch: tuple[int, int, int],
        mode: Literal["uniform", "balanced", "risk"],
    ) -> None:
        self.patch = patch
        self.mode = mode
        self.cases = [_padded(case, patch) for case in cases]
        self.ratios = [case.foreground_ratio for case in cases]
        self._centres = [_centres(case, mode) for case in self.cases]

    def draw(self, random: np.random.Generator, count: int) -> Batch:
        """`count` patches."""
        images, labels, weights, ratios, anchors = [], [], [], [], []
        for _ in range(count):
            index = int(random.integers(len(self.cases)))
            case = self.cases[index]
            window = self._window(index, random)
            x, y, z = window
            images.append(case.image[:, x, y, z])
            labels.append(case.labels[window])
            weights.append(case.weights[window])
            ratios.append(self.ratios[index])
            if case.anchor is not None:
                anchors.append(case.anchor[:, x, y, z])
        return Batch(
            torch.stack(images),
            torch.stack(labels),
            torch.stack(weights),
            torch.tensor(ratios),
            torch.stack(anchors) if anchors else None,
        )

    def _window(self, index: int, random: np.random.Generator) -> tuple[slice, ...]:
        case, groups = self.cases[index], self._centres[index]
        group = groups[int(random.integers(len(groups)))]
        flat = int(group[int(random.integers(len(group)))])
        centre = np.unravel_index(flat, case.labels.shape)
        starts = [
            int(np.clip(c - p // 2, 0, s - p))
            for c, p, s in zip(centre, self.patch, case.labels.shape, strict=True)
        ]
        return tuple(slice(start, start + p) for start, p in zip(starts, self.patch, strict=True))


def _padded(case: TrainingCase, patch: tuple[int, int, int]) -> TrainingCase:
    missing = [max(0, p - s) for p, s in zip(patch, case.labels.shape, strict=True)]
    if not any(missing):
        return case
    pads: list[int] = []
    for lack in reversed(missing):
        pads += [lack // 2, lack - lack // 2]
    return TrainingCase(
        case.name,
        functional.pad(case.image, pads),
        functional.pad(case.labels, pads, value=UNLABELLED),
        functional.pad(case.weights, pads),
        None if case.risk is None else functional.pad(case.risk, pads, value=float("nan")),
        None if case.anchor is None else functional.pad(case.anchor, pads),
    )


def _centres(case: TrainingCase, mode: str) -> list[torch.Tensor]:
    """Groups of flat indices; a patch picks a group, then an index, both uniformly."""
    labels = case.labels.flatten()
    random = np.random.default_rng(0)  # thinning must not depend on how often it is done
    if mode == "balanced":
        groups = [torch.nonzero(labels == c).flatten() for c in torch.unique(labels[labels >= 0]).tolist()]
        return [_thinned(group, random) for group in groups]
    everywhere = torch.nonzero(labels >= 0).flatten()
    if mode == "risk" and case.risk is not None:
        risk = case.risk.flatten()[everywhere].to(torch.float64).clamp_min(0)
        if float(risk.sum()) > 0:
            cumulative = torch.cumsum(risk, 0).numpy()
            # systematic sampling: an index appears in proportion to its risk
            marks = (np.arange(CANDIDATES) + 0.5) / CANDIDATES * cumulative[-1]
            chosen = np.minimum(np.searchsorted(cumulative, marks), len(cumulative) - 1)
            return [everywhere[torch.from_numpy(chosen)]]
    return [_thinned(everywhere, random)]


def _thinned(group: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    if len(group) <= CANDIDATES:
        return group
    return group[torch.from_numpy(np.sort(random.choice(len(group), CANDIDATES, replace=False)))]
