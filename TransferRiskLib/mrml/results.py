"""Results of tasks into the scene: one subject hierarchy folder a run, nodes named by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from TransferRiskLib.cases.case import Annotation, Case, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.mrml import heat, overlay
from TransferRiskLib.mrml.nodes import Node, add_volume, folder, geometry_of, put_in_folder
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.tasks.results import CaseMaps, MapResult, SegmentedScan, SegmentResult
from TransferRiskLib.volumes.io import read_volume, read_volumes


@dataclass(frozen=True)
class ShownCase:
    """The nodes of one case.

    Attributes:
        case: Its name.
        scan: The volume node of its first channel.
        maps: Kind of map to volume node.
        segmentations: What it is ("manual", "eep-segmentation", "segmentation") to segmentation node.
        probabilities: Probability volumes, in the order of the file.
        worst_lps: Where the risk is highest, LPS mm.
    """

    case: str
    scan: Node
    maps: Mapping[str, Node] = field(default_factory=dict)
    segmentations: Mapping[str, Node] = field(default_factory=dict)
    probabilities: tuple[Node, ...] = ()
    worst_lps: tuple[float, float, float] | None = None


def show_map_result(
    scene: Node,
    result: MapResult,
    cohort: Cohort,
    *,
    scheme: LabelScheme | None = None,
    scans: Mapping[str, Node] | None = None,
    name: str = "Transfer risk",
) -> tuple[ShownCase, ...]:
    """Load the maps of a `map` task into the scene, hidden but for the first case's first map.

    Args:
        scene: The MRML scene.
        result: What the task gave back.
        cohort: The cases it was asked for.
        scheme: The target labels, where `merge` made them differ from the cohort's own.
        scans: Case name to the volume node of its first channel, where it is in the scene already;
            other scans, and their labels, are loaded.
        name: Name of the run's folder.
    """
    shelf = folder(scene, name)
    cases = {case.name: case for case in cohort.cases}
    shown = tuple(
        _show_maps(scene, maps, cases[maps.case], cohort.scheme, scheme, (scans or {}).get(maps.case), shelf)
        for maps in result.cases
    )
    first = next((entry for entry in shown if entry.maps), None)
    if first is not None:
        show_case(scene, first, next(iter(first.maps)))
    return shown


def show_segment_result(
    scene: Node,
    result: SegmentResult,
    cohort: Cohort,
    *,
    scans: Mapping[str, Node] | None = None,
    probabilities: bool = False,
    name: str = "Segmentations",
) -> tuple[ShownCase, ...]:
    """Load what a `segment` task made: segmentations with names and colours, uncertainty maps.

    Scans that failed are left out. Arguments as in `show_map_result`; `probabilities` loads the
    probability volumes too, where the task wrote them.
    """
    shelf = folder(scene, name)
    cases = {case.name: case for case in cohort.cases}
    return tuple(
        _show_segmented(scene, scan, cases[scan.case], (scans or {}).get(scan.case), probabilities, shelf)
        for scan in result.scans
        if scan.error is None
    )


def show_case(scene: Node, shown: ShownCase, kind: str | None, opacity: float = 0.65) -> None:
    """Bring a case into the slice views: its scan, one of its maps with its legend, the worst spot.

    Args:
        scene: The MRML scene.
        shown: The case.
        kind: The map to show, or None for the scan alone.
        opacity: Of the map, 0..1.
    """
    node = shown.maps.get(kind) if kind is not None else None
    overlay.show_in_slices(scene, shown.scan, node, opacity)
    overlay.show_legend_only_of(scene, node)
    if shown.worst_lps is not None:
        overlay.jump_to(scene, shown.worst_lps)


def _show_maps(
    scene: Node,
    maps: CaseMaps,
    case: Case,
    scheme: LabelScheme | None,
    target: LabelScheme | None,
    scan: Node | None,
    shelf: int | None,
) -> ShownCase:
    known = scan is not None
    scan = scan if known else _load_scan(scene, case, shelf)
    segmentations: dict[str, Node] = {}
    background: np.ndarray | None = None
    if case.labels is not None:
        indices, own = load_labels(case, geometry_of(scan), scheme, require_foreground=False)
        background = indices <= 0
        if not known:
            node = add_segmentation(scene, indices, geometry_of(scan), own, f"{case.name} manual", scan)
            segmentations["manual"] = _shelve(node, shelf)
    nodes: dict[str, Node] = {}
    for kind, path in maps.maps.items():
        title = f"{case.name} {kind}"
        if kind == "eep-segmentation":
            node = _add_labels(scene, path, scan, target or scheme, title)
            node.GetDisplayNode().SetVisibility(False)
            segmentations[kind] = _shelve(node, shelf)
        else:
            node = heat.add_map(scene, read_volume(path), kind, title, background)
            nodes[kind] = _shelve(node, shelf)
    return ShownCase(case.name, scan, nodes, segmentations, worst_lps=maps.worst_lps)


def _show_segmented(
    scene: Node, scan: SegmentedScan, case: Case, known: Node | None, probabilities: bool, shelf: int | None
) -> ShownCase:
    volume = known if known is not None else _load_scan(scene, case, shelf)
    segmentations: dict[str, Node] = {}
    maps: dict[str, Node] = {}
    extra: list[Node] = []
    if scan.segmentation is not None:
        node = _add_labels(scene, scan.segmentation, volume, None, f"{case.name} segmentation")
        overlay.show_outlines(node, fill=0.3)
        segmentations["segmentation"] = _shelve(node, shelf)
    if scan.uncertainty is not None:
        title = f"{case.name} uncertainty"
        maps["uncertainty"] = _shelve(
            heat.add_map(scene, read_volume(scan.uncertainty), "uncertainty", title), shelf
        )
        overlay.show_legend_only_of(scene, None)
    if probabilities and scan.probabilities is not None:
        for number, part in enumerate(read_volumes(scan.probabilities)):
            node = add_volume(scene, part, f"{case.name} probability {number}")
            heat.set_window(node, 0.0, 1.0)
            extra.append(_shelve(node, shelf))
    return ShownCase(case.name, volume, maps, segmentations, tuple(extra))


def _load_scan(scene: Node, case: Case, shelf: int | None) -> Node:
    file = next(iter(case.images.values()))
    node = add_volume(scene, read_volume(file.path, file.component), case.name)
    overlay.show_scan(node)
    return _shelve(node, shelf)


def _add_labels(scene: Node, path: Path, scan: Node, scheme: LabelScheme | None, name: str) -> Node:
    """A segmentation node of a label map or `.seg.nrrd`, on the scan's grid."""
    geometry = geometry_of(scan)
    stand_in = Case(name, {}, labels=path, annotation=Annotation())
    indices, own = load_labels(stand_in, geometry, scheme, require_foreground=False)
    return add_segmentation(scene, indices, geometry, own, name, scan)


def _shelve(node: Node, shelf: int | None) -> Node:
    put_in_folder(node, shelf)
    return node
