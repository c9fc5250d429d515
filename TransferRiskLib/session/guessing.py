"""Which volumes of a scene belong to one case, and which segmentation to which volume: by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from TransferRiskLib.cases.case_names import IMAGE, same_contrast, split_channel, without_label_suffix
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.annotation import reference_volume
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, no
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow, ScanRow
from TransferRiskLib.tasks.target import folder_key
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


@dataclass
class _Group:
    """Scans whose names differ only in the channel: nodes by what their names say of it."""

    name: str
    by_channel: dict[str, Node] = field(default_factory=dict)

    @property
    def volumes(self) -> tuple[Node, ...]:
        return tuple(self.by_channel.values())

    def has(self, channel: str) -> bool:
        """Whether there is a scan of a channel, whatever its spelling."""
        return channel.casefold() in map(str.casefold, self.by_channel)

    @property
    def names(self) -> set[str]:
        """What a segmentation of this case may be called."""
        return {self.name.casefold(), *(node.GetName().casefold() for node in self.volumes)}


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


def find_cases(
    scene: Node, channels: Sequence[str], used: Collection[str] = (), among: Collection[str] | None = None
) -> list[Found]:
    """Cases from the scans of which no row uses any.

    Args:
        scene: The MRML scene.
        channels: The model's channels; empty when none is chosen.
        used: Node IDs that rows use: a case that has one of these scans is known already.
        among: Node IDs of the scans to look at; all by default.

    Returns:
        A case for each group of names that differ only in the channel ("Anna_T1", "Anna_FLAIR"). A
        model of one channel gets the case's only volume, whatever its contrast. No segmentation comes
        twice.
    """
    scans = [node for node in scans_of(scene) if among is None or node.GetID() in among]
    groups = _groups(scans, channels)
    segmentations = _segmentations(scene, groups, used)
    found = []
    for number, group in enumerate(groups):
        known = any(node.GetID() in used for node in group.volumes)
        chosen = _assign(group.by_channel, channels)
        if chosen and not known:
            volumes = {channel: node.GetID() for channel, node in chosen.items()}
            found.append(Found(group.name, volumes, segmentations.get(number)))
    return found


def can_find_cases(scene: Node, channels: Sequence[str], used: Collection[str]) -> Verdict:
    """Whether `find_cases` finds any."""
    if find_cases(scene, channels, used):
        return YES
    if not scans_of(scene, used):
        return no(_("The scene has no scan that is not in use."))
    return no(
        _(
            "The scans that are not in use belong to cases that are listed, or their names fit none of the "
            "model's channels: choose volumes by hand."
        )
    )


def contrast_of(name: str) -> str | None:
    """The contrast that a volume's name ends in, "Anna_T2" for instance."""
    return split_channel(name)[1]


def other_contrasts(desk: Desk, rows: Sequence[CaseRow | ScanRow], channels: Sequence[str]) -> dict[str, str]:
    """Channel of a model to the contrast that took its place, where the names of all rows' volumes agree on
    another one; a channel whose contrast another channel bears is left out."""
    found: dict[str, str] = {}
    for channel in channels:
        nodes = (desk.node(volumes_for(row, channels).get(channel)) for row in rows)
        named = {contrast_of(node.GetName()) if node is not None else None for node in nodes}
        contrast = named.pop() if len(named) == 1 else None
        others = (*(name for name in channels if name != channel), *found.values())
        if contrast and not any(same_contrast(contrast, name) for name in (channel, *others)):
            found[channel] = contrast
    return found


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken: ignoring case, and what no folder's name can
    hold, for the results of a case go into one of its name."""
    known = {folder_key(other) for other in taken}
    name = name.strip() or _("Case")
    candidate, number = name, 2
    while folder_key(candidate) in known:
        candidate, number = f"{name} ({number})", number + 1
    return candidate


def _groups(scans: Iterable[Node], channels: Sequence[str]) -> list[_Group]:
    """The groups in the order of the scene; two volumes of one name are two cases."""
    found: list[_Group] = []
    for node in scans:
        name, channel = split_channel(node.GetName(), channels)
        key = channel or IMAGE
        group = next((g for g in found if g.name == name and not g.has(key)), None)
        if group is None:
            group = _Group(name)
            found.append(group)
        group.by_channel[key] = node
    return found


def _assign(volumes: dict[str, Node], channels: Sequence[str]) -> dict[str, Node]:
    by_name = {name.casefold(): node for name, node in volumes.items()}
    if not channels:
        return volumes
    chosen = {c: by_name[c.casefold()] for c in channels if c.casefold() in by_name}
    if not chosen and len(volumes) == 1 and len(channels) == 1:
        chosen = {channels[0]: next(iter(volumes.values()))}
    return chosen or ({} if len(volumes) > 1 else {channels[0]: next(iter(volumes.values()))})


def _segmentations(scene: Node, groups: Sequence[_Group], used: Collection[str]) -> dict[int, str]:
    """Number of a group to the node ID of its segmentation.

    What a segmentation was drawn on says more than its name: one that was drawn on a scan is never
    given to another by name. A name that several groups bear tells nothing.
    """
    drawn_on = {node.GetID(): number for number, group in enumerate(groups) for node in group.volumes}
    scans = {node.GetID() for node in scans_of(scene)}
    found: dict[int, str] = {}
    named = []
    for node in nodes_of(scene, "vtkMRMLSegmentationNode"):
        if node.GetID() in used or node.GetAttribute(RESULT) is not None:
            continue
        volume = reference_volume(node)
        if volume is None or volume.GetID() not in scans:
            named.append(node)
        elif volume.GetID() in drawn_on:
            found.setdefault(drawn_on[volume.GetID()], node.GetID())
    for node in named:
        names = {node.GetName().casefold(), without_label_suffix(node.GetName()).casefold()}
        fitting = [number for number, group in enumerate(groups) if names & group.names]
        if len(fitting) == 1:
            found.setdefault(fitting[0], node.GetID())
    return found
