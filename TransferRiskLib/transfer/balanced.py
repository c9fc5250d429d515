"""The LEEP score with every target class counting alike, as a function that can be differentiated."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from TransferRiskLib.transfer.maps import EEP_FLOOR


def balanced_score(probabilities: Tensor, labels: Tensor, targets: int) -> Tensor:
    """How much a source's outputs tell about labels whose classes are equally frequent, 0 to 1.

    LEEP (Nguyen et al., ICML 2020) with the classes weighted alike, so that a large background does not
    decide it: P(z|y) is the mean of θ(x)_z over the voxels of class y, P(y|z) ∝ P(z|y), and the score is
    (log K + the mean over the K classes of the mean over their voxels of log Σ_z P(y|z) θ(x)_z) / log K.
    The statistics are those of the very voxels that are scored.

    Args:
        probabilities: θ, (B, Z, X, Y, Z'), states sum to 1.
        labels: (B, X, Y, Z') class indices, -1 where unlabelled.
        targets: Number of target classes.

    Returns:
        A scalar, float32; 0 where fewer than two classes are present. Gradients pass to the
        probabilities, through P(y|z) too.
    """
    labelled = labels >= 0
    theta = probabilities.to(torch.float32).movedim(1, -1)[labelled]
    classes = functional.one_hot(labels[labelled], targets).to(torch.float32)
    counts = classes.sum(0)
    present = torch.nonzero(counts).flatten()
    if len(present) < 2:
        return theta.sum() * 0.0
    means = classes[:, present] / counts[present]
    states = means.T @ theta
    conditional = states / states.sum(0).clamp_min(EEP_FLOOR)
    eep = (theta @ conditional.T).clamp_min(EEP_FLOOR)
    return 1.0 + (means * eep.log()).sum() / (len(present) * math.log(len(present)))
