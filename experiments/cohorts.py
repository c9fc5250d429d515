"""The cohorts that experiments name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.challenge_cohorts import fets2021, iseg2019, simulated_fets, simulated_iseg
from experiments.claims import Claims
from experiments.config import CohortSpec
from experiments.open_cohorts import (
    brats2013_flair_t1c,
    lesion_flair_t1ce,
    msd_hippocampus,
    oasis_hippocampus_crops,
    oasis_t1_tissue,
)
from experiments.study_cohort import StudyCohort
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.errors import SettingsError

REGISTERED: dict[str, Callable[[Path], StudyCohort]] = {
    "msd_hippocampus": msd_hippocampus,
    "oasis_hippocampus_crops": oasis_hippocampus_crops,
    "oasis_t1_tissue": oasis_t1_tissue,
    "brats2013_flair_t1c": brats2013_flair_t1c,
    "lesion_flair_t1ce": lesion_flair_t1ce,
    "fets2021": fets2021,
    "iseg2019": iseg2019,
}
SIMULATED: dict[str, Callable[[Path, Mapping[str, Any], Claims], StudyCohort]] = {
    "simulated-fets": simulated_fets,
    "simulated-iseg": simulated_iseg,
}


def data_folder(given: Path | None = None) -> Path:
    """Where images lie: as given, `TRANSFERRISK_DATA`, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(given or os.environ.get("TRANSFERRISK_DATA") or beside)


def resolve_cohort(name: str, specs: Mapping[str, CohortSpec], data: Path, output: Path) -> StudyCohort:
    """The cohort of that name: one of the experiment's own, else a registered one.

    Args:
        name: As sources and scenarios name it.
        specs: The experiment's own cohorts.
        data: Folder in which the cohorts' folders lie.
        output: Simulated cohorts are written into its `data`.

    Raises:
        SettingsError: an unknown name, or options that the cohort does not have.
        CaseError: the cohort is not there.
    """
    spec = specs.get(name, CohortSpec(name))
    if spec.kind in SIMULATED:
        return SIMULATED[spec.kind](output / "data" / name, spec.options, Claims(output / "claims"))
    if spec.options:
        raise SettingsError(f"cohorts.{name}: only simulated cohorts have options.")
    if spec.kind == "folder":
        return StudyCohort(read_cohort(data / (spec.path or name), channels=spec.channels))
    if spec.kind not in REGISTERED:
        known = sorted({"folder", *REGISTERED, *SIMULATED, *specs})
        raise SettingsError(f"There is no cohort {spec.kind!r}.", hint=f"Cohorts: {', '.join(known)}.")
    return REGISTERED[spec.kind](data)
