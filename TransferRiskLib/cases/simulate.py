"""Simulated brain scans of two hospitals, for the demonstration and the tests. No real data."""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.cohorts import write_cohort
from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.cases.simulation_anatomy import OUTSIDE, Population, grow_head
from TransferRiskLib.cases.simulation_scanner import (
    Sequence,
    Site,
    acquire,
    sample_fractions,
    scan_geometry,
    strip_mask,
)
from TransferRiskLib.cases.simulation_tumour import nest_lesions
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

BRAIN_SCHEME = LabelScheme(
    (
        Label("background", 0, (0.0, 0.0, 0.0)),
        Label("CSF", 1, (0.337, 0.706, 0.914), "SCT:65216001 Cerebrospinal fluid"),
        Label("GM", 2, (0.6, 0.6, 0.6), "SCT:66935009 Gray matter of brain"),
        Label("WM", 3, (0.941, 0.894, 0.859), "SCT:68523003 White matter of brain"),
        Label("lesion", 4, (0.835, 0.369, 0.0), "SCT:52988006 Lesion"),
    )
)
"""Labels of simulated cases, in the order of the tissues of a head."""

TUMOUR_SCHEME = LabelScheme(
    (
        *BRAIN_SCHEME.labels[:-1],
        Label("edema", 4, (0.337, 0.706, 0.914), "SCT:79654002 Edema"),
        Label("necrotic core", 5, (0.902, 0.624, 0.0), "SCT:6574001 Necrosis"),
        Label("enhancing tumour", 6, (0.0, 0.62, 0.451)),
    )
)
"""Labels of simulated cases whose lesions are nested, in the order of the tissues of a head."""

SOURCE_SITE = Site(
    name="university",
    sequences={
        "T1": Sequence("inversion", tr=2300, te=3, ti=900),
        "T2": Sequence("spin", tr=4500, te=100),
        "FLAIR": Sequence("inversion", tr=9000, te=120, ti=2500),
    },
)
"""Where the source models come from: a research protocol with an inversion-prepared T1."""

TARGET_SITE = Site(
    name="county",
    sequences={
        "T1": Sequence("spoiled", tr=20, te=5, flip=25),
        "T2": Sequence("spin", tr=3000, te=85),
        "FLAIR": Sequence("inversion", tr=7000, te=100, ti=2200),
    },
    spacing=(2.2, 2.2, 3.0),
    orientation="RAS",
    obliqueness=8.0,
    noise=0.05,
    bias=0.16,
    drift=0.05,
    gain=900.0,
    population=Population(lesions=(1, 3), atrophy=(0.3, 1.0), tumours=0.5),
)
"""Where the model is wanted: a clinical protocol with less contrast, older patients, more lesions."""


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """A simulated examination.

    Attributes:
        name: Site and seed.
        images: Contrast name to float32 array, shape (k, j, i), 0 outside the stripped brain.
        labels: int16 class indices of `scheme`, shape (k, j, i).
        geometry: The grid that all of them share.
        scheme: Background, CSF, GM, WM, lesion; or, of nested lesions, their parts.
    """

    name: str
    images: dict[str, np.ndarray]
    labels: np.ndarray
    geometry: Geometry
    scheme: LabelScheme = BRAIN_SCHEME


def simulate_case(seed: int, contrasts: Several[str] = ("T1",), site: Site = SOURCE_SITE) -> SimulatedCase:
    """A random subject scanned at a site.

    The anatomy depends on the seed and the site's population only, and every contrast draws its own
    randomness: asking for one contrast more leaves the others as they were, to the bit.

    Args:
        seed: Not negative.
        contrasts: Keys of `site.sequences`.
        site: Where the subject is scanned.

    Raises:
        SettingsError: a negative seed, or a contrast that the site has no sequence for.
    """
    if seed < 0:
        raise SettingsError(f"The seed must not be negative, it is {seed}.")
    for contrast in contrasts:
        if contrast not in site.sequences:
            raise SettingsError(
                f"The site {site.name!r} has no sequence for the contrast {contrast!r}.",
                hint=f"It has: {', '.join(site.sequences)}.",
            )
    head = grow_head(np.random.default_rng([seed, 0]), site.population)
    if site.population.nested:
        head = nest_lesions(head)
    examination = np.random.default_rng([seed, 1])
    geometry = scan_geometry(examination, site)
    fractions = sample_fractions(head, geometry, site.blur)
    stripped = strip_mask(examination, fractions)
    labels = fractions.argmax(axis=0).astype(np.int16)
    labels[~stripped] = OUTSIDE
    order = list(site.sequences)
    images = {
        contrast: acquire(
            np.random.default_rng([seed, 2 + order.index(contrast)]), fractions, stripped, site, contrast
        )
        for contrast in contrasts
    }
    return SimulatedCase(f"{site.name}-{seed:04d}", images, labels, geometry, _scheme_of(site))


def _scheme_of(site: Site) -> LabelScheme:
    return TUMOUR_SCHEME if site.population.nested else BRAIN_SCHEME


def simulate_cohort(
    folder: Path,
    count: int,
    seed: int,
    contrasts: Several[str] = ("T1",),
    site: Site = TARGET_SITE,
    labelled: bool = True,
) -> Cohort:
    """Write simulated cases as NIfTI files with a JSON list (`cohort.json`) that names them.

    Args:
        folder: Gets a folder a case.
        count: Number of cases.
        seed: Of the first case; the others follow.
        contrasts: Channels of every case.
        site: Where the subjects are scanned.
        labelled: Whether the labels are written as well.

    Returns:
        The cohort, its label scheme included when it is labelled.
    """
    if count < 1:
        raise SettingsError(f"A cohort needs at least one case, not {count}.")
    cases = []
    for number in range(count):
        simulated = simulate_case(seed + number, contrasts, site)
        place = Path(folder) / simulated.name
        images = {}
        for contrast, array in simulated.images.items():
            images[contrast] = ChannelFile(place / f"{contrast}.nii.gz")
            write_volume(Volume(array, simulated.geometry), images[contrast].path)
        labels = place / "labels.nii.gz" if labelled else None
        if labels is not None:
            values = simulated.scheme.decode(simulated.labels)
            write_volume(Volume(values, simulated.geometry), labels)
        cases.append(Case(simulated.name, images, labels))
    cohort = Cohort(tuple(cases), _scheme_of(site) if labelled else None, f"Simulated, {site.name}")
    write_cohort(cohort, Path(folder) / "cohort.json")
    return cohort
