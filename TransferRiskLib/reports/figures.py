"""Charts and slice montages, drawn off screen; each returns SVG text or PNG bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from TransferRiskLib.cases.labels import distinct_colour
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.reports.drawing import colour, dashes, drawing, legend_below, marker, to_png, to_svg
from TransferRiskLib.reports.findings import CaseScore, RiskHistogram, TrainingHistory
from TransferRiskLib.reports.tables import spread
from TransferRiskLib.tasks.results import ModelScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Overlay:
    """One picture of a montage: a slice with what lies over it.

    Attributes:
        title: Above the picture.
        image: Grey values, shape (rows, columns).
        heat: Map in its own unit, same shape; values at or below `heat_range[0]` and NaN are clear.
        labels: Class indices, same shape; drawn as outlines in the label colours, 0 is not drawn.
    """

    title: str
    image: np.ndarray
    heat: np.ndarray | None = None
    labels: np.ndarray | None = None


def training_curves(histories: Sequence[TrainingHistory], titles: Mapping[str, str] | None = None) -> str:
    """SVG: training loss and, where there is any, validation Dice of every method.

    Args:
        histories: One a method.
        titles: Method key to the words shown; its order fixes each method's colour and marker, so
            that a method looks the same in every figure.
    """
    names = titles or {}
    order = list(dict.fromkeys([*names, *(history.method for history in histories)]))
    panels = 2 if any(history.validation_steps for history in histories) else 1
    with drawing(4.4 * panels + 0.2, 3.6, 1, panels) as (figure, axes):
        for history in histories:
            number = order.index(history.method)
            style = {"color": colour(number), "linestyle": dashes(number)}
            label = names.get(history.method, history.method)
            axes[0].plot(history.steps, _smooth(history.loss), label=label, **style)
            if history.validation_steps:
                percent = 100 * np.asarray(history.validation_dice)
                axes[1].plot(history.validation_steps, percent, marker=marker(number), markersize=4, **style)
        axes[0].set(title="Training loss", xlabel="step", ylabel="loss")
        if panels == 2:
            axes[1].set(title="Validation", xlabel="step", ylabel="mean Dice (%)")
        legend_below(figure, axes[0], len(histories))
        return to_svg(figure)


def dice_strips(scores: Sequence[CaseScore], titles: Mapping[str, str] | None = None) -> str:
    """SVG: Dice of every test case by method, a panel a label; grey lines join one case's points."""
    names = titles or {}
    methods = list(dict.fromkeys(score.method for score in scores))
    order = list(dict.fromkeys([*names, *methods]))
    labels = list(dict.fromkeys(score.label for score in scores))
    cases = list(dict.fromkeys(score.case for score in scores))
    dice = {(s.method, s.case, s.label): s.dice for s in scores if s.dice is not None}
    with drawing(max(2.6 * len(labels), 4.4), 4.0, 1, len(labels), sharey=True) as (figure, axes):
        for axis, label in zip(axes, labels, strict=True):
            for case in cases:
                values = [100 * dice.get((method, case, label), math.nan) for method in methods]
                axis.plot(range(len(methods)), values, color="#b0b0b0", linewidth=0.8, zorder=1)
            for number, method in enumerate(methods):
                values = [100 * dice[key] for case in cases if (key := (method, case, label)) in dice]
                series = order.index(method)
                axis.scatter(
                    [number] * len(values), values, s=24, color=colour(series), zorder=2,
                    marker=marker(series), edgecolors="white", linewidths=0.5,
                )  # fmt: skip
                if summary := spread(values):
                    axis.hlines(
                        summary.mean, number - 0.3, number + 0.3, color="black", linewidth=2, zorder=3
                    )
            axis.set_title(label)
            axis.set_xticks(range(len(methods)), [names.get(m, m) for m in methods], rotation=40, ha="right")
            axis.set_xlim(-0.5, len(methods) - 0.5)
            axis.grid(axis="x", visible=False)
        axes[0].set_ylabel("Dice (%)")
        return to_svg(figure)


def risk_histogram(histogram: RiskHistogram) -> str:
    """SVG: share of each class's voxels by transfer risk, one outline a class, on a log scale."""
    edges = np.asarray(histogram.edges)
    with drawing(9.0, 3.8) as (figure, axes):
        for number, (label, counts) in enumerate(histogram.counts.items()):
            total = max(sum(counts), 1)
            axes[0].stairs(
                np.asarray(counts) / total, edges, label=label, color=colour(number), linewidth=1.8,
                baseline=None, linestyle=dashes(number),
            )  # fmt: skip
        axes[0].set(xlabel="transfer risk −log EEP(y|x) (nats)", ylabel="share of the class's voxels")
        if any(any(counts) for counts in histogram.counts.values()):
            axes[0].set_yscale("log")
        axes[0].set_xlim(edges[0], edges[-1])
        legend_below(figure, axes[0], len(histogram.counts))
        return to_svg(figure)


