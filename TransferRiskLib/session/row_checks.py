"""What a row lacks, and what is worth knowing of it, in sentences. Cheap: called at every change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from TransferRiskLib.cases.case_names import same_contrast
from TransferRiskLib.cases.channels import COVERED
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.mrml import annotation
from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.mrml.nodes import geometry_of, is_sheared
from TransferRiskLib.session.desk import Desk, Node
from TransferRiskLib.session.guessing import contrast_of
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.segment_labels import is_annotated, label_segments, meanings
from TransferRiskLib.session.state import CaseRow, ScanRow
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.wording import wording

_ = wording(__name__)
_GIVEN = re.compile(r"Segment_\d+")


def missing_images(desk: Desk, row: CaseRow | ScanRow, channels: Sequence[str]) -> list[str]:
    """Why a model of these channels cannot look at a row."""
    if not channels:
        return [_("Choose a source model, or a volume for this case.")]
    found = []
    volumes = volumes_for(row, channels)
    for channel in channels:
        node = desk.node(volumes.get(channel))
        if node is None:
            gone = _("There is no volume for {channel} any more.")
            text = gone if channel in volumes else _("There is no volume for {channel}.")
            found.append(text.format(channel=channel))
        elif problem := volume_problem(node):
            found.append(problem)
    return found or _apart([desk.node(volumes[channel]) for channel in channels])


def _apart(nodes: Sequence[Node]) -> list[str]:
    """Channels that lie elsewhere than the first one: they cannot be brought onto its grid."""
    first = geometry_of(nodes[0])
    text = _("The volume {name} covers {share} of {first}: register the two and resample it first.")
    found = []
    for node in nodes[1:]:
        share = first.covered_by(geometry_of(node))
        if share < COVERED:
            found.append(text.format(name=node.GetName(), share=f"{share:.0%}", first=nodes[0].GetName()))
    return found


def volume_problem(node: Node) -> str:
    """Why nothing can be done with a volume; empty when something can."""
    image, text = node.GetImageData(), ""
    if image is None:
        text = _("The volume {name} holds no image.")
    elif min(image.GetDimensions()) < 2:
        text = _("The volume {name} is a single slice.")
    elif image.GetNumberOfScalarComponents() != 1:
        text = _("The volume {name} holds colours or vectors: choose one with a single value a voxel.")
    elif min(node.GetSpacing()) <= 0:
        text = _("The volume {name} has voxels without an extent: correct its spacing in the module Volumes.")
    elif is_sheared(node):
        text = _(
            "The axes of the volume {name} are not at right angles, as after a transform with shear: give it "
            "a straight grid with the module Crop Volume or Resample Scalar/Vector/DWI Volume."
        )
    elif node.GetParentTransformNode() is not None:
        text = _("The volume {name} stands under a transform: harden it first.")
    return text.format(name=node.GetName())


def missing_annotation(desk: Desk, row: CaseRow, channels: Sequence[str]) -> list[str]:
    """Why a row cannot be learnt from; `channels` are the model's, or the row's own without one."""
    if not row.segmentation:
        return [_("It has no segmentation: choose one, or annotate it.")]
    node = desk.node(row.segmentation)
    if node is None:
        return [_("Its segmentation is not in the scene any more.")]
    grid = _grid(desk, row, channels)
    found = []
    if node.GetParentTransformNode() is not None:
        found.append(_("The segmentation {name} stands under a transform: harden it first."))
    elif grid is not None and annotation.lies_apart(node, grid):
        found.append(_("The segmentation {name} lies outside of the scan."))
    if annotation.is_empty(node):
        found.append(_("The segmentation {name} is empty: annotate some slices."))
    elif not annotation.can_be_sampled(node):
        found.append(
            _(
                "The segmentation {name} has neither label map nor surface: create one in the module "
                "Segmentations, under Representations."
            )
        )
    found = [text.format(name=node.GetName()) for text in found]
    if not found:
        found = _missing_labels(desk, row)
    return found + (_missing_roi(desk.node(row.roi), grid) if row.region == "roi" else [])


def _missing_labels(desk: Desk, row: CaseRow) -> list[str]:
    labels = label_segments(desk, row)
    if not labels:
        return [_("None of its segments stands for a label.")]
    if is_annotated(desk, row):
        return []
    names = ", ".join(segment.name for i, segment, _target in meanings(desk, row) if i in labels)
    return [_("Nothing is drawn in what stands for a label: {names}.").format(names=names)]


def _missing_roi(roi: Node | None, grid: Geometry | None) -> list[str]:
    if roi is None:
        return [_("Choose the ROI that was annotated.")]
    text = ""
    if min(roi.GetSize()) <= 0:
        text = _("The ROI {name} is not placed yet.")
    elif roi.GetParentTransformNode() is not None:
        text = _("The ROI {name} stands under a transform: harden it first.")
    elif grid is not None and Box.of_roi(roi).apart_from(Box.of_grid(grid)):
        text = _("The ROI {name} lies outside of the scan.")
    return [text.format(name=roi.GetName())] if text else []


def _grid(desk: Desk, row: CaseRow, channels: Sequence[str]) -> Geometry | None:
    """The grid of the volume that labels are sampled on, where that is a usable one."""
    node = desk.node(volumes_for(row, channels).get(channels[0])) if channels else None
    return geometry_of(node) if node is not None and not volume_problem(node) else None


def remarks(desk: Desk, row: CaseRow | ScanRow, card: ModelCard | None) -> list[str]:
    """What is no obstacle but worth knowing."""
    found = []
    if isinstance(row, CaseRow):
        found = [*_overlaps(desk, row), *_slices(row), *_unnamed(desk, row)]
    return found + (_contrasts(desk, row, card) if card is not None else [])


def _unnamed(desk: Desk, row: CaseRow) -> list[str]:
    """Segments with the name that Segment Editor gives: hardly the name of a label."""
    own = [
        segment.name
        for identifier, segment, _target in meanings(desk, row)
        if identifier not in row.labels and _GIVEN.fullmatch(segment.name)
    ]
    text = _("Its segment {names} becomes a label of that name: rename it, or say which label it is.")
    return [text.format(names=", ".join(own))] if own else []


def repeated(row: CaseRow, rows: Sequence[CaseRow]) -> list[str]:
    """Whether another row has the same scan or annotation: one of them held out would be no test."""
    own = {*row.channels.values(), row.segmentation} - {None}
    others = [
        other.name
        for other in rows
        if other.key != row.key and own & {*other.channels.values(), other.segmentation}
    ]
    text = _("It shares a volume or segmentation with {others}.")
    return [text.format(others=", ".join(others))] if others else []


def lacking_labels(row: CaseRow, own: Sequence[str], all_labels: Sequence[str]) -> list[str]:
    """Labels of other cases that a wholly annotated case has nothing of: it is background there.

    Args:
        row: The case.
        own: Names of its segments, and labels that they stand for.
        all_labels: Those of all cases.
    """
    known = {name.casefold() for name in own}
    lacks = [name for name in all_labels if name.casefold() not in known]
    if row.region != "everything" or not row.segmentation or not own or not lacks:
        return []
    text = _("It has no {labels}: where it is to be seen in this scan, it counts as background.")
    return [text.format(labels=", ".join(lacks))]


def _slices(row: CaseRow) -> list[str]:
    """That slices count as annotated or not by a guess, where nobody said which."""
    if row.region != "slices" or not row.segmentation:
        return []
    return [
        _(
            "Slices count in the plane in which they look drawn: say axial, coronal or sagittal where "
            "that is another."
        )
    ]


def _overlaps(desk: Desk, row: CaseRow) -> list[str]:
    """Segments of several layers may overlap; whether they do would take a look at every voxel."""
    node = desk.node(row.segmentation)
    layers = annotation.filled_layers(node) if node is not None else []
    drawn = {identifier for _data, identifiers in layers for identifier in identifiers}
    targets = {target for identifier, _segment, target in meanings(desk, row) if identifier in drawn}
    if len(layers) < 2 or len(targets) < 2:
        return []
    text = _("Its segments lie in {count} layers: where they overlap, the last one counts.")
    return [text.format(count=len(layers))]


def _contrasts(desk: Desk, row: CaseRow | ScanRow, card: ModelCard) -> list[str]:
    found = []
    volumes = volumes_for(row, card.channels)
    chosen = [desk.node(volumes.get(channel)) for channel in card.channels]
    twice = dict.fromkeys(node.GetName() for node in chosen if node is not None and chosen.count(node) > 1)
    if twice:
        text = _("Several channels are one and the same volume: {names}.")
        found.append(text.format(names=", ".join(twice)))
    trained = card.contrasts if len(card.contrasts) == len(card.channels) else card.channels
    for channel, contrast in zip(card.channels, trained, strict=True):
        node = desk.node(volumes.get(channel))
        named = contrast_of(node.GetName()) if node is not None else None
        if named and not same_contrast(named, channel) and not same_contrast(named, contrast):
            text = _("{model} was trained on {contrast}; the volume is named {named}.")
            found.append(text.format(model=card.name, contrast=contrast, named=named))
    return found
