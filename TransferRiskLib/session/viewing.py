"""What the views show of a session: one scan, what belongs to it, and nothing of other patients."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from TransferRiskLib.mrml import overlay
from TransferRiskLib.session.desk import Desk, Node
from TransferRiskLib.session.state import CaseRow, ScanRow

_HIDDEN = "TransferRisk.Hidden"
"""Attribute of segmentations that were hidden here, not by the user: they come back with their scan."""


def bring_into_view(desk: Desk, scan: Node | None, heat: Node | None = None, opacity: float = 0.5) -> None:
    """Show a scan, and a map over it, in the slice views.

    What the views have of other scans goes: their maps in 3-D, their legends, and the segmentations of their
    rows. Scans lie around the same point, so those would be taken for this one's.

    Args:
        desk: Scene and state.
        scan: The scan, or None for an empty view.
        heat: The map's volume node, or None for none.
        opacity: Of the map, 0..1.
    """
    overlay.show_in_slices(desk.scene, scan, heat, opacity)
    overlay.show_legend_only_of(desk.scene, heat)
    overlay.hide_renderings_but_of(desk.scene, heat)
    _show_segmentations_of(desk, {scan.GetID()} if scan is not None else set())


def uncover(segmentation: Node | None) -> None:
    """Show a segmentation, whoever has hidden it."""
    if segmentation is not None and segmentation.GetDisplayNode() is not None:
        segmentation.GetDisplayNode().SetVisibility(True)
        segmentation.RemoveAttribute(_HIDDEN)


def hide_what_is_not_in_view(desk: Desk) -> None:
    """Hide the segmentations of rows whose scan is not in the slice views; nothing happens while those are
    empty."""
    composites = overlay.nodes_of(desk.scene, "vtkMRMLSliceCompositeNode")
    shown = {composite.GetBackgroundVolumeID() for composite in composites} - {None, ""}
    if shown:
        _show_segmentations_of(desk, shown)


def _show_segmentations_of(desk: Desk, scans: Collection[str]) -> None:
    found: dict[Node, bool] = {}
    for identity, volumes in _segmentations(desk):
        node = desk.node(identity)
        if node is not None and node.GetDisplayNode() is not None:
            found[node] = found.get(node, False) or not volumes.isdisjoint(scans)
    for node, own in found.items():
        display = node.GetDisplayNode()
        if own and node.GetAttribute(_HIDDEN) is not None:
            display.SetVisibility(True)
            node.RemoveAttribute(_HIDDEN)
        elif not own and display.GetVisibility():
            display.SetVisibility(False)
            node.SetAttribute(_HIDDEN, "1")


def _segmentations(desk: Desk) -> Iterator[tuple[str | None, set[str]]]:
    """Node ID of every segmentation that the session knows, and those of the scans it belongs to."""
    state = desk.state
    rows: tuple[CaseRow | ScanRow, ...] = (*state.cases, *state.scans)
    for row in rows:
        yield row.segmentation, set(row.channels.values())
    for run in state.runs:
        for case in run.cases:
            for identity in case.segmentations.values():
                yield identity, {case.scan}
