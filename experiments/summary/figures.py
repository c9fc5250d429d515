"""Figures of a study as PNG bytes; drawn off screen, in colours that the colour-blind tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from experiments.summary.paired import Comparison, compare, dice, differences
from experiments.summary.results import Results
from experiments.summary.tables import cell_means, interval_text
from TransferRiskLib.reports.drawing import colour, dashes, drawing, legend_below, marker, to_png
from TransferRiskLib.reports.tables import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR_POINTS = 5.0
"""Differences beyond these are drawn on a logarithmic scale where some cell is far out."""

FAR_OUT = 20.0
SERIES = 8
"""Colours and markers that are told apart."""
_ROW_HEIGHT, _JITTER = 0.36, 0.24


@dataclass(frozen=True)
class DotRow:
    """One row of a plot of differences.

    Attributes:
        title: At the left.
        dots: (value, series) each.
        mean: Drawn as a black diamond with `interval` as its bar; None draws neither.
        interval: 95 % interval of the mean.
    """

    title: str
    dots: Sequence[tuple[float, int]]
    mean: float | None
    interval: tuple[float, float] | None


def differences_by_scenario(
    results: Results, method: str, baseline: str, suffix: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> bytes:
    """One method against the baseline: a dot a cell, a row a scenario, and a row over all of them."""
    ks = results.ks
    scenarios: list[str | None] = [*results.scenarios]
    if len(scenarios) > 1:
        scenarios.append(None)
    rows = []
    for scenario in scenarios:
        part = results.select(scenario)
        cells = differences(part, method, baseline, dice(suffix)).by_cell()
        comparison = _compared(part, method, baseline, suffix, bootstrap)
        dots = [(value, ks.index(cell.k)) for cell, value in cells.items()]
        rows.append(_dot_row(scenario or "all", dots if scenario else [], comparison))
    return _dot_plot(
        [row for row in rows if row.mean is not None],
        {number: f"k = {k}" for number, k in enumerate(ks)},
        f"Dice of {method} − {baseline} (points)",
        "cell",
    )


def differences_by_method(
    results: Results, baseline: str, suffix: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> bytes:
    """All methods against the baseline: a dot the mean of a scenario, a row a method."""
    names = results.scenarios
    series = {name: number for number, name in enumerate(names)} if len(names) <= SERIES else {}
    rows = []
    for method in results.present:
        comparison = _compared(results, method, baseline, suffix, bootstrap)
        if method == baseline or comparison is None:
            continue
        means = differences(results, method, baseline, dice(suffix)).by_scenario()
        rows.append(_dot_row(method, [(v, series.get(s, 0)) for s, v in means.items()], comparison))
    titles = dict(enumerate(names)) if series else {}
    return _dot_plot(rows, titles, f"Dice − {baseline} (points)", "mean of a scenario")


def dice_by_k(results: Results, suffix: str) -> bytes:
    """Dice against the number of labelled training cases: a panel a scenario, a line a method."""
    scenarios, methods, ks = results.scenarios, results.present, results.ks
    columns = min(len(scenarios), 4)
    lines = math.ceil(len(scenarios) / columns)
    width = max(3.0 * columns + 0.4, 6.4)
    with drawing(width, 2.7 * lines + 0.5 + 0.22 * math.ceil(len(methods) / 4), lines, columns) as (
        figure,
        axes,
    ):
        for axis, scenario in zip(axes, scenarios, strict=False):
            part = results.select(scenario)
            for number, method in enumerate(methods):
                by_k: dict[int, list[float]] = {}
                for cell, value in cell_means(part, method, dice(suffix)).items():
                    by_k.setdefault(cell.k, []).append(value)
                known = sorted(by_k)
                axis.plot(
                    [ks.index(k) for k in known], [np.mean(by_k[k]) for k in known], label=method,
                    color=colour(number), linestyle=dashes(number),
                    marker=marker(number + number // SERIES), markersize=4.5,
                )  # fmt: skip
            axis.set_title(scenario)
            axis.set_xticks(range(len(ks)), [str(k) for k in ks])
            axis.set_xlim(-0.3, len(ks) - 0.7)
        for axis in axes[len(scenarios) :]:
            axis.set_visible(False)
        for place, axis in enumerate(axes[: len(scenarios)]):
            axis.set_ylabel("mean Dice (points)" if place % columns == 0 else "")
            axis.set_xlabel("labelled cases k" if place + columns >= len(scenarios) else "")
        legend_below(figure, axes[0], len(methods))
        return to_png(figure)


def transfer_matrix(values: Mapping[tuple[str, str], float], title: str) -> bytes:
    """A value for every source and target, such as a difference in Dice, in colour and in figures.

    Args:
        values: (source, target) to value; pairs that are missing stay grey.
        title: Of the colour bar.
    """
    order = list(dict.fromkeys(name for pair in sorted(values) for name in pair))
    sources = [name for name in order if any(pair[0] == name for pair in values)]
    targets = [name for name in order if any(pair[1] == name for pair in values)]
    grid = np.array([[values.get((s, t), math.nan) for t in targets] for s in sources])
    limit = max(float(np.nanmax(np.abs(grid), initial=0.0)), 0.1)
    with drawing(2.6 + 0.75 * len(targets), 1.6 + 0.55 * len(sources)) as (figure, (axis,)):
        axis.set_facecolor("#e6e6e6")
        shown = axis.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
        for (row, column), value in np.ndenumerate(grid):
            if np.isfinite(value):
                dark = abs(value) > 0.6 * limit
                text = format_number(float(value), 1, signed=True)
                axis.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
        axis.set_xticks(range(len(targets)), targets, rotation=30, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(sources)), sources)
        axis.set(xlabel="target", ylabel="source")
        axis.grid(visible=False)
        figure.colorbar(shown, ax=axis, label=title)
        return to_png(figure)


def _compared(
    results: Results, method: str, baseline: str, suffix: str, bootstrap: Bootstrap
) -> Comparison | None:
    return compare(results, method, baseline, dice(suffix), bootstrap)


def _dot_row(title: str, dots: Sequence[tuple[float, int]], comparison: Comparison | None) -> DotRow:
    if comparison is None:
        return DotRow(title, dots, None, None)
    return DotRow(title, dots, comparison.mean, comparison.interval)


def _dot_plot(rows: Sequence[DotRow], series: Mapping[int, str], label: str, dot: str) -> bytes:
    ends = [end for row in rows for end in row.interval or ()]
    values = [value for row in rows for value, _ in row.dots]
    height = 1.5 + _ROW_HEIGHT * len(rows) + 0.22 * math.ceil(len(series) / 4)
    with drawing(7.4, height) as (figure, (axis,)):
        axis.axvline(0, color="black", linewidth=0.8)
        for number, row in enumerate(rows):
            for place, (value, kind) in zip(_spread_out(len(row.dots)), row.dots, strict=True):
                axis.plot(
                    value, number + place, linestyle="", marker=marker(kind), markersize=4.5,
                    color=colour(kind), markeredgecolor="white", markeredgewidth=0.4, alpha=0.85,
                )  # fmt: skip
            if row.interval is not None:
                axis.hlines(number, *row.interval, color="black", linewidth=2, zorder=3)
            if row.mean is not None:
                axis.plot(row.mean, number, "D", color="black", markersize=5.5, zorder=4)
                text = f"{format_number(row.mean, 1, signed=True)} {interval_text(row.interval)}"
                axis.text(1.02, number, text, transform=axis.get_yaxis_transform(), va="center", fontsize=8.5)
        for kind, title in series.items():
            axis.plot(
                [], [], linestyle="", marker=marker(kind), markersize=5, color=colour(kind), label=title
            )
        axis.plot([], [], "D-", color="black", markersize=5, label="mean and 95 % CI")
        axis.margins(x=0.07)
        axis.set_yticks(range(len(rows)), [row.title for row in rows])
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(_scaled(axis, label, [*values, *ends]))
        axis.set_title(f"a dot: {dot}", fontsize=8.5, loc="left", color="#555555")
        legend_below(figure, axis, len(series) + 1)
        return to_png(figure)


def _scaled(axis: Axes, label: str, values: Sequence[float]) -> str:
    """Set the scale of the differences; returns the axis label, which says what it is."""
    if max(map(abs, values), default=0.0) <= FAR_OUT:
        return label
    axis.set_xscale("symlog", linthresh=LINEAR_POINTS)
    ticks = [t for t in (-50, -20, -10, -5, -2, 0, 2, 5, 10, 20, 50) if min(values) <= t <= max(values)]
    axis.set_xticks(ticks, [format_number(float(t), 0, signed=True) for t in ticks])
    axis.minorticks_off()
    return f"{label}, logarithmic beyond ±{LINEAR_POINTS:g}"


def _spread_out(count: int) -> np.ndarray:
    """Vertical places of the dots of a row, in a fixed order that keeps neighbours apart."""
    if count < 2:
        return np.zeros(count)
    steps = (np.arange(count) * 0.6180339887498949) % 1.0  # golden ratio: evenly filled for any number
    return _JITTER * (2 * steps - 1)
