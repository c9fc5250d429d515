"""Which volumes of a scene belong to one case, and which segmentation to which volume: by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from TransferRiskLib.cases.case_names import IMAGE, split_channel, without_label_suffix
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.annotation import reference_volume
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.session.desk import Node
from TransferRiskLib.wording import wording

_ = wording(__name__)
RESULT = "TransferRisk.Result"
"""Attribute of the nodes that this module made: they are no scans and no annotation."""


@dataclass
class Found:
    """A case as the scene's names suggest it: node IDs by channel name, and its segmentation."""

    name: str
    channels: dict[str, str] = field(default_factory=dict)
    segmentation: str | None = None


def mark_result(node: Node) -> None:
    """Note that a node is a result, so that nobody takes it for a scan or an annotation."""
    node.SetAttribute(RESULT, "1")


def scans_of(scene: Node, used: Collection[str] = ()) -> list[Node]:
    """The scalar volumes that may be scans: no label maps, no maps or results of this module, none
    that `used` names."""
    return [
        node
        for node in nodes_of(scene, "vtkMRMLScalarVolumeNode")
        if node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and node.GetImageData() is not None
        and heat.kind_of(node) is None
        and node.GetAttribute(RESULT) is None
        and node.GetID() not in used
    ]


def find_cases(scene: Node, channels: Sequence[str], used: Collection[str]) -> list[Found]:
    """Cases from the scans that no row uses.

    Args:
        scene: The MRML scene.
        channels: The model's channels; empty when none is chosen.
        used: Node IDs that rows use.

    Returns:
        A case for each group of names that differ only in the channel ("Anna_T1", "Anna_FLAIR"). A
        model of one channel gets the case's only volume, whatever its contrast.
    """
    groups: dict[str, dict[str, Node]] = {}
    for node in scans_of(scene, used):
        name, channel = split_channel(node.GetName(), channels)
        group = groups.setdefault(name, {})
        key = channel or IMAGE
        if key in group:  # two volumes of one name are two cases
            group = groups.setdefault(f"{name} ({node.GetID()})", {})
        group[key] = node
    found = []
    for name, volumes in groups.items():
        chosen = _assign(volumes, channels)
        if chosen:
            case = Found(name.split(" (vtkMRML")[0], {c: node.GetID() for c, node in chosen.items()})
            case.segmentation = _segmentation_of(scene, case.name, list(volumes.values()), used)
            found.append(case)
    return found


def contrast_of(name: str) -> str | None:
    """The contrast that a volume's name ends in, "Anna_T2" for instance."""
    return split_channel(name)[1]


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken (ignoring case)."""
    known = {other.casefold() for other in taken}
    name = name.strip() or _("Case")
    candidate, number = name, 2
    while candidate.casefold() in known:
        candidate, number = f"{name} ({number})", number + 1
    return candidate


def _assign(volumes: dict[str, Node], channels: Sequence[str]) -> dict[str, Node]:
    by_name = {name.casefold(): node for name, node in volumes.items()}
    if not channels:
        return volumes
    chosen = {c: by_name[c.casefold()] for c in channels if c.casefold() in by_name}
    if not chosen and len(volumes) == 1 and len(channels) == 1:
        chosen = {channels[0]: next(iter(volumes.values()))}
    return chosen or ({} if len(volumes) > 1 else {channels[0]: next(iter(volumes.values()))})


def _segmentation_of(scene: Node, name: str, volumes: list[Node], used: Collection[str]) -> str | None:
    free = [
        node
        for node in nodes_of(scene, "vtkMRMLSegmentationNode")
        if node.GetID() not in used and node.GetAttribute(RESULT) is None
    ]
    for node in free:
        if reference_volume(node) in volumes:
            return node.GetID()
    names = {name.casefold(), *(volume.GetName().casefold() for volume in volumes)}
    for node in free:
        own = node.GetName()
        if {own.casefold(), without_label_suffix(own).casefold()} & names:
            return node.GetID()
    return None
