"""Simulated scans as sample data: made on the spot, so that they need no network and no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Node = Any  # as in `nodes`; what simulates is imported late, since Slicer lists the samples when it starts


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


SAMPLES = (
    Sample("Simulated T1 brain, university hospital", "T1", "university", (7001,), True),
    Sample("Simulated T1 brains, county hospital, 3 with labels", "T1", "county", (7101, 7102, 7103), True),
    Sample("Simulated T1 brain, county hospital, to segment", "T1", "county", (7201,), False),
    Sample("Simulated T2 brain, county hospital", "T2", "county", (7301,), True),
    Sample("Simulated FLAIR brain, county hospital", "FLAIR", "county", (7401,), True),
)


def load_sample(scene: Node, sample: Sample) -> list[Node]:
    """Simulate the subjects of a sample and add them to a scene.

    Returns:
        The volume nodes; the segmentation of a subject is named after its volume.
    """
    from TransferRiskLib.cases.simulate import SOURCE_SITE, TARGET_SITE, simulate_case
    from TransferRiskLib.mrml.nodes import add_volume
    from TransferRiskLib.mrml.segmentations import add_segmentation
    from TransferRiskLib.volumes.volume import Volume

    site = SOURCE_SITE if sample.site == "university" else TARGET_SITE
    volumes = []
    for seed in sample.seeds:
        case = simulate_case(seed, (sample.contrast,), site)
        name = f"{case.name}_{sample.contrast}"
        volume = add_volume(scene, Volume(case.images[sample.contrast], case.geometry), name)
        volumes.append(volume)
        if sample.labelled:
            label = f"{name} segmentation"
            add_segmentation(scene, case.labels, case.geometry, case.scheme, label, volume)
    return volumes
