"""Tables of a study: methods against a baseline, by k, worst losses, ablations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from experiments.summary.paired import Comparison, Measure, compare_pairs, dice, differences, hd95
from experiments.summary.results import Cell, Results
from TransferRiskLib.reports.tables import Column, Spread, Table, format_number

VARIANTS = {"_lc": "after keeping the largest component", "": "without largest component"}
"""Suffix of a measure's column, and what it means."""

P_DIGITS = 3


def methods_table(
    results: Results, baseline: str, suffix: str, caption: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Table:
    """Every method with its Dice and HD95, and its paired differences from the baseline.

    Mean ± sd of a method is over its cells: the mean of the means of scenarios with their k, and the
    sample standard deviation of the cells. Methods that ran in some cells only are compared in those.
    """
    pairs = [(method, baseline) for method in results.present if method != baseline]
    found = {
        measure.column: {
            comparison.method: comparison for comparison in compare_pairs(results, pairs, measure, bootstrap)
        }
        for measure in (dice(suffix), hd95(suffix))
    }
    rows = []
    for method in results.present:
        overlap, distance = (cell_means(results, method, measure) for measure in (dice(suffix), hd95(suffix)))
        row: dict[str, object] = {
            "method": method,
            "cells": len(overlap),
            "dice": spread_of_cells(overlap),
            "hd95": spread_of_cells(distance),
        }
        if comparison := found[f"dice{suffix}"].get(method):
            row |= _difference(comparison, "dice")
        if comparison := found[f"hd95{suffix}"].get(method):
            row |= _difference(comparison, "hd95") | {"left_out": comparison.left_out}
        rows.append(row)
    columns = (
        Column("method", "method"),
        Column("cells", "cells"),
        Column("dice", "Dice", 1),
        Column("hd95", "HD95 (mm)", 1),
        *_difference_columns(f"Dice − {baseline}", "dice"),
        Column("dice_median", "median", 1, signed=True),
        Column("dice_wins", "wins"),
        *([Column("dice_worst", "worst scenario")] if len(results.scenarios) > 1 else []),
        Column("dice_p", "p (Holm)"),
        *_difference_columns(f"HD95 − {baseline}", "hd95"),
        Column("left_out", "HD95 undefined"),
    )
    return Table(caption, columns, rows)


def k_table(
    results: Results, baseline: str, suffix: str, caption: str, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Table:
    """The difference in Dice from the baseline by k, with its interval."""
    methods = [method for method in results.present if method != baseline]
    rows: dict[str, dict[str, object]] = {method: {"method": method} for method in methods}
    for k in results.ks:
        pairs = [(method, baseline) for method in methods]
        for comparison in compare_pairs(results.select(k=k), pairs, dice(suffix), bootstrap):
            mean = format_number(comparison.mean, 1, signed=True)
            rows[comparison.method][f"k{k}"] = f"{mean} {interval_text(comparison.interval)}".strip()
    columns = (Column("method", "method"), *(Column(f"k{k}", f"k = {k}") for k in results.ks))
    return Table(caption, columns, list(rows.values()))


def losses_table(results: Results, baseline: str, suffix: str, caption: str, count: int = 3) -> Table:
    """The cells in which each method loses most against the baseline; no gain is shown."""
    rows = []
    for method in results.present:
        if method == baseline:
            continue
        own = cell_means(results, method, dice(suffix))
        cells = differences(results, method, baseline, dice(suffix)).by_cell()
        losses = sorted((value, cell) for cell, value in cells.items() if value < 0)
        rows += [
            {"method": method, **cell._asdict(), "dice": own[cell], "difference": value}
            for value, cell in losses[:count]
        ]
    columns = (
        Column("method", "method"),
        Column("scenario", "scenario"),
        *(Column(name, name) for name in ("fold", "k", "seed")),
        Column("dice", "Dice", 1),
        Column("difference", f"Dice − {baseline}", 1, signed=True),
    )
    return Table(caption, columns, rows)


def ablation_table(
    results: Results,
    pairs: Sequence[tuple[str, str]],
    suffix: str,
    caption: str,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Table:
    """What a part is worth: pairs of methods (with it, without it), differences A − B."""
    overlap, distance = (
        {(c.method, c.baseline): c for c in compare_pairs(results, pairs, measure, bootstrap)}
        for measure in (dice(suffix), hd95(suffix))
    )
    rows = []
    for pair, comparison in overlap.items():
        row = {"pair": f"{pair[0]} − {pair[1]}", "cells": comparison.cells}
        row |= _difference(comparison, "dice")
        if pair in distance:
            row |= _difference(distance[pair], "hd95")
        rows.append(row)
    columns = (
        Column("pair", "A − B"),
        Column("cells", "cells"),
        *_difference_columns("Dice", "dice"),
        Column("dice_median", "median", 1, signed=True),
        Column("dice_wins", "wins of A"),
        Column("dice_worst", "worst scenario"),
        Column("dice_p", "p (Holm)"),
        *_difference_columns("HD95", "hd95"),
    )
    return Table(caption, columns, rows)


def cell_means(results: Results, method: str, measure: Measure) -> dict[Cell, float]:
    """The mean of a measure, in its shown unit, over the labels and test cases of every cell of a method.

    Undefined values are left out; a cell without any other has no mean.
    """
    rows = results.rows_of(method)
    values = measure.scale * results.values[measure.column][rows]
    known = np.isfinite(values)
    cell = results.cell[rows][known]
    sums, counts = np.bincount(cell, values[known]), np.bincount(cell)
    return {results.cells[c]: float(sums[c] / counts[c]) for c in np.flatnonzero(counts)}


def spread_of_cells(cells: dict[Cell, float]) -> Spread | None:
    """The mean over scenarios with their k of the mean over cells, and the deviation over cells."""
    if not cells:
        return None
    groups: dict[tuple[str, int], list[float]] = {}
    for cell, value in cells.items():
        groups.setdefault(cell.group, []).append(value)
    values = np.array(list(cells.values()))
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean([np.mean(group) for group in groups.values()])), deviation, len(values))


def interval_text(interval: tuple[float, float] | None, digits: int = 1) -> str:
    """`[+0.2, +1.3]`; nothing where there is none."""
    if interval is None:
        return ""
    return f"[{', '.join(format_number(end, digits, signed=True) for end in interval)}]"


def _difference(comparison: Comparison, key: str) -> dict[str, object]:
    scenario, mean = comparison.worst
    ties = f", {comparison.ties} ties" if comparison.ties else ""
    return {
        f"{key}_mean": Spread(comparison.mean, comparison.sd, comparison.cells),
        f"{key}_interval": interval_text(comparison.interval) or None,
        f"{key}_median": comparison.median,
        f"{key}_wins": f"{comparison.wins}/{comparison.cells}{ties}",
        f"{key}_worst": f"{scenario} {format_number(mean, 1, signed=True)}",
        f"{key}_p": _p_text(comparison.p_holm),
    }


def _difference_columns(title: str, key: str) -> tuple[Column, Column]:
    return Column(f"{key}_mean", title, 1, signed=True), Column(f"{key}_interval", "95 % CI")


def _p_text(p: float | None) -> str | None:
    if p is None:
        return None
    smallest = 10.0**-P_DIGITS
    return f"≤ {smallest:g}" if p <= smallest else format_number(p, P_DIGITS)
