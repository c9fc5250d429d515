"""What the validation folds decide: the step to stop at, the EEP's share, which components to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from TransferRiskLib.evaluation.components import keep_largest

EEP_WEIGHTS = (0.0, 0.25, 0.5, 0.75)
DEFAULT_EEP_WEIGHT = 0.5
INFORMATIVE = 0.1
"""Normalised score from which a source is taken to inform about the target (unrelated contrasts were
measured under 0.03, related ones over 0.3)."""
MARGIN = 0.003
"""Mean Dice by which a choice must beat the default: a few validation cases decide no less."""


@dataclass(frozen=True)
class ValidationScores:
    """Dice of held-out cases: rows are cases, columns foreground labels, NaN where a label is absent.

    Attributes:
        plain: Share of the EEP to Dice, shape (cases, labels).
        largest: The same with only the largest component of every label kept.
    """

    plain: Mapping[float, np.ndarray]
    largest: Mapping[float, np.ndarray]

    @classmethod
    def pooled(cls, parts: Sequence[ValidationScores]) -> ValidationScores:
        """The scores of all folds together."""
        return cls(
            {w: np.concatenate([p.plain[w] for p in parts]) for w in parts[0].plain},
            {w: np.concatenate([p.largest[w] for p in parts]) for w in parts[0].largest},
        )

    def to_dict(self) -> dict:
        """JSON; absent labels are null."""
        return {
            name: {f"{w:g}": [[None if np.isnan(v) else float(v) for v in row] for row in table]
                   for w, table in getattr(self, name).items()}
            for name in ("plain", "largest")
        }  # fmt: skip

    @classmethod
    def from_dict(cls, value: Mapping) -> ValidationScores:
        """What `to_dict` gave."""
        plain, largest = (
            {float(w): np.array(rows, dtype=float) for w, rows in value[name].items()}
            for name in ("plain", "largest")
        )
        return cls(plain, largest)


def validation_scores(
    adapted: torch.Tensor, eep: torch.Tensor | None, labels: torch.Tensor, weights: Sequence[float]
) -> ValidationScores:
    """Scores of one held-out case for every share of the EEP.

    Args:
        adapted: Probabilities of the adapted model, (Y, X, Y, Z).
        eep: Expected empirical prediction of the source, (Y, X, Y, Z); None without a source.
        labels: Class indices, -1 where unlabelled.
        weights: Shares of the EEP to try.
    """
    plain, largest = {}, {}
    classes = range(1, adapted.shape[0])
    for weight in weights:
        mixture = adapted if eep is None or weight == 0 else (1 - weight) * adapted + weight * eep
        prediction = mixture.argmax(0).numpy().astype(np.int16)
        plain[weight] = dice_per_class(prediction, labels.numpy(), len(adapted))[None]
        cleaned = keep_largest(prediction, classes)
        largest[weight] = dice_per_class(cleaned, labels.numpy(), len(adapted))[None]
    return ValidationScores(plain, largest)


def dice_per_class(prediction: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Dice of every foreground class over labelled voxels, NaN where the reference lacks it."""
    labelled = labels >= 0
    pairs = prediction[labelled].astype(np.int64) * classes + labels[labelled]
    table = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    both, sizes = np.diag(table), table.sum(0) + table.sum(1)
    dice = np.full(classes, np.nan)
    present = table.sum(0) > 0
    dice[present] = 2 * both[present] / sizes[present]
    return dice[1:]


def mean_dice(table: np.ndarray) -> float:
    """Mean over labels of the mean over the cases that have them."""
    present = ~np.isnan(table).all(axis=0)
    return float(np.nanmean(table[:, present], axis=0).mean()) if present.any() else 0.0


def choose_eep_weight(scores: ValidationScores, normalised: float) -> float:
    """The share with the best validation Dice; the default unless another is clearly better."""
    default = default_eep_weight(normalised)
    dice = {weight: mean_dice(table) for weight, table in scores.plain.items()}
    best = max(dice, key=lambda weight: dice[weight])
    return best if dice[best] > dice[default] + MARGIN else default


def default_eep_weight(normalised: float) -> float:
    """The share without validation: a half where the source informs about the target, else nothing."""
    return DEFAULT_EEP_WEIGHT if normalised >= INFORMATIVE else 0.0


def choose_components(scores: ValidationScores, weight: float, names: Sequence[str]) -> tuple[str, ...]:
    """Foreground labels whose mean validation Dice rises when only their largest component is kept."""
    kept = []
    for n, name in enumerate(names):
        before, after = scores.plain[weight][:, n], scores.largest[weight][:, n]
        if not np.isnan(before).all() and np.nanmean(after) > np.nanmean(before):
            kept.append(name)
    return tuple(kept)


def choose_stop(curves: Sequence[Sequence[tuple[int, float]]], steps: int) -> int:
    """The step at which the final training stops: the best of the mean validation curve.

    The end of the schedule wins unless an earlier step is better by more than the margin. Folds that
    stopped early count with their last value.
    """
    marks = sorted({step for curve in curves for step, _ in curve})
    if not marks:
        return steps
    means = {}
    for mark in marks:
        values = []
        for curve in curves:
            earlier = [dice for step, dice in curve if step <= mark]
            if earlier:
                values.append(earlier[-1])
        means[mark] = float(np.mean(values))
    last = max(marks)
    best = max(means, key=lambda mark: (means[mark], mark))
    return best if last < steps or means[best] > means[last] + MARGIN else steps
