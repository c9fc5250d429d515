"""What the validation folds decide: when to stop, the source's shares, which components to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from TransferRiskLib.adaptation.settings import EEP_WEIGHTS, WISE_SHARES, AdaptationSettings
from TransferRiskLib.evaluation.components import keep_largest
from TransferRiskLib.transfer.informative import INFORMATIVE

DEFAULT_EEP_WEIGHT = 0.5
DEFAULT_EEP_WEIGHT_AVERAGED = 0.25
"""With weights averaged towards the source the model already holds half of what the EEP brings."""
DEFAULT_WISE_SHARE = 0.75
FINDS_FOREGROUND = 0.5
"""Dice of the EEP's foreground with that of the labelled cases from which the EEP takes part in the
prediction where no validation decides, and intensity curves are used. Below, it is little more than
the labels' frequencies, and averaging with those makes a rare label rarer still (`experiments/LOG.md`, 10
and 11)."""
LOST_FIT = 0.02
"""Mean Dice on the training cases that averaging the weights may cost where nothing else decides."""
MARGIN = 0.01
"""Mean Dice by which a choice must beat the default: a few validation cases decide no less, and trainings of
fewer cases than there are want more of the source (`experiments/LOG.md`, 16)."""


@dataclass(frozen=True)
class Shares:
    """How the source takes part in the final prediction.

    Attributes:
        adapted: Share of the adapted weights in the average with the weights of the start (WiSE-FT).
        eep: Share of the source's EEP in the probabilities.
    """

    adapted: float = 1.0
    eep: float = 0.0


@dataclass(frozen=True)
class ValidationScores:
    """Dice of held-out cases: rows are cases, columns foreground labels, NaN where a label is absent.

    Attributes:
        plain: Shares to Dice, shape (cases, labels).
        largest: The same with only the largest component of every label kept.
    """

    plain: Mapping[Shares, np.ndarray]
    largest: Mapping[Shares, np.ndarray]

    @classmethod
    def pooled(cls, parts: Sequence[ValidationScores]) -> ValidationScores:
        """The scores of all cases together."""
        return cls(
            {s: np.concatenate([p.plain[s] for p in parts]) for s in parts[0].plain},
            {s: np.concatenate([p.largest[s] for p in parts]) for s in parts[0].largest},
        )

    @classmethod
    def joined(cls, parts: Sequence[ValidationScores]) -> ValidationScores:
        """The scores of the same cases with different shares."""
        return cls(
            {s: table for p in parts for s, table in p.plain.items()},
            {s: table for p in parts for s, table in p.largest.items()},
        )

    def to_list(self) -> list[dict]:
        """JSON; absent labels are null."""
        return [
            {"adapted": s.adapted, "eep": s.eep, "plain": _rows(table), "largest": _rows(self.largest[s])}
            for s, table in self.plain.items()
        ]

    @classmethod
    def from_list(cls, value: Sequence[Mapping]) -> ValidationScores:
        """What `to_list` gave."""
        plain, largest = (
            {Shares(row["adapted"], row["eep"]): np.array(row[name], dtype=float) for row in value}
            for name in ("plain", "largest")
        )
        return cls(plain, largest)


def _rows(table: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in row] for row in table]


def validation_scores(
    adapted: torch.Tensor, eep: torch.Tensor | None, labels: torch.Tensor, shares: Sequence[Shares]
) -> ValidationScores:
    """Scores of one held-out case for some shares of the EEP.

    Args:
        adapted: Probabilities of the adapted model, (Y, X, Y, Z).
        eep: Expected empirical prediction of the source, (Y, X, Y, Z); None without a source.
        labels: Class indices, -1 where unlabelled.
        shares: What to try; `adapted` is only carried along: these are the probabilities it gave.
    """
    plain, largest = {}, {}
    classes = range(1, adapted.shape[0])
    for share in shares:
        mixed = adapted if eep is None or share.eep == 0 else (1 - share.eep) * adapted + share.eep * eep
        prediction = mixed.argmax(0).numpy().astype(np.int16)
        plain[share] = dice_per_class(prediction, labels.numpy(), len(adapted))[None]
        cleaned = keep_largest(prediction, classes)
        largest[share] = dice_per_class(cleaned, labels.numpy(), len(adapted))[None]
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


def candidate_shares(settings: AdaptationSettings, averages: bool) -> tuple[Shares, ...]:
    """What validation may choose from: everything that the settings leave open.

    Args:
        settings: `eep_weight` and `wise_ft` that are not None are taken as they are.
        averages: Whether the whole head comes from the source, kept or translated: a fresh one belongs to
            the adapted features alone.
    """
    if settings.scheme == "scratch":
        return (Shares(),)
    open_shares = WISE_SHARES if averages else WISE_SHARES[:1]
    shares = open_shares if settings.wise_ft is None else (settings.wise_ft,)
    weights = EEP_WEIGHTS if settings.eep_weight is None else (settings.eep_weight,)
    return tuple(Shares(share, weight) for share in shares for weight in weights)


def default_shares(
    settings: AdaptationSettings, averages: bool, normalised: float, foreground: float
) -> Shares:
    """The shares without validation; the source takes part only where it informs.

    Args:
        settings: `eep_weight` and `wise_ft` that are not None are taken as they are.
        averages: Whether the start is worth averaging with.
        normalised: How much the source tells about the labels, 0 to 1.
        foreground: Dice of the EEP's foreground with that of the labelled cases, 0 to 1.
    """
    if settings.scheme == "scratch":
        return Shares()
    share = settings.wise_ft
    if share is None:
        share = DEFAULT_WISE_SHARE if averages and normalised >= INFORMATIVE else 1.0
    weight = settings.eep_weight
    if weight is None:
        weight = DEFAULT_EEP_WEIGHT if share == 1 else DEFAULT_EEP_WEIGHT_AVERAGED
        weight = weight if normalised >= INFORMATIVE and foreground >= FINDS_FOREGROUND else 0.0
    return Shares(share, weight)


def choose_shares(scores: ValidationScores, default: Shares) -> Shares:
    """The shares with the best validation Dice; the default unless another is clearly better."""
    dice = {shares: mean_dice(table) for shares, table in scores.plain.items()}
    best = max(dice, key=lambda shares: dice[shares])
    return best if dice[best] > dice[default] + MARGIN else default


def choose_components(scores: ValidationScores, shares: Shares, names: Sequence[str]) -> tuple[str, ...]:
    """Foreground labels whose mean validation Dice rises when only their largest component is kept."""
    kept = []
    for n, name in enumerate(names):
        before, after = scores.plain[shares][:, n], scores.largest[shares][:, n]
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
