"""What a row lacks, and what is worth knowing of it, in sentences. Cheap: called at every change."""

from __future__ import annotations

from collections.abc import Sequence

from TransferRiskLib.cases.labels import BACKGROUND
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.mrml import annotation
from TransferRiskLib.session.desk import Desk
from TransferRiskLib.session.guessing import contrast_of
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow, ScanRow
from TransferRiskLib.wording import wording

_ = wording(__name__)


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
        elif node.GetImageData() is None:
            found.append(_("The volume {name} holds no image.").format(name=node.GetName()))
        elif min(node.GetImageData().GetDimensions()) < 2:
            found.append(_("The volume {name} is a single slice.").format(name=node.GetName()))
        elif node.GetParentTransformNode() is not None:
            text = _("The volume {name} stands under a transform: harden it first.")
            found.append(text.format(name=node.GetName()))
    return found


def missing_annotation(desk: Desk, row: CaseRow) -> list[str]:
    """Why a row cannot be learnt from."""
    if not row.segmentation:
        return [_("It has no segmentation: choose one, or annotate it.")]
    node = desk.node(row.segmentation)
    if node is None:
        return [_("Its segmentation is not in the scene any more.")]
    found = []
    if node.GetParentTransformNode() is not None:
        text = _("The segmentation {name} stands under a transform: harden it first.")
        found.append(text.format(name=node.GetName()))
    if annotation.is_empty(node):
        text = _("The segmentation {name} is empty: annotate some slices.")
        found.append(text.format(name=node.GetName()))
    else:
        targets = [row.labels.get(label.name, label.name) for label in annotation.segments_of(node)]
        if all(target is None or target.casefold() == BACKGROUND for target in targets):
            found.append(_("None of its segments stands for a label."))
    if row.region == "roi" and desk.node(row.roi) is None:
        found.append(_("Choose the ROI that was annotated."))
    return found


def remarks(desk: Desk, row: CaseRow | ScanRow, card: ModelCard | None) -> list[str]:
    """What is no obstacle but worth knowing."""
    if card is None:
        return []
    found = []
    volumes = volumes_for(row, card.channels)
    trained = card.contrasts if len(card.contrasts) == len(card.channels) else card.channels
    for channel, contrast in zip(card.channels, trained, strict=True):
        node = desk.node(volumes.get(channel))
        named = contrast_of(node.GetName()) if node is not None else None
        if named and named.casefold() not in (channel.casefold(), contrast.casefold()):
            text = _("{model} was trained on {contrast}; the volume is named {named}.")
            found.append(text.format(model=card.name, contrast=contrast, named=named))
    return found
