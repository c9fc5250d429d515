"""The loss of an adaptation."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss
from torch.nn import functional

from TransferRiskLib.adaptation.settings import Loss, Normalised

FOCAL_EXPONENT = 2.0
HARDEST_SHARE = 0.1


class AdaptationLoss(torch.nn.Module):
    """Weighted cross-entropy, alone or with soft Dice; unlabelled voxels count nowhere.

    Args:
        normalisation: What the weighted sum is divided by. `labelled`: the labelled voxels of the
            batch. `weights`: the sum of their weights. `foreground`: the foreground voxels of the
            whole case that a patch came from (Duan et al., ICASSP 2025); a patch then stands for
            its case, so its mean is multiplied by the case's ratio of labelled to foreground voxels.
            The count of the patch itself would explode where a patch holds little foreground.
        kind: `ce`; `focal`: cross-entropy times (1 - p_y)^2 (Lin et al., ICCV 2017); `topk`: the mean
            cross-entropy of the hardest tenth of the batch's labelled voxels (Wu et al., 2016), divided
            by nothing else. `+dice` adds soft Dice over the foreground classes, pooled over the batch.
        anchor: Weight of the distance KL(anchor || p) from what the network is held to.
    """

    def __init__(self, normalisation: Normalised, kind: Loss, anchor: float = 0.0) -> None:
        super().__init__()
        self.anchor = anchor
        self.normalisation = normalisation
        self.kind = kind.removesuffix("+dice")
        self.dice = DiceLoss(include_background=False, batch=True) if kind.endswith("+dice") else None

    def forward(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
        ratio: torch.Tensor,
        anchor: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of a batch of patches.

        Args:
            logits: (B, Y, X, Y, Z) network outputs.
            labels: (B, X, Y, Z) class indices, -1 where unlabelled.
            weights: (B, X, Y, Z) voxel weights.
            ratio: (B,) labelled voxels over foreground voxels of the whole case of each patch.
            anchor: (B, Y, X, Y, Z) probabilities to be held to, zero where nothing is; None without.

        Returns:
            A scalar.
        """
        logits = logits.float()
        labelled = (labels >= 0).to(logits.dtype)
        weights = weights * labelled
        per_voxel = functional.cross_entropy(logits, labels.clamp_min(0), reduction="none")
        if self.kind == "focal":
            per_voxel = per_voxel * (1 - torch.exp(-per_voxel)) ** FOCAL_EXPONENT
        weighted = (per_voxel * weights).flatten(1)
        if self.kind == "topk":
            count = max(1, round(HARDEST_SHARE * float(labelled.sum())))
            loss = weighted.flatten().topk(count).values.mean()
        elif self.normalisation == "weights":
            loss = weighted.sum() / weights.sum().clamp_min(1e-6)
        elif self.normalisation == "labelled":
            loss = weighted.sum() / labelled.sum().clamp_min(1)
        else:
            means = weighted.sum(1) / labelled.flatten(1).sum(1).clamp_min(1)
            loss = (means * ratio).mean()
        if anchor is not None and self.anchor > 0:
            # the EEP's own entropy is constant: this is KL(EEP || p) up to it
            distance = -(anchor * torch.log_softmax(logits, dim=1)).sum(1)
            loss = loss + self.anchor * (distance * labelled).sum() / labelled.sum().clamp_min(1)
        if self.dice is not None:
            probabilities = torch.softmax(logits, dim=1) * labelled.unsqueeze(1)
            one_hot = functional.one_hot(labels.clamp_min(0), logits.shape[1]).movedim(-1, 1)
            loss = loss + self.dice(probabilities, one_hot.to(logits.dtype) * labelled.unsqueeze(1))
        return loss
