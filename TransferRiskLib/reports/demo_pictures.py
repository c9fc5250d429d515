"""Pictures of the demonstration: Slicer's own renders, or plain slices where those are not to be had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.segmentation_files import read_segmentation
from TransferRiskLib.mrml.render_request import Rendered, RenderRequest, render_case
from TransferRiskLib.progress import Progress
from TransferRiskLib.reports.figures import Overlay, montage
from TransferRiskLib.tasks.target import case_folder
from TransferRiskLib.volumes.io import read_volume

MAP_PICTURES = {
    "risk-axial": "Transfer risk, axial",
    "risk-sagittal": "Transfer risk, sagittal",
    "risk-coronal": "Transfer risk, coronal",
    "risk-3d": "Transfer risk, volume rendering",
    "gain-axial": "Transfer gain, axial",
}
COMPARED = ("reference", "source", "plain", "recommended")


def demo_pictures(output: Path, methods: Mapping[str, str], progress: Progress) -> dict[str, Path]:
    """Title to PNG file, for a finished demonstration in `output`; also saves two Slicer scenes.

    `scene.mrb` holds the first labelled case with its labels, maps and the EEP segmentation,
    `scan.mrb` the first scan before and after the adaptation.

    Args:
        output: The demonstration's folder.
        methods: Method to the words shown for it.
        progress: Told of every case.
    """
    labelled = read_cohort(output / "cohort" / "labelled")
    scans = read_cohort(output / "cohort" / "scans")
    case, scan = labelled.cases[0], scans.cases[0]
    folder = output / "pictures"
    progress.stage("Rendering", 2)
    maps = case_folder(output / "maps", case.name)
    assert case.labels is not None and scan.labels is not None, "the simulator labels every case"
    mapped = render_case(
        RenderRequest(
            _image(case),
            folder / "maps",
            {kind: maps / f"{kind}.nii.gz" for kind in ("risk", "gain", "expected-risk")},
            {"labels": case.labels, "EEP": maps / "eep-segmentation.nii.gz"},
            labelled.scheme,
            labels="labels",
            scene=output / "scene.mrb",
        )
    )
    progress.step()
    results = {
        method: case_folder(output / "scans" / method, scan.name) / "segmentation.seg.nrrd"
        for method in COMPARED[1:]
    }
    compared = render_case(
        RenderRequest(
            _image(scan),
            folder / "scan",
            segmentations={"reference": scan.labels, **results},
            scheme=scans.scheme,
            views=("axial", "coronal", "3d"),
            scene=output / "scan.mrb",
        )
    )
    progress.step()
    problem = mapped.problem or compared.problem
    if problem:
        progress.message(f"Slicer's views could not render ({problem}); plain slices are shown.", "warning")
        return {"Labelled case and its transfer risk": _plain_slices(case, maps, folder / "slices.png")}
    pictures = {
        title: mapped.pictures[name] for name, title in MAP_PICTURES.items() if name in mapped.pictures
    }
    return {**pictures, **_compared(compared, methods)}


def _compared(rendered: Rendered, methods: Mapping[str, str]) -> dict[str, Path]:
    pictures = {}
    for view in ("axial", "3d"):
        for method in COMPARED:
            name = f"segmentation-{method}-{view}"
            if name in rendered.pictures:
                title = "Reference" if method == "reference" else methods[method]
                pictures[f"{title}, {'3-D' if view == '3d' else view}"] = rendered.pictures[name]
    return pictures


def _image(case: Case) -> Path:
    return next(iter(case.images.values())).path


def _plain_slices(case: Case, maps: Path, path: Path) -> Path:
    """Image, labels and risk in the slice that holds the most risk."""
    image = read_volume(_image(case)).array
    risk = read_volume(maps / "risk.nii.gz").array
    assert case.labels is not None
    labels, _ = read_segmentation(case.labels)
    k = int(np.argmax(risk.sum(axis=(1, 2))))
    pictures = [
        Overlay("Scan", image[k][::-1]),
        Overlay("Labels", image[k][::-1], labels=labels.array[k][::-1]),
        Overlay("Transfer risk", image[k][::-1], heat=risk[k][::-1]),
    ]
    with atomic_path(path) as scratch:
        scratch.write_bytes(montage([pictures]))
    return path
