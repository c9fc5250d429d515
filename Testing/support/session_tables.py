"""What sessions are tried with: buttons, rows that lack something, reports of a worker's machine."""

from __future__ import annotations

from typing import Any

from TransferRiskLib.tasks.results import DeviceReport, ProbeResult


def _shift(scene: Any, node: Any) -> Any:
    """The node under a transform."""
    node.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift").GetID())
    return node


def _roi(scene: Any, size: float = 0.0, right: float = 0.0) -> Any:
    """An ROI, placed if it has a size; with `right` 0 in the middle of what `add_scan` adds."""
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    if size:
        roi.SetSize(size, size, size)
        roi.SetCenter(right, -16.0, 16.0)
    return roi


def _colour(volume: Any) -> None:
    """Put a colour image of the same size into a scalar volume node, as some readers do."""
    import vtk

    image = vtk.vtkImageData()
    image.SetDimensions(volume.GetImageData().GetDimensions())
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    volume.SetAndObserveImageData(image)


def _contours(segmentation: Any) -> None:
    """Leave a segmentation with outlines only, as radiotherapy structures come."""
    import slicer
    import vtk

    inside, outline = segmentation.GetSegmentation(), vtk.vtkSphereSource()
    outline.SetCenter(0.0, -16.0, 16.0)
    outline.Update()
    inside.RemoveAllSegments()
    inside.SetSourceRepresentationName("Planar contour")
    segment = slicer.vtkSegment()
    segment.SetName("anterior")
    segment.AddRepresentation("Planar contour", outline.GetOutput())
    inside.AddSegment(segment)


BUTTONS = {
    "rank": (lambda s: s.models.can_rank, lambda s: s.models.rank),
    "compute": (lambda s: s.maps.can_compute, lambda s: s.maps.compute),
    "start": (lambda s: s.adapting.can_start, lambda s: s.adapting.start),
    "resume": (lambda s: s.adapting.can_resume, lambda s: s.adapting.resume),
    "suggest": (lambda s: s.cases.can_suggest_next, lambda s: s.cases.suggest_next),
    "segment": (lambda s: s.segmenting.can_segment, lambda s: s.segmenting.segment),
    "cancel": (lambda s: s.jobs.can_cancel, lambda s: s.jobs.cancel),
    "probe": (lambda s: s.environment.can_probe, lambda s: s.environment.probe),
    "release": (lambda s: s.environment.can_release, lambda s: s.environment.release),
}
"""Name to verdict and action of a session."""

ROW_CASES = {
    "complete": (lambda s, scene, key: None, []),
    "no volume": (
        lambda s, scene, key: s.cases.set_channel(key, "T1", None),
        ["There is no volume for T1."],
    ),
    "volume gone": (
        lambda s, scene, key: scene.RemoveNode(scene.GetFirstNodeByName("Anna")),
        ["There is no volume for T1 any more."],
    ),
    "no segmentation": (
        lambda s, scene, key: s.cases.set_segmentation(key, None),
        ["It has no segmentation: choose one, or annotate it."],
    ),
    "segmentation gone": (
        lambda s, scene, key: scene.RemoveNode(scene.GetFirstNodeByName("Anna_label")),
        ["Its segmentation is not in the scene any more."],
    ),
    "nothing mapped": (
        lambda s, scene, key: [s.cases.set_label(key, n, None) for n in ("anterior", "posterior")],
        ["None of its segments stands for a label."],
    ),
    "no ROI": (lambda s, scene, key: s.cases.set_region(key, "roi"), ["Choose the ROI that was annotated."]),
    "transform": (
        lambda s, scene, key: _shift(scene, scene.GetFirstNodeByName("Anna")),
        ["The volume Anna stands under a transform: harden it first."],
    ),
    "missing file": (
        lambda s, scene, key: scene.GetFirstNodeByName("Anna").SetAndObserveImageData(None),
        ["The volume Anna holds no image."],
    ),
    "colours": (
        lambda s, scene, key: _colour(scene.GetFirstNodeByName("Anna")),
        ["The volume Anna holds colours or vectors: choose one with a single value a voxel."],
    ),
    "segmentation under a transform": (
        lambda s, scene, key: _shift(scene, scene.GetFirstNodeByName("Anna_label")),
        ["The segmentation Anna_label stands under a transform: harden it first."],
    ),
    "segmentation elsewhere": (
        lambda s, scene, key: scene.GetFirstNodeByName("Anna").SetOrigin(500.0, 0.0, 0.0),
        ["The segmentation Anna_label lies outside of the scan."],
    ),
    "neither label map nor surface": (
        lambda s, scene, key: _contours(scene.GetFirstNodeByName("Anna_label")),
        [
            "The segmentation Anna_label has neither label map nor surface: create one in the module "
            "Segmentations, under Representations."
        ],
    ),
    "ROI not placed": (
        lambda s, scene, key: s.cases.set_region(key, "roi", _roi(scene).GetID()),
        ["The ROI box is not placed yet."],
    ),
    "ROI under a transform": (
        lambda s, scene, key: s.cases.set_region(key, "roi", _shift(scene, _roi(scene, 5.0)).GetID()),
        ["The ROI box stands under a transform: harden it first."],
    ),
    "ROI elsewhere": (
        lambda s, scene, key: s.cases.set_region(key, "roi", _roi(scene, 5.0, 500.0).GetID()),
        ["The ROI box lies outside of the scan."],
    ),
}
"""Name to what spoils the only case "Anna" of a session, and what it lacks then."""

VERSIONS = {"python": "3.12.1", "torch": "2.8", "monai": "1.5"}
CPU = DeviceReport("cpu", "CPU (x86_64)", 16_000_000_000, 8_000_000_000)
GPU = DeviceReport("cuda:0", "RTX", 24_000_000_000, 20_000_000_000)

REPORTS = {
    "all is well": (ProbeResult(VERSIONS, "py", (GPU, CPU), "12.8", ("RTX",)), ()),
    "no card": (ProbeResult(VERSIONS, "py", (CPU,)), ()),
    "CPU-only torch beside a card": (
        ProbeResult(VERSIONS, "py", (CPU,), None, ("RTX",)), ("CPU-only build",),
    ),
    "driver too old": (ProbeResult(VERSIONS, "py", (CPU,), "13.0", ("RTX",)), ("update the NVIDIA driver",)),
    "no torch": (
        ProbeResult({**VERSIONS, "torch": None}, "py", problem="ModuleNotFoundError: torch"),
        ("Not installed: torch.",),
    ),
    "broken torch": (
        ProbeResult(VERSIONS, "py", nvidia=("RTX",), problem="OSError: libc10.so"),
        ("PyTorch cannot be used (OSError: libc10.so).",),
    ),
}  # fmt: skip
"""Name to report, and words of the warnings that it makes."""
