"""The rows of a cell: one a test case and label."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.study import Cell
from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.evaluation.components import keep_largest
from TransferRiskLib.evaluation.metrics import evaluate_masks
from TransferRiskLib.inference.decisions import labels_from_probabilities

COLUMNS = (
    "study", "scenario", "fold", "k", "seed", "method", "case", "subject", "label",
    "dice", "hd95", "assd", "dice_lc", "hd95_lc", "assd_lc", "seconds", "trainings", "normalised_score",
)  # fmt: skip

Row = dict[str, Any]


def measured(case: LoadedCase, probabilities: np.ndarray, scheme: LabelScheme) -> Iterator[Row]:
    """What every foreground label scores, as it is and with only its largest component (`_lc`).

    Args:
        case: A test case with labels.
        probabilities: (Y, k, j, i).
        scheme: The labels.
    """
    assert case.labels is not None, "test cases are labelled"
    plain = labels_from_probabilities(probabilities)
    cleaned = keep_largest(plain, range(1, len(scheme)))
    pairs = [evaluate_masks(mask, case.labels, case.geometry, scheme) for mask in (plain, cleaned)]
    for raw, largest in zip(*pairs, strict=True):
        yield {
            "case": case.name,
            "subject": case.group,
            "label": raw.label,
            "dice": raw.dice,
            "hd95": raw.hd95_mm,
            "assd": raw.assd_mm,
            "dice_lc": largest.dice,
            "hd95_lc": largest.hd95_mm,
            "assd_lc": largest.assd_mm,
        }


def write_rows(file: Path, study: str, cell: Cell, rows: Iterable[Row], common: Mapping[str, Any]) -> None:
    """Write a cell's rows, whole or not at all; what is undefined stays empty."""
    place = {
        "study": study,
        "scenario": cell.scenario,
        "fold": cell.fold,
        "k": cell.k,
        "seed": cell.seed,
        "method": cell.method,
    }
    with atomic_path(file) as scratch, scratch.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow({**place, **row, **common})


def gather(folder: Path) -> Path:
    """All cells' rows in one file, `results.csv`, in order of the cells' names."""
    target = folder / "results.csv"
    with atomic_path(target) as scratch, scratch.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        for file in sorted((folder / "cells").glob("*/rows.csv")):
            with file.open(newline="", encoding="utf-8") as rows:
                writer.writerows(csv.DictReader(rows))
    return target
