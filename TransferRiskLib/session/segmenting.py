"""Segmentation of new scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from TransferRiskLib.places import is_folder
from TransferRiskLib.session import row_checks
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, demand, no
from TransferRiskLib.session.guessing import can_find_cases, find_cases, unique
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.loading import LoadCases
from TransferRiskLib.session.model_entries import ModelEntry
from TransferRiskLib.session.row_volumes import volumes_for, with_volume
from TransferRiskLib.session.segmentation_job import SegmentScans
from TransferRiskLib.session.source_models import SourceModels
from TransferRiskLib.session.state import CaseRow, ScanRow, SegmentChoice
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.session.viewing import bring_into_view, uncover
from TransferRiskLib.wording import wording

_ = wording(__name__)


class Segmenting:
    """`session.segmenting`.

    Args:
        desk: Scene, settings, state.
        jobs: Runs the segmentation.
        models: The list of models.
        cases: The target cases, which a corrected segmentation joins.
    """

    def __init__(self, desk: Desk, jobs: Jobs, models: SourceModels, cases: TargetCases) -> None:
        self._desk, self._jobs, self._models, self._cases = desk, jobs, models, cases

    # -- the list -------------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[ScanRow, ...]:
        """The scans of the list."""
        return self._desk.state.scans

    def can_add_from_scene(self) -> Verdict:
        """Whether the scene has a case of which no scan is in the list or among the target cases."""
        return can_find_cases(self._desk.scene, self.channels, self._used())

    def add_from_scene(self) -> list[str]:
        """Add every such case; the new rows' keys."""
        demand(self.can_add_from_scene())
        found = find_cases(self._desk.scene, self.channels, self._used())
        return self._insert([ScanRow("", case.name, case.channels) for case in found])

    def add_volumes(self, node_ids: Sequence[str]) -> list[str]:
        """Add volumes by node ID; the new rows' keys."""
        found = find_cases(self._desk.scene, self.channels, among=node_ids)
        return self._insert([ScanRow("", case.name, case.channels) for case in found])

    def add(self, name: str = "") -> str:
        """Add an empty row, whose volumes are chosen by hand; its key."""
        return self._insert([ScanRow("", name)])[0]

    def can_add_folder(self) -> Verdict:
        """Whether a folder can be loaded now."""
        return self._jobs.can_start()

    def add_folder(self, path: Path) -> None:
        """Load the scans of a folder, one volume a `tick`; labels in it are ignored."""
        demand(self.can_add_folder())

        def insert(rows: list[CaseRow]) -> None:
            self._insert([ScanRow("", row.name, row.channels) for row in rows])

        self._jobs.start(LoadCases(self._desk, Path(path), self.channels, insert, labels=False))

    def remove(self, key: str) -> None:
        """Take a scan off the list; its nodes stay."""
        rows = tuple(row for row in self.rows if row.key != key)
        self._desk.update(replace(self._desk.state, scans=rows), "segment")

    def set_chosen(self, key: str, chosen: bool) -> None:
        """Tick a scan."""
        self._change(key, chosen=bool(chosen))

    def set_channel(self, key: str, channel: str, node_id: str | None) -> None:
        """Choose the volume of a channel. What an earlier segmentation of another volume gave stays in the
        scene, and is no result of this scan any more."""
        row = self._desk.state.scan(key)
        changed = replace(row, channels=with_volume(row, self.channels, channel, node_id))
        if volumes_for(changed, self.channels) != volumes_for(row, self.channels):
            changed = replace(changed, segmentation=None, uncertainty=None, probabilities=(), error=None)
        self._desk.update(self._desk.state.with_scan(changed), "segment")

    def volumes(self, key: str) -> dict[str, str]:
        """Node ID of the volume that serves each channel."""
        return volumes_for(self._desk.state.scan(key), self.channels)

    def missing(self, key: str) -> list[str]:
        """What a scan lacks, in sentences."""
        return row_checks.missing_images(self._desk, self._desk.state.scan(key), self.channels)

    def remarks(self, key: str) -> list[str]:
        """What is worth knowing of a scan: another contrast, or why its last segmentation failed."""
        row, model = self._desk.state.scan(key), self.model
        found = row_checks.remarks(self._desk, row, model.card if model is not None else None)
        failed = _("The last segmentation failed: {reason}").format(reason=row.error)
        return ([failed] if row.error else []) + found

    # -- options --------------------------------------------------------------------------------

    @property
    def options(self) -> SegmentChoice:
        """The options of the next segmentation."""
        return self._desk.state.segment

    @property
    def model(self) -> ModelEntry | None:
        """The model that segments: the chosen one, else the adapted one, else the source model."""
        result = self._desk.state.adapted.result
        adapted = str(result.bundle) if result is not None and is_folder(result.bundle) else ""
        return self._models.find(self.options.model or adapted or self._desk.state.model)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of that model."""
        model = self.model
        return model.card.channels if model is not None and model.card is not None else ()

    def set_model(self, path: Path | None) -> None:
        """Choose the model; None for the default."""
        self._choose(model=str(path) if path is not None else "")

    def set_options(self, *, probabilities: bool | None = None, uncertainty: bool | None = None) -> None:
        """Ask for extra volumes."""
        given = {"probabilities": probabilities, "uncertainty": uncertainty}
        self._choose(**{name: value for name, value in given.items() if value is not None})

    # -- the job --------------------------------------------------------------------------------

    def can_segment(self) -> Verdict:
        """Whether there is a model and a complete ticked scan."""
        ok, reason = self._jobs.can_compute()
        if not ok:
            return no(reason)
        model = self.model
        if model is None:
            return no(_("Choose a source model, or adapt one, first."))
        if model.card is None:
            return no(_("The model cannot be used: {reason}").format(reason=model.problem))
        if not self.rows:
            return no(_("Add scans first."))
        ticked = [row for row in self.rows if row.chosen]
        if not ticked:
            return no(_("Tick a scan first."))
        if not self._usable():
            text = _("No ticked scan is complete. {scan}: {reason}")
            return no(text.format(scan=ticked[0].name, reason=self.missing(ticked[0].key)[0]))
        return YES

    def segment(self) -> None:
        """Start the job on the complete ticked scans; the others are left out."""
        demand(self.can_segment())
        model = self.model
        assert model is not None
        rows = self._usable()
        self._jobs.start(SegmentScans(self._desk, model.path, rows, self.channels, self.options))

    # -- what came of it ------------------------------------------------------------------------

    def can_edit(self, key: str) -> Verdict:
        """Whether the scan has a segmentation to edit."""
        row = self._desk.state.scan(key)
        if self._desk.node(row.segmentation) is None:
            return no(_("Segment this scan first."))
        return YES if self._first(row) is not None else no(_("The scan is not in the scene any more."))

    def edit_target(self, key: str) -> tuple[Node, Node]:
        """The segmentation node and its scan, for Segment Editor."""
        demand(self.can_edit(key))
        row = self._desk.state.scan(key)
        segmentation, scan = self._desk.node(row.segmentation), self._first(row)
        assert segmentation is not None  # `can_edit` has looked
        bring_into_view(self._desk, scan)
        uncover(segmentation)
        return segmentation, scan

    def can_show(self, key: str) -> Verdict:
        """Whether the scan has a volume in the scene."""
        row = self._desk.state.scan(key)
        if self._first(row) is not None:
            return YES
        if row.channels:
            return no(_("The scan is not in the scene any more."))
        return no(_("Choose the volume of this scan first."))

    def show(self, key: str) -> None:
        """Bring a scan and its segmentation into the slice views."""
        demand(self.can_show(key))
        row = self._desk.state.scan(key)
        bring_into_view(self._desk, self._first(row), self._desk.node(row.uncertainty))
        uncover(self._desk.node(row.segmentation))

    def can_add_to_cases(self, key: str) -> Verdict:
        """Whether the scan has a segmentation and is no target case yet."""
        ok, reason = self.can_edit(key)
        if not ok:
            return no(reason)
        segmentation = self._desk.state.scan(key).segmentation
        if any(row.segmentation == segmentation for row in self._cases.rows):
            return no(_("It is a target case already."))
        return YES

    def add_to_cases(self, key: str) -> str:
        """Make the scan with its (corrected) segmentation a target case; the case row's key. It leaves
        the list of scans to segment."""
        demand(self.can_add_to_cases(key))
        row = self._desk.state.scan(key)
        new = CaseRow("", row.name, row.channels, row.segmentation)
        (made,) = self._cases.insert([new])
        self.remove(key)
        return made

    # -- inside ---------------------------------------------------------------------------------

    def _usable(self) -> list[ScanRow]:
        return [row for row in self.rows if row.chosen and not self.missing(row.key)]

    def _first(self, row: ScanRow) -> Node | None:
        volumes = volumes_for(row, self.channels)
        first = [
            volumes[channel] for channel in self.channels if channel in volumes
        ]  # results lie on its grid
        nodes = (self._desk.node(identity) for identity in (*first, *row.channels.values()))
        return next((node for node in nodes if node is not None), None)

    def _insert(self, rows: Iterable[ScanRow]) -> list[str]:
        state, keys = self._desk.state, []
        for row in rows:
            name = unique(row.name, (known.name for known in state.scans))
            row = replace(row, key=state.new_key(), name=name)
            state = replace(state, scans=(*state.scans, row))
            keys.append(row.key)
        self._desk.update(state, "segment")
        return keys

    def _used(self) -> set[str]:
        rows: tuple[ScanRow | CaseRow, ...] = (*self.rows, *self._cases.rows)
        return {node for row in rows for node in row.channels.values()}

    def _change(self, key: str, **fields: object) -> None:
        row = replace(self._desk.state.scan(key), **fields)  # type: ignore[arg-type]
        self._desk.update(self._desk.state.with_scan(row), "segment")

    def _choose(self, **fields: object) -> None:
        choice = replace(self.options, **fields)  # type: ignore[arg-type]
        self._desk.update(replace(self._desk.state, segment=choice), "segment")
