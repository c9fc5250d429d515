"""What the slice and 3-D views show: scan, heat over it, outlines, and where they look."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from TransferRiskLib.mrml.heat import kind_of
from TransferRiskLib.mrml.nodes import Node, volume_from_node
from TransferRiskLib.mrml.segmentations import segment_name

_SAMPLE = 500_000
"""Voxels that are enough for the percentiles of a scan."""


def show_scan(node: Node) -> None:
    """Grey levels of a scan between the 1st and 99.5th percentile of what is not background."""
    values = volume_from_node(node).array.ravel()
    values = values[:: max(1, values.size // _SAMPLE)]
    tissue = values[values > values.min()]
    if tissue.size:
        low, high = np.percentile(tissue, (1.0, 99.5))
        display = node.GetVolumeDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(float(low), float(max(high, low + 1e-6)))


def show_in_slices(
    scene: Node, background: Node | None, heat: Node | None = None, opacity: float = 0.6
) -> None:
    """Put a scan and the map over it into every slice view of the scene.

    Args:
        scene: The MRML scene.
        background: The scan, or None for an empty view.
        heat: The map's volume node, or None for none.
        opacity: Of the map, 0..1.

    A scan that was not in the views before is brought into their middle, as Slicer does with a volume
    that it loads; otherwise they stay where the user looks.
    """
    other = False
    for composite in nodes_of(scene, "vtkMRMLSliceCompositeNode"):
        identity = background.GetID() if background is not None else None
        other |= identity is not None and identity != composite.GetBackgroundVolumeID()
        composite.SetBackgroundVolumeID(identity)
        composite.SetForegroundVolumeID(heat.GetID() if heat is not None else None)
        composite.SetLabelVolumeID(None)
        composite.SetForegroundOpacity(opacity)
    if other:
        fit_to(scene, background)


def fit_to(scene: Node, volume: Node) -> None:
    """Let a volume fill every slice view, which then shows its middle; nothing happens without an image."""
    bounds = [0.0] * 6
    if volume.GetImageData() is None:
        return
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[0::2]) * [-1, -1, 1], np.array(bounds[1::2]) * [-1, -1, 1]  # LPS
    zoom_to(scene, low, high, margin=1.0)
    jump_to(scene, (low + high) / 2)


def set_heat_opacity(scene: Node, opacity: float) -> None:
    """Opacity of the map in every slice view, 0..1."""
    for composite in nodes_of(scene, "vtkMRMLSliceCompositeNode"):
        composite.SetForegroundOpacity(opacity)


def show_legend_only_of(scene: Node, heat: Node | None) -> None:
    """Show the colour legend of one map and hide those of our other maps; legends of others stay."""
    for legend in nodes_of(scene, "vtkMRMLColorLegendDisplayNode"):
        owner = legend.GetDisplayableNode()
        if owner is not None and kind_of(owner) is not None:
            legend.SetVisibility(owner is heat)
            legend.Modified()  # one that was visible already: its map may just have come into the views


def hide_renderings_but_of(scene: Node, heat: Node | None) -> None:
    """Hide the volume renderings of our maps, one excepted; renderings of others stay."""
    for display in nodes_of(scene, "vtkMRMLVolumeRenderingDisplayNode"):
        owner = display.GetDisplayableNode()
        if owner is not None and kind_of(owner) is not None and owner is not heat:
            display.SetVisibility(False)


def show_outlines(
    segmentation: Node,
    fill: float = 0.0,
    opacity: float = 1.0,
    width: int = 2,
    only: Collection[str] | None = None,
) -> None:
    """Show a segmentation as outlines in slices, so that the map under it stays visible.

    Args:
        segmentation: The segmentation node.
        fill: Opacity of the filled segments, 0 for none.
        opacity: Opacity of the outlines.
        width: Thickness of the outlines, in pixels.
        only: Names of the segments to show; all by default.
    """
    display = segmentation.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility2DFill(fill > 0)
    display.SetOpacity2DFill(fill)
    display.SetVisibility2DOutline(opacity > 0)
    display.SetOpacity2DOutline(opacity)
    display.SetSliceIntersectionThickness(width)
    segments = segmentation.GetSegmentation()
    for identifier in segments.GetSegmentIDs():
        shown = only is None or segment_name(segments, identifier) in only
        display.SetSegmentVisibility2DOutline(identifier, shown)
        display.SetSegmentVisibility2DFill(identifier, shown)


def show_surfaces(segmentation: Node, opacity: float | dict[str, float] = 0.3) -> None:
    """Show a segmentation as smoothed surfaces in 3-D.

    Args:
        segmentation: The segmentation node.
        opacity: Of all segments, or by segment name (those not named are hidden).
    """
    segmentation.CreateClosedSurfaceRepresentation()
    display = segmentation.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility3D(True)
    display.SetOpacity3D(1.0)
    segments = segmentation.GetSegmentation()
    for identifier in segments.GetSegmentIDs():
        name = segment_name(segments, identifier)
        value = opacity.get(name, 0.0) if isinstance(opacity, dict) else opacity
        display.SetSegmentVisibility3D(identifier, value > 0)
        display.SetSegmentOpacity3D(identifier, value)


def jump_to(scene: Node, lps: Sequence[float], centre: bool = False) -> None:
    """Move every slice view to a point.

    Args:
        scene: The MRML scene.
        lps: The point, LPS mm.
        centre: Bring the point to the middle of the views too.
    """
    ras = (-float(lps[0]), -float(lps[1]), float(lps[2]))
    for node in nodes_of(scene, "vtkMRMLSliceNode"):
        if centre:
            node.JumpSliceByCentering(*ras)
        else:
            node.JumpSliceByOffsetting(*ras)


def in_view(scene: Node, lps: Sequence[float]) -> bool:
    """Whether every slice view has a point, LPS mm, within its edges, in whatever depth."""
    ras = np.array([-lps[0], -lps[1], lps[2], 1.0])
    for node in nodes_of(scene, "vtkMRMLSliceNode"):
        matrix = node.GetSliceToRAS()
        axes = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
        # A view that was dragged or zoomed with the mouse has its middle elsewhere than its slice.
        across = np.abs(np.linalg.solve(axes, ras)[:2] - node.GetXYZOrigin()[:2])
        if (across > np.array(node.GetFieldOfView()[:2]) / 2).any():
            return False
    return True


def zoom_to(
    scene: Node, low: np.ndarray, high: np.ndarray, margin: float = 1.15, reserve: float = 0.0
) -> None:
    """Let a box fill every slice view, whose depth along its normal stays.

    Args:
        scene: The MRML scene.
        low, high: Opposite corners of the box, LPS mm, shape (3,).
        margin: The view's size over the box's.
        reserve: Share of the height kept free below, for a legend.
    """
    corners = np.array([[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1])
                        for z in (low[2], high[2])]) * [-1.0, -1.0, 1.0, 1.0]  # fmt: skip
    for node in nodes_of(scene, "vtkMRMLSliceNode"):
        rotation = node.GetSliceToRAS()
        axes = np.array([[rotation.GetElement(row, column) for column in range(3)] for row in range(3)])
        seen = corners[:, :3] @ axes  # along right, up and normal of the view
        width, height = np.ptp(seen[:, :2], axis=0) * margin
        columns, rows = node.GetDimensions()[:2]
        height_needed = max(height / (1.0 - reserve), width * rows / max(columns, 1))
        middle = seen.mean(axis=0)
        middle[1] -= height_needed * reserve / 2
        middle[2] = axes[:, 2] @ [rotation.GetElement(row, 3) for row in range(3)]
        node.SetFieldOfView(height_needed * columns / max(rows, 1), height_needed, node.GetFieldOfView()[2])
        for row, value in enumerate(axes @ middle):
            rotation.SetElement(row, 3, float(value))
        node.SetSliceOrigin(0.0, 0.0, 0.0)  # what dragging with the mouse changes
        node.UpdateMatrices()


def nodes_of(scene: Node, class_name: str) -> list[Node]:
    """All nodes of a class or of one derived from it."""
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]
