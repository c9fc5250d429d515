"""The simulated scans in Slicer's Sample Data module.

Slicer asks for the files of a sample by their addresses, whether the user clicks a button or a script
calls `SampleData.downloadSample(name)`; a custom downloader would serve the button alone. So the files
have addresses of their own kind, and a rule that Slicer applies to every address before it downloads
simulates the file and gives its place on this computer.
"""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from TransferRiskLib.mrml.samples import SAMPLES, make_sample_file
from TransferRiskLib.session.background import waited_for

CATEGORY = "TransferRisk"
SCHEME = "transferrisk:"


def register(thumbnail: str) -> None:
    """Offer all samples; again does nothing.

    Args:
        thumbnail: Picture on their buttons.
    """
    from SampleData import SampleDataLogic

    SampleDataLogic.registerUrlRewriteRule(CATEGORY, simulated)
    if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.11 and later
        SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, title=_("Transfer Risk"))
    for sample in SAMPLES:
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=f"{CATEGORY}: {sample.name}",
            uris=[SCHEME + file.name for file in sample.files],
            fileNames=[file.name for file in sample.files],
            nodeNames=[file.node for file in sample.files],
            loadFileTypes=[file.kind for file in sample.files],
            thumbnailFileName=thumbnail,
        )


def simulated(address: str) -> str:
    """The address of a file on this computer for one of ours; any other address stays as it is.

    To simulate a subject takes seconds, in which the application stays alive.
    """
    if not address.startswith(SCHEME):
        return address
    name, folder = address.removeprefix(SCHEME), Path(slicer.app.temporaryPath) / CATEGORY
    return waited_for(lambda: make_sample_file(name, folder), slicer.app.processEvents).as_uri()
