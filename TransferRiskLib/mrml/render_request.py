"""Ask for pictures of a case; they are made in a child process, so that a crash there stays there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.mrml.available import renders_available
from TransferRiskLib.records import from_json, to_json


@dataclass(frozen=True)
class RenderRequest:
    """What to render.

    Attributes:
        image: The scan, a file or DICOM folder.
        output: Folder of the PNG files; it is made when it is not there.
        maps: Kind of map to its file, see `styles.STYLES`.
        segmentations: Name to label map or `.seg.nrrd` file on the scan's grid.
        scheme: What the values of label maps mean; a `.seg.nrrd` brings its own names.
        outlines: The segmentation drawn over the maps; the first one by default.
        labels: The segmentation that holds the annotation; it decides where a gain map is hidden.
        focus_lps: The point that the slices go through; the hottest region of the first map by default.
        size: Width and height of a picture, in pixels.
        opacity: Of the maps over the scan, 0..1.
        views: Which views to render.
        scene: Where to save the scene for desktop Slicer: `NAME.mrb`, or a folder.
        unlabelled_value: The value in the segmentations that marks voxels nobody annotated.
    """

    image: Path
    output: Path
    maps: Mapping[str, Path] = field(default_factory=dict)
    segmentations: Mapping[str, Path] = field(default_factory=dict)
    scheme: LabelScheme | None = None
    outlines: str | None = None
    labels: str | None = None
    focus_lps: tuple[float, float, float] | None = None
    size: tuple[int, int] = (640, 560)
    opacity: float = 0.65
    views: tuple[str, ...] = ("axial", "sagittal", "coronal", "3d")
    scene: Path | None = None
    unlabelled_value: int | None = None


@dataclass(frozen=True)
class Rendered:
    """Pictures by name ("risk-axial", "segmentation-manual-3d"), or why there are none.

    Attributes:
        pictures: Name to PNG file.
        scene: What desktop Slicer opens, where one was asked for.
        problem: None, or what went wrong, for people.
    """

    pictures: Mapping[str, Path] = field(default_factory=dict)
    scene: Path | None = None
    problem: str | None = None


def render_case(request: RenderRequest, timeout: float = 600.0) -> Rendered:
    """Render a case in a child process.

    Never raises for what happens there: pictures are an extra, and a result must not be lost
    because a graphics driver crashed. `Rendered.problem` says why there are none.

    Args:
        request: What to render.
        timeout: Seconds after which the child is ended.

    Example:
        >>> request = RenderRequest(Path("t2.nii.gz"), Path("pictures"), {"risk": Path("risk.nii.gz")})
        >>> render_case(request).pictures["risk-axial"]
    """
    ok, reason = renders_available()
    if not ok:
        return Rendered(problem=reason)
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "request.json", Path(folder) / "answer.json"
        write_json(asked, to_json(request))
        command = [sys.executable, "-m", "TransferRiskLib.mrml.render_process", str(asked), str(answered)]
        try:
            child = subprocess.run(
                command, capture_output=True, timeout=timeout, env=_environment(), check=False
            )
        except subprocess.TimeoutExpired:
            return Rendered(problem=f"Rendering took longer than {timeout:.0f} s and was ended.")
        if answered.is_file():
            return from_json(Rendered, json.loads(answered.read_text(encoding="utf-8")))
        return Rendered(problem=_crash(child))


def _environment() -> dict[str, str]:
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}


def _crash(child: subprocess.CompletedProcess[bytes]) -> str:
    tail = child.stderr.decode("utf-8", errors="replace").strip().splitlines()[-5:]
    how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
    return f"The rendering process ended without an answer ({how}). " + " | ".join(tail)
