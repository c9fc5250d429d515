"""Tables of a study from its cells: mean ± sd over cells, paired differences, wins.

python -m experiments.summarise runs/hippocampus
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

ORDER = ("source", "eep", "scratch", "paper", "plain-unaugmented", "plain", "recommended")
Cell = tuple[str, int, int]


def read_cells(folder: Path, measure: str) -> dict[str, dict[Cell, float]]:
    """Method to cell (scenario, k, seed) to the mean of a measure over test cases and labels.

    HD95 is undefined where a mask is empty; such cases are left out of the mean.
    """
    values: dict[str, dict[Cell, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((folder / "cells").glob("*/rows.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                if row[measure]:
                    cell = (row["scenario"], int(row["k"]), int(row["seed"]))
                    values[row["method"]][cell].append(float(row[measure]))
    return {
        method: {cell: float(np.mean(numbers)) for cell, numbers in cells.items()}
        for method, cells in values.items()
    }


def paired(one: dict[Cell, float], other: dict[Cell, float]) -> np.ndarray:
    """Differences over the cells that both have."""
    return np.array([one[cell] - other[cell] for cell in sorted(one) if cell in other])


def table(folder: Path, scenario: str | None, suffix: str, baseline: str) -> list[str]:
    """Markdown: Dice and HD95 of every method, and its paired difference from the baseline."""
    dice, hd95 = (read_cells(folder, f"{name}{suffix}") for name in ("dice", "hd95"))
    lines = [
        f"| method | cells | Dice | HD95 (mm) | Dice − {baseline} | median | wins | HD95 − {baseline} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method in ORDER:
        if method not in dice:
            continue
        mine, base = (
            {c: v for c, v in dice[m].items() if scenario in (None, c[0])} for m in (method, baseline)
        )
        far, base_far = (
            {c: v for c, v in hd95[m].items() if scenario in (None, c[0])} for m in (method, baseline)
        )
        if not mine:
            continue
        scores = 100 * np.array(list(mine.values()))
        row = [method, str(len(scores)), _spread(scores), _spread(np.array(list(far.values())))]
        if method == baseline:
            row += ["", "", "", ""]
        else:
            gain, distance = 100 * paired(mine, base), paired(far, base_far)
            middle = f"{np.median(gain):+.1f}" if len(gain) else ""
            wins = f"{(gain > 0).sum()}/{len(gain)}"
            row += [_spread(gain, "+.1f"), middle, wins, _spread(distance, "+.1f")]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def _within(cells: dict[Cell, float], scenario: str | None) -> dict[Cell, float]:
    return {cell: value for cell, value in cells.items() if scenario in (None, cell[0])}


def _spread(values: np.ndarray, form: str = ".1f") -> str:
    if not len(values):
        return ""
    deviation = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():{form}}{deviation}"


def main() -> None:
    """Print the tables of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--baseline", default="plain")
    given = parser.parse_args()
    scenarios = sorted({cell[0] for cells in read_cells(given.folder, "dice").values() for cell in cells})
    for suffix, words in (("_lc", "after keeping the largest component"), ("", "without largest component")):
        for scenario in (*scenarios, None):
            print(f"\n### {scenario or 'all scenarios'}, {words}\n")
            print("\n".join(table(given.folder, scenario, suffix, given.baseline)))
    for k in sorted({cell[1] for cells in read_cells(given.folder, "dice").values() for cell in cells}):
        dice = read_cells(given.folder, "dice_lc")
        base = dice[given.baseline]
        means = {
            method: 100 * paired({c: v for c, v in dice[method].items() if c[1] == k}, base)
            for method in ORDER
            if method in dice and method != given.baseline
        }
        shown = ", ".join(f"{method} {values.mean():+.1f}" for method, values in means.items() if len(values))
        print(f"\nk = {k}, Dice after largest component against {given.baseline}: {shown}")


if __name__ == "__main__":
    main()
