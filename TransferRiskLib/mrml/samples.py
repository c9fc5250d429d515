"""Simulated scans as sample data: made when they are asked for, so that they need no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import TransferRiskLib
from TransferRiskLib.errors import SettingsError

# What simulates is imported late: Slicer lists the samples when it starts.


@dataclass(frozen=True)
class SampleFile:
    """One file of a sample.

    Attributes:
        name: Of the file. It bears the version: Slicer keeps files of sample data, and a later version
            may simulate others.
        node: Name of the node in the scene.
        kind: As Slicer's readers call it.
        seed: Of the subject.
    """

    name: str
    node: str
    kind: Literal["VolumeFile", "SegmentationFile"]
    seed: int


@dataclass(frozen=True)
class Sample:
    """One offer of sample data.

    Attributes:
        name: What people choose.
        contrast: Of the images.
        site: Where the subjects are scanned.
        seeds: A subject each.
        labelled: Whether segmentations come along.
    """

    name: str
    contrast: str
    site: Literal["university", "county"]
    seeds: tuple[int, ...]
    labelled: bool

    @property
    def files(self) -> tuple[SampleFile, ...]:
        """Images and segmentations, subject by subject; a segmentation is named after its volume."""
        return tuple(self._files())

    def _files(self) -> Iterator[SampleFile]:
        for seed in self.seeds:
            node = f"{self.site}-{seed:04d}_{self.contrast}"
            name = f"TransferRisk-{TransferRiskLib.__version__}-{node}"
            yield SampleFile(f"{name}.nrrd", node, "VolumeFile", seed)
            if self.labelled:
                yield SampleFile(f"{name}.seg.nrrd", f"{node}_label", "SegmentationFile", seed)


SAMPLES = (
    Sample("Simulated T1 brain, university hospital", "T1", "university", (7001,), True),
    Sample("Simulated T1 brains, county hospital, 3 with labels", "T1", "county", (7101, 7102, 7103), True),
    Sample("Simulated T1 brain, county hospital, to segment", "T1", "county", (7201,), False),
    Sample("Simulated T2 brain, county hospital", "T2", "county", (7301,), True),
    Sample("Simulated FLAIR brain, county hospital", "FLAIR", "county", (7401,), True),
)


def make_sample_file(name: str, folder: Path) -> Path:
    """A file of a sample, simulated unless it is there already. To simulate takes seconds: image and
    segmentation of a subject are written together.

    Args:
        name: One of the names of `SAMPLES`' files.
        folder: Where it goes; made when it is not there.

    Raises:
        SettingsError: no sample has such a file. StorageError: it cannot be written.
    """
    for sample in SAMPLES:
        for file in sample.files:
            if file.name == name:
                path = folder / name
                if not path.is_file():
                    _simulate(sample, file.seed, folder)
                return path
    raise SettingsError(f"There is no sample with a file {name!r}.")


def _simulate(sample: Sample, seed: int, folder: Path) -> None:
    """Write the files of a subject."""
    from TransferRiskLib.atomic import storage_error
    from TransferRiskLib.cases.segmentation_files import write_seg_nrrd
    from TransferRiskLib.cases.simulate import SOURCE_SITE, TARGET_SITE, simulate_case
    from TransferRiskLib.volumes.io import write_volume
    from TransferRiskLib.volumes.volume import Volume

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    site = SOURCE_SITE if sample.site == "university" else TARGET_SITE
    case = simulate_case(seed, (sample.contrast,), site)
    for file in sample.files:
        if file.seed != seed:
            continue
        if file.kind == "SegmentationFile":
            write_seg_nrrd(case.labels, case.geometry, case.scheme, folder / file.name)
        else:
            write_volume(Volume(case.images[sample.contrast], case.geometry), folder / file.name)
