"""What sessions are tried with: buttons, rows that lack something, reports of a worker's machine."""

from __future__ import annotations

from TransferRiskLib.tasks.results import DeviceReport, ProbeResult

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
        lambda s, scene, key: scene.GetFirstNodeByName("Anna").SetAndObserveTransformNodeID(
            scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift").GetID()
        ),
        ["The volume Anna stands under a transform: harden it first."],
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