def ranking_bars(scores: Sequence[ModelScore]) -> str:
    """SVG: normalised score of every source model, overall and per class, best model first."""
    groups = ["all classes", *dict.fromkeys(label for score in scores for label in score.per_class)]
    height = 0.8 / max(len(scores), 1)
    with drawing(9.0, 1.0 + 0.28 * len(groups) * max(len(scores), 1)) as (figure, axes):
        for number, score in enumerate(scores):
            values = [score.normalised, *(score.per_class.get(label, math.nan) for label in groups[1:])]
            places = np.arange(len(groups)) + (number - (len(scores) - 1) / 2) * height
            bars = axes[0].barh(
                places, values, height * 0.9, label=score.model, color=colour(number),
                hatch=("", "///", "...", "xxx")[number % 4], edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            axes[0].bar_label(bars, fmt="%.2f", padding=3, fontsize=8.5)
        axes[0].set_yticks(range(len(groups)), groups)
        axes[0].invert_yaxis()
        axes[0].set_xlim(min(0, *axes[0].get_xlim()), 1.05)
        axes[0].set_xlabel("normalised score (LEEP + H(Y)) / H(Y): 0 says nothing, 1 says all")
        axes[0].grid(axis="y", visible=False)
        legend_below(figure, axes[0], len(scores))
        return to_svg(figure)


def montage(
    rows: Sequence[Sequence[Overlay]],
    heat_range: tuple[float, float] = (0.0, 2.0),
    unit: str = "risk (nats)",
    aspect: float = 1.0,
) -> bytes:
    """PNG: slices with a heat map or outlines, for where Slicer's own renders are not available.

    Args:
        rows: Pictures of each row; arrays are drawn with their first row at the top.
        heat_range: Values of the clear end and of the full colour.
        unit: Of the colour bar.
        aspect: Height of a pixel over its width.

    Raises:
        SettingsError: no pictures, or arrays of different shapes in one picture.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise SettingsError("A montage needs at least one picture.")
    shown = None
    with drawing(2.5 * columns + 0.7, 2.7 * len(rows), len(rows), columns) as (figure, axes):
        for axis in axes:
            axis.set_axis_off()
        for row_number, row in enumerate(rows):
            for column, picture in enumerate(row):
                axis = axes[row_number * columns + column]
                heat = _draw_overlay(axis, picture, heat_range, aspect)
                shown = heat if heat is not None else shown
        if shown is not None:
            figure.colorbar(shown, ax=list(axes), label=unit, shrink=0.8, pad=0.02)
        return to_png(figure)


def _draw_overlay(axis: Axes, picture: Overlay, heat_range: tuple[float, float], aspect: float):
    for other in (picture.heat, picture.labels):
        if other is not None and other.shape != picture.image.shape:
            raise SettingsError(
                f"{picture.title!r}: a slice of shape {picture.image.shape} and one of shape {other.shape}."
            )
    low, high = np.nanpercentile(picture.image, (1, 99.5))
    axis.imshow(picture.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=aspect)
    heat = None
    if picture.heat is not None:
        clear = np.ma.masked_where(~(picture.heat > heat_range[0]), picture.heat)
        heat = axis.imshow(
            clear, cmap="inferno", vmin=heat_range[0], vmax=heat_range[1], alpha=0.75, aspect=aspect,
            interpolation="nearest",
        )  # fmt: skip
    if picture.labels is not None:
        for index in range(1, int(picture.labels.max(initial=0)) + 1):
            if (picture.labels == index).any():
                mask = (picture.labels == index).astype(float)
                axis.contour(mask, levels=[0.5], colors=[distinct_colour(index - 1)], linewidths=1.3)
    axis.set_title(picture.title, fontsize=9.5)
    return heat


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Running mean over a twentieth of the course: single-step losses hide the trend."""
    raw = np.asarray(values, dtype=float)
    half = len(raw) // 40
    if half == 0:
        return raw
    sums = np.concatenate([[0.0], np.cumsum(raw)])
    first = np.maximum(np.arange(len(raw)) - half, 0)
    last = np.minimum(np.arange(len(raw)) + half + 1, len(raw))
    return (sums[last] - sums[first]) / (last - first)
