"""Voxel weights made from a transfer risk map.

Every function takes the maps of one whole case, because the published weight is normalised per case
and a class-calibrated one needs the mean over all voxels of a class, which no patch can know.
"""

from __future__ import annotations

import torch

from TransferRiskLib.adaptation.settings import MapControl, Weights

GAIN_CAP = 3.0
"""Negative gain beyond this many nats weighs no more: such voxels are often annotation errors."""


def voxel_weights(
    kind: Weights,
    risk: torch.Tensor,
    gain: torch.Tensor,
    labels: torch.Tensor,
    strength: float = 1.0,
    control: MapControl = "none",
    seed: int = 0,
) -> torch.Tensor:
    """Weights of the voxels of one case.

    Args:
        kind: `paper`: 10^n with n the risk, min-max normalised over the case (Duan et al., ICASSP
            2025). `linear`: proportional to the risk, mean 1. `class-calibrated`: the paper's weight
            divided by its mean within each class, so that no class gains weight as a whole; a
            weight that depends on the label moves the optimum, this one does not at class level.
            `gain`: 1 plus the size of a negative transfer gain, again mean 1 within each class.
            `class-balanced`: one over the class's voxels, mean 1; no map takes part. `none`: 1.
        risk: Transfer risk in nats, any shape; ignored where unlabelled.
        gain: Transfer gain in nats, same shape.
        labels: Class indices, same shape, negative where unlabelled.
        strength: Share that follows the map; the rest is uniform. Ignored by `paper`.
        control: What is left of the map: `permuted` shuffles the weights among the voxels of each
            class, `class-mean` replaces each by the mean of its class.
        seed: Of the shuffling.

    Returns:
        float32 weights of the same shape, 0 where unlabelled.
    """
    labelled = labels >= 0
    if kind == "none" or not bool(labelled.any()):
        return labelled.to(torch.float32)
    values = risk[labelled].to(torch.float64)
    if kind == "paper":
        chosen = _power_of_risk(values)
    elif kind == "linear":
        mean = values.mean()
        shaped = values / mean if mean > 0 else torch.ones_like(values)
        chosen = 1 - strength + strength * shaped
    elif kind == "class-balanced":
        rarity = 1 / _class_counts(labels[labelled]).to(torch.float64)
        chosen = 1 - strength + strength * rarity / rarity.mean()
    else:
        if kind == "class-calibrated":
            shaped = _power_of_risk(values)
        else:
            shaped = 1 + (-gain[labelled].to(torch.float64)).clamp(0, GAIN_CAP)
        calibrated = shaped / _class_means(shaped, labels[labelled])
        chosen = 1 - strength + strength * calibrated
    if control == "permuted":
        chosen = _shuffled_within_classes(chosen, labels[labelled], seed)
    elif control == "class-mean":
        chosen = _class_means(chosen, labels[labelled])
    weights = torch.zeros(labels.shape, dtype=torch.float32, device=labels.device)
    weights[labelled] = chosen.to(torch.float32)
    return weights


def _power_of_risk(risk: torch.Tensor) -> torch.Tensor:
    low, high = risk.min(), risk.max()
    if high <= low:
        return torch.ones_like(risk)
    return torch.pow(10.0, (risk - low) / (high - low))


def _class_means(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean of `values` over each voxel's own class."""
    classes = int(labels.max()) + 1
    index = labels.to(torch.int64)
    sums = torch.zeros(classes, dtype=values.dtype, device=values.device).index_add_(0, index, values)
    counts = torch.bincount(index, minlength=classes).clamp_min(1)
    return (sums / counts)[index]


def _class_counts(labels: torch.Tensor) -> torch.Tensor:
    """The number of voxels of each voxel's own class."""
    index = labels.to(torch.int64)
    return torch.bincount(index)[index]


def _shuffled_within_classes(values: torch.Tensor, labels: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shuffled = values.clone()
    for label in torch.unique(labels):
        where = torch.nonzero(labels == label).flatten()
        order = torch.randperm(len(where), generator=generator).to(where.device)
        shuffled[where] = values[where[order]]
    return shuffled
