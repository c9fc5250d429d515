"""An experiment that trains for a moment: two-part balls in two contrasts, 16 voxels wide."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.checks import parse_experiment
from experiments.engine import Engine
from experiments.study import Cell, Study
from TransferRiskLib.progress import Progress
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

SIZE = (16, 16, 16)
GRID = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
SUBJECTS = 6
WHOLE = {"lower": "ball", "upper": "ball"}

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "k": [2],
    "budget": {"steps": 3, "batch_size": 1, "probe_steps": 1, "augmentation": "off"},
    "cohorts": {"balls": {"kind": "folder", "path": "balls"}},
    "sources": {
        "whole": {
            "cohort": "balls",
            "channels": ["T1"],
            "merge": WHOLE,
            "patch": [16, 16, 16],
            "network": {"kind": "dynunet", "levels": 3},
            "settings": {"steps": 3, "batch_size": 1, "learning_rate": 0.01},
        }
    },
    "scenarios": [
        {
            "name": "contrast",
            "source": "whole",
            "cohort": "balls",
            "channels": ["T2"],
            "merge": WHOLE,
            "test": 2,
        }
    ],
    "methods": {
        "source": {"kind": "source"},
        "eep": {"kind": "eep"},
        "plain": {"kind": "adapt", "settings": {"preset": "plain", "learning_rate": 0.01}},
        "plain-eep": {"kind": "mix", "of": "plain", "with": "eep", "share": 0.5},
        "plain-twice": {"kind": "ensemble", "of": "plain", "members": 2},
    },
}


def tiny(**changes: Any) -> dict[str, Any]:
    """The document of `TINY` with other fields."""
    return {**copy.deepcopy(TINY), **copy.deepcopy(changes)}


def write_balls(folder: Path, subjects: int = SUBJECTS) -> None:
    """`balls/s1/T1.nii.gz`, `T2.nii.gz` and `label.nii.gz`, and so on, in a data folder."""
    root = folder / "balls"
    root.mkdir(parents=True)
    labels = {"background": 0, "lower": 1, "upper": 2}
    (root / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    k, j, i = np.indices(SIZE)
    for number in range(1, subjects + 1):
        random = np.random.default_rng(number)
        centre, radius = random.uniform(6, 10, 3), random.uniform(3, 5)
        inside = (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 < radius**2
        parts = inside * np.where(k > centre[0], 2, 1)
        place = root / f"s{number}"
        place.mkdir()
        for name, contrast in (("T1", 1.0), ("T2", -1.0)):
            image = 5 + contrast * inside + 0.2 * parts + random.normal(0, 0.2, SIZE)
            write_volume(Volume(image.astype(np.float32), GRID), place / f"{name}.nii.gz")
        write_volume(Volume(parts.astype(np.uint8), GRID), place / "label.nii.gz")


def tiny_study(folder: Path, **changes: Any) -> Study:
    """A study of `TINY` in `folder/run`, its images in `folder/data`."""
    if not (folder / "data").is_dir():
        write_balls(folder / "data")
    return Study(parse_experiment(tiny(**changes)), folder / "run", folder / "data")


def engine_of(study: Study, progress: Progress | None = None) -> tuple[Engine, list[str]]:
    """An engine and the lines that it says; it never sleeps but fails where it would wait."""
    said: list[str] = []

    def refuse(seconds: float) -> None:
        raise AssertionError("there was nobody to wait for")

    return Engine(study, progress or Progress(), said.append, wait=refuse), said


def rows_of(study: Study, method: str) -> list[dict[str, str]]:
    """The rows of a method's first cell."""
    cell = next(cell for cell in study.cells if cell.method == method)
    with study.rows_file(cell).open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def cells_of(study: Study, *methods: str) -> list[Cell]:
    """The cells of some methods."""
    return [cell for cell in study.cells if cell.method in methods]
