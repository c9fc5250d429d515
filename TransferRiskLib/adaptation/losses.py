"""The weighted loss of an adaptation."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss
from torch.nn import functional

from TransferRiskLib.adaptation.settings import Normalised


class AdaptationLoss(torch.nn.Module):
    """Weighted cross-entropy, alone or with soft Dice; unlabelled voxels count nowhere.

    Args:
        normalisation: What the weighted sum is divided by. `labelled`: the labelled voxels of the
            batch. `weights`: the sum of their weights. `foreground`: the foreground voxels of the
            whole case that a patch came from (Duan et al., ICASSP 2025); a patch then stands for
            its case, so its mean is multiplied by the case's ratio of labelled to foreground voxels.
            The count of the patch itself would explode where a patch holds little foreground.
        dice: Add soft Dice over the foreground classes, pooled over the batch.
    """

    def __init__(self, normalisation: Normalised, dice: bool) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.dice = DiceLoss(include_background=False, batch=True) if dice else None

    def forward(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, ratio: torch.Tensor
    ) -> torch.Tensor:
        """The loss of a batch of patches.

        Args:
            logits: (B, Y, X, Y, Z) network outputs.
            labels: (B, X, Y, Z) class indices, -1 where unlabelled.
            weights: (B, X, Y, Z) voxel weights.
            ratio: (B,) labelled voxels over foreground voxels of the whole case of each patch.

        Returns:
            A scalar.
        """
        logits = logits.float()
        labelled = (labels >= 0).to(logits.dtype)
        weights = weights * labelled
        per_voxel = functional.cross_entropy(logits, labels.clamp_min(0), reduction="none")
        weighted = (per_voxel * weights).flatten(1)
        if self.normalisation == "weights":
            loss = weighted.sum() / weights.sum().clamp_min(1e-6)
        elif self.normalisation == "labelled":
            loss = weighted.sum() / labelled.sum().clamp_min(1)
        else:
            means = weighted.sum(1) / labelled.flatten(1).sum(1).clamp_min(1)
            loss = (means * ratio).mean()
        if self.dice is not None:
            probabilities = torch.softmax(logits, dim=1) * labelled.unsqueeze(1)
            one_hot = functional.one_hot(labels.clamp_min(0), logits.shape[1]).movedim(-1, 1)
            loss = loss + self.dice(probabilities, one_hot.to(logits.dtype) * labelled.unsqueeze(1))
        return loss
