"""Folders of cases into the scene, a volume a step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile, Cohort
from TransferRiskLib.cases.case_names import IMAGE, same_contrast
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import UNLABELLED, Label, LabelScheme
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.mrml import overlay
from TransferRiskLib.mrml.annotation import segments_by_id
from TransferRiskLib.mrml.nodes import Shelf, add_volume, geometry_of
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk, Node
from TransferRiskLib.session.job_plans import Plan
from TransferRiskLib.session.state import CaseRow
from TransferRiskLib.session.viewing import bring_into_view
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.wording import wording

_ = wording(__name__)


class LoadCases(Plan):
    """Loads a cohort's volumes and labels.

    Args:
        desk: Scene and state.
        path: Folder or list.
        channels: The model's channels; empty takes the files' own.
        insert: Takes the rows of what was loaded.
        labels: Whether labels are loaded too.
    """

    task, patient_apply = "load", True

    def __init__(
        self,
        desk: Desk,
        path: Path,
        channels: Sequence[str],
        insert: Callable[[list[CaseRow]], Any],
        labels: bool = True,
    ) -> None:
        self._desk, self._channels, self._insert, self._labels = desk, tuple(channels), insert, labels
        self._path, self._shelf = path, Shelf(desk.scene, path.stem)

    @property
    def title(self) -> str:
        return _("Loading cases")

    def apply(self, result: Any) -> Iterator[str]:
        # Thousands of headers, on a network perhaps: not in the click.
        cohort = yield from in_background(partial(_read, self._path, self._channels))
        self._shelf = Shelf(self._desk.scene, cohort.name or self._path.stem)
        rows = []
        for case in cohort.cases:
            channels: dict[str, str] = {}
            first: Node = None
            for channel, file in self._wanted(case).items():
                name = _volume_name(case, channel, file)
                volume = yield from in_background(partial(read_volume, file.path, file.component))
                node = add_volume(self._desk.scene, volume, name)
                overlay.show_scan(node)
                self._shelf.put(node)
                first = first if first is not None else node
                channels[channel] = node.GetID()
                yield node.GetName()
            segmentation = None
            labels: dict[str, str | None] = {}
            if self._labels and case.labels is not None and first is not None:
                segmentation, labels = yield from self._load_labels(case, first, cohort.scheme)
                yield _("{case}: labels").format(case=case.name)
            rows.append(CaseRow("", case.name, channels, segmentation, labels, patient=case.subject or ""))
        self._insert(rows)
        bring_into_view(self._desk, first)

    def undo(self) -> None:
        self._shelf.clear_away()

    def _wanted(self, case: Case) -> dict[str, Any]:
        """The model's channels; the only image of a case goes to a model's only channel."""
        there = {name.casefold(): file for name, file in case.images.items()}
        if not self._channels:
            return dict(case.images)
        if len(self._channels) == 1 and len(case.images) == 1:
            return {self._channels[0]: next(iter(case.images.values()))}
        return {c: there[c.casefold()] for c in self._channels if c.casefold() in there} or dict(case.images)

    def _load_labels(
        self, case: Case, scan: Node, known: LabelScheme | None
    ) -> Generator[str, None, tuple[str, dict[str, str | None]]]:
        geometry = geometry_of(scan)
        indices, scheme = yield from in_background(
            partial(load_labels, case, geometry, known, require_foreground=False)
        )
        unlabelled = None
        if case.annotation != Annotation() and (indices == UNLABELLED).any():
            # What is not annotated becomes a segment of its own, so that the user sees it.
            extra = max(label.value for label in scheme.labels) + 1
            unlabelled = _("not annotated")
            scheme = LabelScheme((*scheme.labels, Label(unlabelled, extra)))
            indices[indices == UNLABELLED] = len(scheme) - 1
        node = add_segmentation(self._desk.scene, indices, geometry, scheme, f"{case.name}_label", scan)
        overlay.show_outlines(node)
        self._shelf.put(node)
        segments = segments_by_id(node).items()
        return node.GetID(), {i: None for i, segment in segments if segment.name == unlabelled}


def _volume_name(case: Case, channel: str, file: ChannelFile) -> str:
    """What a volume is called that serves a channel: the case, with the contrast where it has several or
    another one than the channel, which nobody would notice otherwise."""
    own = next(name for name, image in case.images.items() if image == file)
    if own != IMAGE and not same_contrast(own, channel):
        return f"{case.name}_{own}"
    return case.name if len(case.images) == 1 else f"{case.name}_{channel}"


def _read(path: Path, channels: tuple[str, ...]) -> Cohort:
    if not channels:
        return read_cohort(path)
    try:
        return read_cohort(path, channels=channels)
    except TransferRiskError:  # files may name channels that are not the model's
        return read_cohort(path)
