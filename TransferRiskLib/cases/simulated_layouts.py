"""Simulated cohorts in the layouts of FeTS 2021 and iSeg-2019, so that a protocol for them runs without data.

Only files, names, labels and grids are those of the data sets. The brains are those of `simulate`:
adults, with procedural tumours in place of gliomas and without the contrasts of an infant's brain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import write_text
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import BACKGROUND, LabelMapping
from TransferRiskLib.cases.layouts_fets import FETS_SCHEME
from TransferRiskLib.cases.layouts_iseg import ISEG_SCHEME
from TransferRiskLib.cases.simulate import (
    BRAIN_SCHEME,
    SOURCE_SITE,
    TARGET_SITE,
    TUMOUR_SCHEME,
    SimulatedCase,
    simulate_case,
)
from TransferRiskLib.cases.simulation_anatomy import Population
from TransferRiskLib.cases.simulation_scanner import Sequence as PulseSequence
from TransferRiskLib.cases.simulation_scanner import Site
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.volumes.analyze import analyze_geometry, write_analyze
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

INSTITUTIONS = (
    SOURCE_SITE,
    TARGET_SITE,
    Site(
        name="harbour",
        sequences={
            "T1": PulseSequence("spin", tr=520, te=12),
            "T2": PulseSequence("spin", tr=5500, te=110),
            "FLAIR": PulseSequence("inversion", tr=8000, te=140, ti=2300),
        },
        noise=0.04,
        bias=0.12,
        drift=0.04,
        gain=250.0,
    ),
)
"""Where the FeTS-like cases come from; only scanner and protocol differ, patients and grid do not."""

PARTITION_FILE = "partitioning_1.csv"

_EXTENT = (141.0, 159.0, 135.0)
"""Box of a scan along left, posterior, superior, in mm: every simulated brain fits in."""

_FETS_LABELS = LabelMapping(
    TUMOUR_SCHEME,
    FETS_SCHEME,
    {
        label.name: label.name if label.name in FETS_SCHEME.names else BACKGROUND
        for label in TUMOUR_SCHEME.labels
    },
)
# a population without lesions has no voxel of the label that stands for them
_ISEG_LABELS = LabelMapping(
    BRAIN_SCHEME, ISEG_SCHEME, {"CSF": "CSF", "GM": "GM", "WM": "WM", "lesion": BACKGROUND}
)


def simulate_fets(
    folder: Path,
    counts: Sequence[int],
    seed: int,
    institutions: Sequence[Site] = INSTITUTIONS,
    spacing: float = 1.0,
) -> Cohort:
    """Write tumour cases as FeTS 2021 does, with `partitioning_1.csv`.

    Every case has T1, T1ce, T2 and FLAIR (int16) and a tumour with all three labels; subjects whose
    tumour is too thin for them are passed over. Institutions are numbered from 1.

    Args:
        folder: Must be empty or absent; gets a folder a case, `FeTS21_Training_001` and so on.
        counts: Number of cases of every institution.
        seed: Decides everything; subjects count up from it.
        institutions: Scanners and protocols; contrasts, patients and grid are replaced.
        spacing: Of the isotropic grid, in mm; the data set has 1 mm.

    Returns:
        The cohort as `read_cohort` reads it; `read_institutions` gives its institutions.

    Raises:
        SettingsError: numbers that make no sense, or a folder that holds something.
        StorageError: no space or no permission.
    """
    folder = _empty(folder)
    if len(counts) != len(institutions) or min(counts, default=0) < 1:
        raise SettingsError(
            f"Every institution needs at least one case; there are {len(institutions)} institutions "
            f"and the counts {tuple(counts)}."
        )
    seeds = itertools.count(seed)
    lines = ["Partition_ID,Subject_ID"]
    for number, (site, count) in enumerate(zip(institutions, counts, strict=True), start=1):
        for simulated in itertools.islice(_tumour_cases(seeds, _tumour_site(site, spacing)), count):
            name = f"FeTS21_Training_{len(lines):03d}"
            lines.append(f"{number},{name}")
            arrays = {contrast.lower(): _whole(image) for contrast, image in simulated.images.items()}
            arrays["seg"] = FETS_SCHEME.decode(_FETS_LABELS.apply(simulated.labels))
            for suffix, array in arrays.items():
                file = folder / name / f"{name}_{suffix}.nii.gz"
                write_volume(Volume(array, simulated.geometry), file)
    write_text(folder / PARTITION_FILE, "\n".join(lines) + "\n")
    return read_cohort(folder)


def simulate_iseg(
    folder: Path, count: int, seed: int, unlabelled: int = 0, site: Site = SOURCE_SITE, spacing: float = 1.0
) -> Cohort:
    """Write healthy, skull-stripped brains as iSeg-2019 does: Analyze pairs of T1, T2 and labels.

    Args:
        folder: Must be empty or absent; gets `subject-1-T1.hdr`, `subject-1-T1.img` and so on.
        count: Number of labelled subjects.
        seed: Decides everything; subjects count up from it.
        unlabelled: Number of further subjects, without labels.
        site: Scanner and protocol; patients and grid are replaced.
        spacing: Of the isotropic grid, in mm; the data set has 1 mm.

    Returns:
        The cohort as `read_cohort` reads it.

    Raises:
        SettingsError: numbers that make no sense, or a folder that holds something.
        StorageError: no space or no permission.
    """
    folder = _empty(folder)
    if count < 1 or unlabelled < 0:
        raise SettingsError(f"There must be labelled subjects, not {count} and {unlabelled} unlabelled.")
    site = _on_atlas(replace(site, population=Population(lesions=(0, 0), atrophy=(0.0, 0.3))), spacing)
    for number in range(1, count + unlabelled + 1):
        simulated = simulate_case(seed + number - 1, ("T1", "T2"), site)
        arrays = {contrast: _whole(image) for contrast, image in simulated.images.items()}
        if number <= count:
            arrays["label"] = ISEG_SCHEME.decode(_ISEG_LABELS.apply(simulated.labels))
        for part, array in arrays.items():
            volume = Volume(array, analyze_geometry(simulated.geometry))
            write_analyze(volume, folder / f"subject-{number}-{part}.hdr")
    return read_cohort(folder)


def _tumour_cases(seeds: Iterator[int], site: Site) -> Iterator[SimulatedCase]:
    """Cases in which every part of a tumour has voxels."""
    parts = [TUMOUR_SCHEME.index(label.name) for label in FETS_SCHEME.foreground]
    for seed in seeds:
        case = simulate_case(seed, ("T1", "T1ce", "T2", "FLAIR"), site)
        if np.isin(parts, case.labels).all():
            yield case


def _tumour_site(site: Site, spacing: float) -> Site:
    with_agent = {**site.sequences, "T1ce": replace(site.sequences["T1"], agent=True)}
    patients = Population(lesions=(1, 2), atrophy=(0.2, 0.9), tumours=1.0, growth=1.7, nested=True)
    return _on_atlas(replace(site, sequences=with_agent, population=patients), spacing)


def _on_atlas(site: Site, spacing: float) -> Site:
    """The site, its scans on upright isotropic grids, as registered data sets have them."""
    if not 0 < spacing <= 4:
        raise SettingsError(f"The spacing must be above 0 and at most 4 mm, it is {spacing:g}.")
    i, j, k = (math.ceil(extent / spacing) for extent in _EXTENT)
    return replace(site, spacing=(spacing,) * 3, size=(i, j, k), orientation="LPS", obliqueness=0.0)


def _whole(image: np.ndarray) -> np.ndarray:
    """Intensities as int16; rounded up, so that the brain stays above the 0 around it."""
    return np.ceil(image).astype(np.int16)


def _empty(folder: Path) -> Path:
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingsError("is not empty.", file=folder, hint="Choose an empty or new folder.")
    return folder
