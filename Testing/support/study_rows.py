"""Study folders with row files that a test writes by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

COLUMNS = (
    "study", "scenario", "fold", "k", "seed", "method", "case", "subject", "label", "dice", "hd95", "assd",
    "dice_lc", "hd95_lc", "assd_lc", "seconds", "trainings", "normalised_score",
)  # fmt: skip
MEASURED = ("dice", "hd95", "assd")


def row(method: str, dice: float, **changes: object) -> dict[str, object]:
    """A row; distances follow Dice unless they are given, and `_lc` columns repeat the others."""
    given: dict[str, object] = {
        "study": "toy", "scenario": "site", "fold": 0, "k": 1, "seed": 0, "method": method, "subject": "p1",
        "label": "organ", "dice": dice, "hd95": 10 * (1 - dice), "assd": 1 - dice, "seconds": 36,
        "trainings": 1, "normalised_score": 0.5,
    } | changes  # fmt: skip
    given.setdefault("case", given["subject"])
    for name in MEASURED:
        given.setdefault(f"{name}_lc", given[name])
    return given


def write_study(
    folder: Path,
    rows: Iterable[Mapping[str, object]],
    methods: Sequence[str] | None = None,
    baseline: str | None = None,
) -> Path:
    """A study folder; a file a cell and method."""
    cells: dict[str, list[Mapping[str, object]]] = {}
    for one in rows:
        name = "-".join(str(one[key]) for key in ("scenario", "fold", "k", "seed", "method"))
        cells.setdefault(name, []).append(one)
    for name, members in cells.items():
        (folder / "cells" / name).mkdir(parents=True)
        with (folder / "cells" / name / "rows.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            writer.writeheader()
            writer.writerows(members)  # None is written as an empty field
    study = {"methods": {name: {} for name in methods or ()}}
    if baseline:
        study["baseline"] = baseline  # type: ignore[assignment]
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    return folder
