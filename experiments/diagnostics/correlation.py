"""Does the normalised score tell which source to take? Rank correlation with the Dice after adaptation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from experiments.diagnostics.maps import csv_text
from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, LEVEL, Bootstrap
from experiments.summary.pairs import transfer_pairs
from experiments.summary.tables import interval_text
from TransferRiskLib.atomic import atomic_path, write_text
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.reports.drawing import colour, drawing, legend_below, marker, to_png
from TransferRiskLib.reports.tables import Column, Table, format_number, to_markdown

FEWEST_PAIRS = 3
"""With fewer there is nothing to rank."""


@dataclass(frozen=True)
class PairRow:
    """A scenario, which is a source with a target: means over its cells.

    Attributes:
        scenario, method: What was run.
        cells: How many.
        score: Normalised score.
        dice: After keeping the largest component, 0 to 1.
    """

    scenario: str
    method: str
    cells: int
    score: float
    dice: float


def read_pairs(files: Sequence[Path]) -> list[PairRow]:
    """The source/target pairs in the `cells.csv` of reports; cells without a score are passed over.

    Scenarios of several reports that have one name are different pairs, told apart by the report's folder.

    Raises:
        SettingsError: a file that cannot be read.
    """
    found: dict[tuple[Path, str, str], list[tuple[float, float]]] = {}
    for file in files:
        try:
            with file.open(newline="", encoding="utf-8") as handle:
                for row in csv.DictReader(handle):
                    if row["normalised_score"] and row["dice_lc"]:
                        key = file, row["scenario"], row["method"]
                        numbers = float(row["normalised_score"]), float(row["dice_lc"])
                        found.setdefault(key, []).append(numbers)
        except (OSError, KeyError, ValueError) as error:
            raise SettingsError(f"cannot be read as cells ({error}).", file=file) from error
    places = {scenario: {f for f, name, _ in found if name == scenario} for _, scenario, _ in found}
    return [
        PairRow(
            scenario if len(places[scenario]) == 1 else f"{file.parent.name}: {scenario}",
            method,
            len(cells),
            *(float(mean) for mean in np.mean(cells, axis=0)),
        )
        for (file, scenario, method), cells in found.items()
    ]


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank correlation along the last axis, ties by mean ranks; not-a-number where one side is constant.

    Args:
        x, y: (..., n).

    Returns:
        (...), −1 to 1.
    """
    ranks = [rankdata(values, axis=-1) for values in (x, y)]
    centred = [values - values.mean(axis=-1, keepdims=True) for values in ranks]
    product = (centred[0] * centred[1]).sum(-1)
    size = np.sqrt((centred[0] ** 2).sum(-1) * (centred[1] ** 2).sum(-1))
    return np.divide(product, size, out=np.full(np.shape(product), np.nan), where=size > 0)


def correlation(
    score: np.ndarray, dice: np.ndarray, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> tuple[float, tuple[float, float]] | None:
    """Rank correlation over pairs and its 95 % percentile interval, resampling pairs.

    Resamples in which all scores or all Dice are the same have no correlation and are passed over. Pairs
    that share a target or a source are not independent, so the interval is rather too narrow.

    Args:
        score, dice: (n,).
        bootstrap: How the interval is made.

    Returns:
        None with fewer than `FEWEST_PAIRS` pairs, or where one side is constant.
    """
    whole = float(spearman(score, dice))
    if len(score) < FEWEST_PAIRS or np.isnan(whole):
        return None
    generator = np.random.default_rng(bootstrap.seed)
    drawn = generator.integers(len(score), size=(bootstrap.resamples, len(score)))
    low, high = np.nanquantile(spearman(score[drawn], dice[drawn]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return whole, (float(low), float(high))


def within_targets(rows: Sequence[PairRow]) -> tuple[float, int] | None:
    """The mean over targets of the rank correlation over their sources, and the number of targets.

    A target's own difficulty plays no part here: it is the question of somebody with one target and
    several sources. Scenarios named `A-to-B` take part (`transfer_pairs`), where a target has at least
    `FEWEST_PAIRS` sources; None where none has.
    """
    groups: dict[tuple[str, str], list[PairRow]] = {}
    by_name = {row.scenario: row for row in rows}
    for matrix, scenarios in transfer_pairs(list(by_name)).items():
        for scenario, (_, target) in scenarios.items():
            groups.setdefault((matrix, target), []).append(by_name[scenario])
    values = [
        float(spearman(np.array([row.score for row in some]), np.array([row.dice for row in some])))
        for some in groups.values()
        if len(some) >= FEWEST_PAIRS
    ]
    known = [value for value in values if not np.isnan(value)]
    return (float(np.mean(known)), len(known)) if known else None


def correlation_table(rows: Sequence[PairRow], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Table:
    """The rank correlations of every method."""
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        mine = [row for row in rows if row.method == method]
        found = correlation(
            np.array([row.score for row in mine]), np.array([row.dice for row in mine]), bootstrap
        )
        inner = within_targets(mine)
        within = None if inner is None else f"{format_number(inner[0], 2, True)} ({inner[1]} targets)"
        lines.append(
            {
                "method": method,
                "pairs": len(mine),
                "rho": None if found is None else found[0],
                "interval": None if found is None else interval_text(found[1], 2),
                "inner": within,
            }
        )
    columns = (
        Column("method", "method"),
        Column("pairs", "source/target pairs"),
        Column("rho", "Spearman", 2, signed=True),
        Column("interval", "95 % CI"),
        Column("inner", "within targets"),
    )
    return Table("Normalised score and Dice after adaptation", columns, lines)


def correlation_figure(rows: Sequence[PairRow]) -> bytes:
    """PNG: Dice against the normalised score, a dot a source/target pair."""
    methods = list(dict.fromkeys(row.method for row in rows))
    with drawing(6.4, 4.4) as (figure, (axis,)):
        for number, method in enumerate(methods):
            mine = [row for row in rows if row.method == method]
            axis.plot(
                [row.score for row in mine], [100 * row.dice for row in mine], linestyle="",
                marker=marker(number), color=colour(number), markersize=5, alpha=0.8, label=method,
            )  # fmt: skip
        axis.set(xlabel="normalised score of the source, 0 to 1", ylabel="mean Dice (points)")
        legend_below(figure, axis, len(methods))
        return to_png(figure)


def write_correlation(
    files: Sequence[Path],
    output: Path,
    methods: Sequence[str] = (),
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Path:
    """Write `correlation.csv`, `correlation.md` and `correlation.png`; returns the Markdown's path.

    Args:
        files: `cells.csv` of reports.
        output: Folder.
        methods: Only these; empty for all that have scores.
        bootstrap: How intervals are made.

    Raises:
        SettingsError: no cell with a score.
    """
    rows = [row for row in read_pairs(files) if not methods or row.method in methods]
    if not rows:
        raise SettingsError("No cell has a normalised score.", file=", ".join(map(str, files)))
    write_text(output / "correlation.csv", csv_text(PairRow, rows))
    with atomic_path(output / "correlation.png") as scratch:
        scratch.write_bytes(correlation_figure(rows))
    write_text(output / "correlation.md", to_markdown(correlation_table(rows, bootstrap)))
    return output / "correlation.md"
