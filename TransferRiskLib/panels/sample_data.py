"""The simulated scans in Slicer's Sample Data module."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from TransferRiskLib.mrml.samples import SAMPLES, Sample, load_sample

CATEGORY = "TransferRisk"


class Loader:
    """What the Sample Data module calls instead of a download.

    Args:
        sample: What to make.
    """

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def __call__(self, source: Any = None) -> list[Any]:
        from TransferRiskLib.mrml.overlay import show_scan

        volumes = load_sample(slicer.mrmlScene, self._sample)
        show_scan(volumes[0])
        return volumes

    def __str__(self) -> str:
        # Sources are compared by their text: a second registration must not offer everything twice.
        return f"simulated: {self._sample.name}"


def register(thumbnail: str) -> None:
    """Offer all samples; again does nothing.

    Args:
        thumbnail: Picture on their buttons.
    """
    from SampleData import SampleDataLogic

    if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.11 and later
        SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, title=_("Transfer Risk"))
    for sample in SAMPLES:
        # The lists of addresses and files must be as long as each other; nothing is downloaded.
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=f"{CATEGORY}: {sample.name}",
            uris="",
            fileNames=f"{sample.name}.nrrd",
            nodeNames=sample.name,
            thumbnailFileName=thumbnail,
            customDownloader=Loader(sample),
        )
