"""Pictures of a case from Slicer's own slice and 3-D views.

Runs OpenGL in this process; `render_request.render_case` is the safe way in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter

from TransferRiskLib.cases.case import Annotation, Case
from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml import heat, overlay, view_marks
from TransferRiskLib.mrml.nodes import Node, add_volume, folder, put_in_folder
from TransferRiskLib.mrml.render_request import Rendered, RenderRequest
from TransferRiskLib.mrml.scenes import save_scene
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.mrml.standalone import SLICE_VIEWS, HeadlessSlicer, capture, headless_slicer
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.volumes.volume import Volume


@dataclass
class _Stage:
    """The case in the scene, and where its pictures look."""

    slicer: HeadlessSlicer
    request: RenderRequest
    scan: Node
    maps: dict[str, Node]
    segmentations: dict[str, Node]
    shares: dict[str, float]
    hull: Node
    focus: tuple[float, float, float]
    box: tuple[np.ndarray, np.ndarray]
    body: np.ndarray


def render_here(request: RenderRequest) -> Rendered:
    """Render all pictures of a request in this process and save the scene if asked for.

    Raises:
        TransferRiskError: a file cannot be read, or the request contradicts itself.
    """
    _check(request)
    files = _read(request)
    with headless_slicer(request.size) as slicer:
        stage = _set_up(slicer, request, files)
        _show_scan(stage)
        pictures = _capture(stage, "scan", [view for view in request.views if view != "3d"])
        for name in stage.segmentations:
            _show_segmentation(stage, name)
            pictures |= _capture(stage, f"segmentation-{name}", request.views)
        for kind in stage.maps:
            _show_map(stage, kind)
            pictures |= _capture(stage, kind, request.views)
        if stage.maps:
            _show_map(stage, next(iter(stage.maps)))
        slicer.scene.RemoveNode(stage.hull)
        saved = None if request.scene is None else save_scene(slicer.scene, request.scene)
    return Rendered(pictures, saved)


def _check(request: RenderRequest) -> None:
    for name in (request.outlines, request.labels):
        if name is not None and name not in request.segmentations:
            raise SettingsError(f"There is no segmentation {name!r} in the request.")
    strangers = set(request.views) - {*SLICE_VIEWS, "3d"}
    if strangers:
        known = ", ".join((*SLICE_VIEWS, "3d"))
        raise SettingsError(f"There is no view {min(strangers)!r}.", hint=f"There are: {known}.")


@dataclass(frozen=True)
class _Files:
    """What the request's files hold; read before Slicer starts, so that a bad one is known at once."""

    image: Volume
    maps: dict[str, Volume]
    labels: dict[str, tuple[np.ndarray, LabelScheme]]


def _read(request: RenderRequest) -> _Files:
    image = read_volume(request.image)
    return _Files(
        image,
        {kind: read_volume(path) for kind, path in request.maps.items()},
        {name: _labels(path, image, request) for name, path in request.segmentations.items()},
    )


def _set_up(slicer: HeadlessSlicer, request: RenderRequest, files: _Files) -> _Stage:
    image, volumes, loaded = files.image, files.maps, files.labels
    scene = slicer.scene
    shelf = folder(scene, "TransferRisk")
    scan = add_volume(scene, image, "scan")
    overlay.show_scan(scan)
    overlay.show_in_slices(scene, scan)  # before any segmentation, which is drawn in the order of adding
    background = loaded[request.labels][0] <= 0 if request.labels is not None else None
    maps = {
        kind: heat.add_map(scene, heat.shown_values(volume, kind, background), kind, kind)
        for kind, volume in volumes.items()
    }
    nodes = {
        name: add_segmentation(scene, indices, image.geometry, scheme, name, scan)
        for name, (indices, scheme) in loaded.items()
    }
    for node in (scan, *maps.values(), *nodes.values()):
        put_in_folder(node, shelf)
    drawn = request.outlines or next(iter(loaded), None)
    shares = _shares(*loaded[drawn]) if drawn is not None else {}
    tissue = _tissue(image)
    foreground = loaded[drawn][0] > 0 if drawn is not None else None
    body = _body(tissue, foreground)
    return _Stage(
        slicer, request, scan, maps, nodes, shares, _hull(scene, body, image),
        focus=request.focus_lps
        or _hottest(next(iter(volumes.values()), None), image, tissue if foreground is None else foreground),
        box=_box(image, tissue),
        body=_points(image, body),
    )  # fmt: skip


def _body(tissue: np.ndarray, foreground: np.ndarray | None) -> np.ndarray:
    """What 3-D pictures show the outside of: the scanned body, or the structures of a crop of one."""
    faces = [face for axis in range(3) for face in (tissue.take(0, axis), tissue.take(-1, axis))]
    cropped = sum(int(face.sum()) for face in faces) > 0.2 * sum(face.size for face in faces)
    if not cropped:
        return np.asarray(binary_fill_holes(tissue))
    return np.zeros_like(tissue) if foreground is None else foreground


def _hull(scene: Node, body: np.ndarray, image: Volume) -> Node:
    """The outside of the body as a surface: shows in 3-D where a hot spot lies."""
    solid = gaussian_filter(body.astype(np.float32), 1.0) > 0.5
    scheme = LabelScheme((Label("background", 0), Label("scan", 1, (0.8, 0.85, 0.9))))
    node = add_segmentation(scene, solid.astype(np.int16), image.geometry, scheme, "hull")
    overlay.show_outlines(node, opacity=0.0)
    if solid.any():
        overlay.show_surfaces(node, 0.13)
    return node


