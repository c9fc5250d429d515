"""The row files of studies.

A study folder holds `study.json` and `cells/*/rows.csv`: one row a test case and label, with what was
measured there and the cell that it belongs to. A cell is one scenario, fold, k and seed; all methods of
a cell share its training and test cases, so that they can be paired.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.summary.results import MEASURES, Cell, Cost, Results
from TransferRiskLib.errors import SettingsError

FALLBACK_BASELINE = "plain"


def read_results(folders: Sequence[Path], baselines: Sequence[str] = ()) -> Results:
    """All rows of all studies.

    Where two folders hold the same method in the same cell, the first folder's rows are kept and the
    others are left out; `notes` says how many, and how far their Dice was off.

    Args:
        folders: Study folders; the order of methods and the baselines are those of the first that
            names them.
        baselines: Instead of those of the studies that have rows.

    Raises:
        SettingsError: no rows, rows that lack a column or are there twice, or a baseline that nobody ran.
    """
    table = _Table()
    for folder in folders:
        files = sorted((folder / "cells").glob("*/rows.csv"))
        for file in files:
            table.add(folder, file)
    if not table.rows:
        raise SettingsError(
            "hold no rows.",
            file=", ".join(map(str, folders)),
            hint="A study folder has cells/*/rows.csv; run the study first.",
        )
    configs = [_config(folder) for folder in folders]
    listed = next((names for config in configs if (names := _names(config.get("methods")))), ())
    known = {row.method for row in table.rows}
    methods = (*[name for name in listed if name in known], *sorted(known - set(listed)))
    named = next(
        (names for config in configs if (names := _names(config.get("baseline")))), (FALLBACK_BASELINE,)
    )
    # an unfinished study may lack some of its baselines
    chosen = tuple(baselines) or tuple(name for name in named if name in known) or named
    for name in chosen:
        if name not in known:
            raise SettingsError(
                f"No row is of the baseline {name!r}.", hint=f"Methods with rows: {', '.join(methods)}."
            )
    return table.results(methods, chosen)


class _Row(NamedTuple):
    cell: Cell
    method: str
    unit: tuple[str, str]
    subject: str
    values: tuple[float, ...]
    score: float
    cost: Cost


class _Table:
    """Rows as they are read, with where each method of a cell came from."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self._dice: dict[tuple[Cell, str, tuple[str, str]], float] = {}
        self._home: dict[tuple[Cell, str], Path] = {}
        self._repeated: dict[tuple[Path, Path, str], list[float]] = {}

    def add(self, folder: Path, file: Path) -> None:
        with file.open(newline="", encoding="utf-8") as handle:
            for record in csv.DictReader(handle):
                self._add(folder, file, _parsed(record, file))

    def _add(self, folder: Path, file: Path, row: _Row) -> None:
        key = (row.cell, row.method, row.unit)
        home = self._home.setdefault((row.cell, row.method), folder)
        if home != folder:
            off = abs(row.values[0] - self._dice.get(key, math.nan))
            self._repeated.setdefault((home, folder, row.method), []).append(off)
            return
        if key in self._dice:
            raise SettingsError(
                f"holds a row that is there already: {row.method}, {row.cell}, {row.unit}.", file=file
            )
        self._dice[key] = row.values[0]
        self.rows.append(row)

    def results(self, methods: Sequence[str], baselines: Sequence[str]) -> Results:
        cells, cell = _indexed([row.cell for row in self.rows])
        subjects, subject = _indexed([row.subject for row in self.rows])
        units, unit = _indexed([row.unit for row in self.rows])
        method = np.array([methods.index(row.method) for row in self.rows])
        values = np.array([row.values for row in self.rows])
        costs = {
            (int(c), int(m)): row.cost for c, m, row in zip(cell, method, self.rows, strict=True)
        }  # every row of a method in a cell repeats what the whole took
        notes = tuple(
            f"{len(off)} rows of {name} in {other} are in {home} already and were left out; their Dice "
            f"differs by at most {100 * np.nanmax([0.0, *off]):.2f} points."
            for (home, other, name), off in self._repeated.items()
        )
        return Results(
            cells,
            tuple(methods),
            tuple(baselines),
            subjects,
            units,
            cell,
            method,
            subject,
            unit,
            {name: values[:, n] for n, name in enumerate(MEASURES)},
            np.array([row.score for row in self.rows]),
            costs,
            notes,
        )


def _parsed(record: dict[str, str], file: Path) -> _Row:
    try:
        cell = Cell(record["scenario"], int(record["fold"]), int(record["k"]), int(record["seed"]))
        return _Row(
            cell,
            record["method"],
            (record["case"], record["label"]),
            record["subject"],
            tuple(_number(record[name]) for name in MEASURES),
            _number(record["normalised_score"]),
            Cost(float(record["seconds"] or 0), int(record["trainings"] or 0)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise SettingsError(f"holds a row that cannot be read ({error}).", file=file) from error


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _indexed(values: Sequence[Any]) -> tuple[tuple[Any, ...], np.ndarray]:
    """The distinct values, sorted, and the place of each value among them."""
    distinct = tuple(sorted(set(values)))
    places = {value: place for place, value in enumerate(distinct)}
    return distinct, np.array([places[value] for value in values], np.int64)


def _config(folder: Path) -> dict[str, Any]:
    """The settings of a study; nothing where it has no `study.json`."""
    file = folder / "study.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return dict(content.get("config", content))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SettingsError(f"cannot be read as the settings of a study ({error}).", file=file) from error


def _names(value: Any) -> tuple[str, ...]:
    """Names given as one name, a list of names, a list of objects with names, or the keys of an object."""
    if isinstance(value, str):
        return (value,)
    return tuple(item["name"] if isinstance(item, dict) else item for item in value or ())
