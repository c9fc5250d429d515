"""FeTS 2021 and iSeg-2019, which need a registration, and simulated cohorts in their layouts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.claims import Claims
from experiments.study_cohort import StudyCohort
from TransferRiskLib.atomic import atomic_folder
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.layouts_fets import read_institutions
from TransferRiskLib.cases.simulated_layouts import PARTITION_FILE, simulate_fets, simulate_iseg
from TransferRiskLib.errors import CaseError
from TransferRiskLib.records import from_json


@dataclass(frozen=True)
class SimulatedFets:
    """Options of `simulated-fets`: cases of every institution, seed, isotropic spacing in mm."""

    counts: tuple[int, ...] = (6, 6, 6)
    seed: int = 0
    spacing: float = 2.0


@dataclass(frozen=True)
class SimulatedIseg:
    """Options of `simulated-iseg`: subjects, seed, isotropic spacing in mm."""

    count: int = 10
    seed: int = 0
    spacing: float = 2.0


def fets2021(data: Path) -> StudyCohort:
    """The training data of FeTS 2021, in `fets2021` or where `TRANSFERRISK_FETS2021` says.

    Institutions are known where the challenge's `partitioning_1.csv` lies in the folder.
    """
    return _with_institutions(_folder(data, "fets2021", "TRANSFERRISK_FETS2021"))


def iseg2019(data: Path) -> StudyCohort:
    """The training data of iSeg-2019, in `iseg2019` or where `TRANSFERRISK_ISEG2019` says."""
    return StudyCohort(read_cohort(_folder(data, "iseg2019", "TRANSFERRISK_ISEG2019")))


def simulated_fets(folder: Path, options: Mapping[str, Any], claims: Claims) -> StudyCohort:
    """Simulated tumour cases in a folder; they are made where they are not there."""
    given = from_json(SimulatedFets, dict(options), "options of simulated-fets")
    with claims.waiting(f"data-{folder.name}", lambda: None):
        if not folder.is_dir():
            with atomic_folder(folder) as scratch:
                simulate_fets(scratch, given.counts, given.seed, spacing=given.spacing)
    return _with_institutions(folder)


def simulated_iseg(folder: Path, options: Mapping[str, Any], claims: Claims) -> StudyCohort:
    """Simulated healthy brains in a folder; they are made where they are not there."""
    given = from_json(SimulatedIseg, dict(options), "options of simulated-iseg")
    with claims.waiting(f"data-{folder.name}", lambda: None):
        if not folder.is_dir():
            with atomic_folder(folder) as scratch:
                simulate_iseg(scratch, given.count, given.seed, spacing=given.spacing)
    return StudyCohort(read_cohort(folder))


def _folder(data: Path, name: str, variable: str) -> Path:
    folder = Path(os.environ.get(variable) or data / name)
    if not folder.is_dir():
        raise CaseError(
            "does not exist.",
            file=folder,
            hint=f"Put the data set there, or name its folder in {variable}; it is not ours to hand on.",
        )
    return folder


def _with_institutions(folder: Path) -> StudyCohort:
    cohort = read_cohort(folder)
    partition = folder / PARTITION_FILE
    if not partition.is_file():
        return StudyCohort(cohort)
    members = read_institutions(partition, cohort.cases)
    return StudyCohort(
        cohort, institutions={case.group: name for name, cases in members.items() for case in cases}
    )