def _labels(path: Path, image: Volume, request: RenderRequest) -> tuple[np.ndarray, LabelScheme]:
    annotation = Annotation(unlabelled_value=request.unlabelled_value)
    case = Case(path.name, {}, labels=path, annotation=annotation)
    return load_labels(case, image.geometry, request.scheme, require_foreground=False)


def _tissue(image: Volume) -> np.ndarray:
    """Where the scan shows something: brighter than a twentieth of its bright tissue."""
    smooth = gaussian_filter(image.array.astype(np.float32), 1.0)
    low, high = np.percentile(smooth, (1, 99))
    return np.asarray(smooth > low + 0.05 * (high - low))


def _box(image: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The LPS box around the true voxels of a mask, or around the image when there are none."""
    points = _points(image, mask)
    return points.min(axis=0), points.max(axis=0)


def _points(image: Volume, mask: np.ndarray) -> np.ndarray:
    """The LPS positions, shape (N, 3), of the true voxels of a mask, or of all when there are none."""
    found = np.argwhere(mask if mask.any() else np.ones_like(mask, dtype=bool))[:, ::-1]
    matrix = image.geometry.index_to_lps
    return np.asarray(found @ matrix[:3, :3].T + matrix[:3, 3])


def _hottest(heat_map: Volume | None, image: Volume, content: np.ndarray) -> tuple[float, float, float]:
    """The point of highest smoothed value of a map; without one, the middle of the content."""
    if heat_map is None:
        index = np.argwhere(content).mean(axis=0) if content.any() else np.array(content.shape) / 2
    else:
        smooth = gaussian_filter(np.nan_to_num(heat_map.array.astype(np.float32)), 2.0)
        index = np.array(np.unravel_index(int(np.argmax(smooth)), smooth.shape))
    lps = image.geometry.index_to_lps @ [*index[::-1], 1.0]
    return float(lps[0]), float(lps[1]), float(lps[2])


def _shares(indices: np.ndarray, scheme: LabelScheme) -> dict[str, float]:
    """Share of the foreground that every label that occurs takes up."""
    voxels = np.bincount(indices[indices > 0].ravel(), minlength=len(scheme))[1:]
    return {
        label.name: float(count) / float(voxels.sum())
        for label, count in zip(scheme.foreground, voxels, strict=True)
        if count > 0
    }


def _opacities(shares: dict[str, float]) -> dict[str, float]:
    """Surface opacities with which small structures show through large ones."""
    if len(shares) <= 2:
        return dict.fromkeys(shares, 0.7)
    return {name: float(np.clip(0.6 - 1.8 * share, 0.06, 0.6)) for name, share in shares.items()}


def _outlined(shares: dict[str, float]) -> set[str]:
    """The labels to outline over a map: all of a few, else the small ones; more would hide the map."""
    if len(shares) <= 2:
        return set(shares)
    return {name for name, share in shares.items() if share < 0.1} or {min(shares, key=lambda n: shares[n])}


def _show_scan(stage: _Stage) -> None:
    overlay.show_in_slices(stage.slicer.scene, stage.scan)
    overlay.show_legend_only_of(stage.slicer.scene, None)
    for node in stage.segmentations.values():
        node.GetDisplayNode().SetVisibility(False)


def _show_map(stage: _Stage, kind: str) -> None:
    scene = stage.slicer.scene
    overlay.show_in_slices(scene, stage.scan, stage.maps[kind], stage.request.opacity)
    overlay.show_legend_only_of(scene, stage.maps[kind])
    drawn = stage.request.outlines or next(iter(stage.segmentations), None)
    for name, node in stage.segmentations.items():
        node.GetDisplayNode().SetVisibility(name == drawn)
        node.GetDisplayNode().SetVisibility3D(False)
        if name == drawn:
            overlay.show_outlines(node, only=_outlined(stage.shares))
    stage.hull.GetDisplayNode().SetVisibility(True)
    if "3d" in stage.request.views:
        for other, node in stage.maps.items():
            heat.show_in_3d(node, other, other == kind)


def _show_segmentation(stage: _Stage, name: str) -> None:
    scene = stage.slicer.scene
    overlay.show_in_slices(scene, stage.scan)
    overlay.show_legend_only_of(scene, None)
    for other, node in stage.segmentations.items():
        node.GetDisplayNode().SetVisibility(other == name)
    overlay.show_outlines(stage.segmentations[name], fill=0.4, width=1)
    overlay.show_surfaces(stage.segmentations[name], _opacities(stage.shares))
    stage.hull.GetDisplayNode().SetVisibility(False)
    if "3d" in stage.request.views:
        for kind, node in stage.maps.items():
            heat.show_in_3d(node, kind, False)


def _capture(stage: _Stage, prefix: str, views: Sequence[str]) -> dict[str, Path]:
    legend = prefix in stage.maps
    scene = stage.slicer.scene
    for name in SLICE_VIEWS:
        stage.slicer.views[name].fit_view_to_content()
    overlay.jump_to(scene, stage.focus)
    overlay.zoom_to(scene, *stage.box, margin=1.08, reserve=0.13 if legend else 0.0)
    written = {}
    for name in views:
        view: Any = stage.slicer.views[name]
        if name == "3d":
            view_marks.aim_camera(view, stage.body)
        else:
            view_marks.letters(view)
        path = stage.request.output / f"{prefix}-{name}.png"
        capture(view, path)
        written[f"{prefix}-{name}"] = path
    return written
