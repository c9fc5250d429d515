"""Everything that is said of a study, written into its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.summary import figures
from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from experiments.summary.paired import dice, differences
from experiments.summary.pairs import transfer_pairs
from experiments.summary.read import read_results
from experiments.summary.results import MEASURES, Results
from experiments.summary.tables import (
    VARIANTS,
    ablation_table,
    k_table,
    losses_table,
    methods_table,
)
from experiments.summary.verdict import DEFAULT_THRESHOLDS, Thresholds, verdict_table
from TransferRiskLib.atomic import atomic_folder, write_text
from TransferRiskLib.reports.tables import to_markdown

CELL_COLUMNS = (
    "scenario", "fold", "k", "seed", "method", "cases", *MEASURES, "hd95_undefined", "hd95_lc_undefined",
    "seconds", "trainings", "normalised_score",
)  # fmt: skip


def write_report(
    folder: Path,
    extra_folders: Sequence[Path] = (),
    baseline: str | None = None,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Path:
    """Write `tables.md`, `cells.csv` and `figures/*.png` into the folder of a study.

    - `tables.md`: for every baseline and with as well as without the largest component: methods over
      all scenarios and in each, by k, verdicts, worst losses; then the ablations.
    - `cells.csv`: a row a cell and method with the means over its labels and test cases, Dice 0 to 1,
      distances in mm; a mean of distances is over the cases in which they are defined, and the others
      are counted.
    - `figures/`: replaced as a whole.

    Args:
        folder: Of the study; gets the report.
        extra_folders: Further studies to read together with it.
        baseline: Instead of the study's own.
        pairs: Ablations: (method with a part, method without it).
        thresholds: What the verdicts ask.
        bootstrap: How intervals are made.

    Returns:
        The path of `tables.md`.

    Raises:
        SettingsError: see `read_results`. StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    results = read_results([folder, *map(Path, extra_folders)], [baseline] if baseline else ())
    write_text(folder / "cells.csv", cells_csv(results))
    with atomic_folder(folder / "figures") as scratch:
        for name, image in _figures(results, bootstrap):
            (scratch / f"{name}.png").write_bytes(image)
    parts = [_head(results), *_tables(results, pairs, thresholds, bootstrap)]
    write_text(folder / "tables.md", "\n".join(parts))
    return folder / "tables.md"


def cells_csv(results: Results) -> str:
    """A row a cell and method, see `write_report`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CELL_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for (cell, method), cost in sorted(results.costs.items()):
        rows = np.flatnonzero((results.cell == cell) & (results.method == method))
        columns = {name: values[rows] for name, values in results.values.items()}
        cases = {results.units[unit][0] for unit in results.unit[rows]}
        writer.writerow(
            {
                **results.cells[cell]._asdict(),
                "method": results.methods[method],
                "cases": len(cases),
                **{name: _mean_text(values) for name, values in columns.items()},
                "hd95_undefined": int(np.isnan(columns["hd95"]).sum()),
                "hd95_lc_undefined": int(np.isnan(columns["hd95_lc"]).sum()),
                "seconds": f"{cost.seconds:g}",
                "trainings": cost.trainings,
                "normalised_score": _mean_text(results.scores[rows]),
            }
        )
    return text.getvalue()


def _mean_text(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.6g}" if len(known) else ""


def _head(results: Results) -> str:
    """What the figures rest on."""
    cells = [results.cells[c] for c in np.unique(results.cell)]
    seeds = sorted({cell.seed for cell in cells})
    hours = sum(cost.seconds for cost in results.costs.values()) / 3600
    trainings = sum(cost.trainings for cost in results.costs.values())
    lines = [
        "# Tables",
        "",
        f"{len(cells)} cells ({len(results.scenarios)} scenarios; k = {_listed(results.ks)}; seeds "
        f"{_listed(seeds)}), {len(results.present)} methods, {len(np.unique(results.subject))} test "
        f"subjects, {trainings} trainings, {hours:.1f} hours of computing.",
        "",
        "A cell is one scenario, fold, k and seed; all methods of a cell share its training and test cases. "
        "Dice in points (hundredths), HD95 in mm; mean ± sd over cells. Differences are paired by case and "
        "label; their mean is that of the scenarios with their k. 95 % CI: percentile bootstrap over test "
        "subjects and seeds. A tie is no win. p: Wilcoxon signed-rank over test subjects, after Holm's "
        "correction over the methods of the table; it counts every test subject alike, where the mean counts "
        "every scenario and k alike, and cannot fall below 0.05 with fewer than six subjects. "
        "HD95 undefined: pairs of cases and labels left out of the difference because a mask is "
        "empty.",
        *(f"\n{note}" for note in results.notes),
    ]
    return "\n".join(lines) + "\n"


def _tables(
    results: Results, pairs: Sequence[tuple[str, str]], thresholds: Thresholds, bootstrap: Bootstrap
) -> Iterator[str]:
    for baseline in results.baselines:
        yield f"## Against {baseline}\n"
        others = [method for method in results.present if method != baseline]
        for suffix, words in VARIANTS.items():
            scenarios = [None, *results.scenarios] if len(results.scenarios) > 1 else [None]
            for scenario in scenarios:
                caption = f"{scenario or 'All scenarios'}, {words}"
                part = results.select(scenario)
                if len(part.rows_of(baseline)):
                    yield to_markdown(methods_table(part, baseline, suffix, caption, bootstrap))
            if len(results.ks) > 1:
                caption = f"Dice − {baseline} by k, {words}"
                yield to_markdown(k_table(results, baseline, suffix, caption, bootstrap))
            caption = f"What was asked, {words}"
            yield to_markdown(
                verdict_table(
                    results,
                    others,
                    baseline,
                    suffix,
                    caption,
                    thresholds,
                    bootstrap,
                )
            )
            yield to_markdown(losses_table(results, baseline, suffix, f"Worst losses, {words}"))
    if pairs:
        yield "## Ablations\n"
        for suffix, words in VARIANTS.items():
            caption = f"A − B, {words}"
            yield to_markdown(ablation_table(results, pairs, suffix, caption, bootstrap))


def _figures(results: Results, bootstrap: Bootstrap) -> Iterator[tuple[str, bytes]]:
    """Names and PNG bytes; Dice after keeping the largest component."""
    suffix = "_lc"
    if len(results.ks) > 1:
        yield "dice-by-k", figures.dice_by_k(results, suffix)
    matrices = transfer_pairs(results.scenarios)
    for baseline in results.baselines:
        yield (
            f"methods-against-{baseline}",
            figures.differences_by_method(results, baseline, suffix, bootstrap),
        )
        for method in results.present:
            means = differences(results, method, baseline, dice(suffix)).by_scenario()
            if method == baseline or not means:
                continue
            name = f"{method}-against-{baseline}"
            yield name, figures.differences_by_scenario(results, method, baseline, suffix, bootstrap)
            for matrix, scenarios in matrices.items():
                values = {pair: means[s] for s, pair in scenarios.items() if s in means}
                if len(values) > 1:
                    title = f"Dice of {method} − {baseline} (points)"
                    ending = f"-{matrix}" if matrix else ""
                    yield f"matrix{ending}-{name}", figures.transfer_matrix(values, title)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
