"""The job that segments scans and puts the results beside them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.case import Case, Cohort
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.mrml import heat, overlay
from TransferRiskLib.mrml.nodes import add_volume, put_beside
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk, Held, Node
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.session.guessing import mark_result, unique
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import ScanRow, SegmentChoice, SessionState
from TransferRiskLib.session.viewing import hide_what_is_not_in_view
from TransferRiskLib.tasks.requests import CohortInput, SegmentRequest
from TransferRiskLib.tasks.results import SegmentedScan, SegmentResult
from TransferRiskLib.volumes.io import read_volume, read_volumes
from TransferRiskLib.volumes.volume import Volume
from TransferRiskLib.wording import wording

_ = wording(__name__)


class SegmentScans(ExchangePlan):
    """Segments scans.

    Args:
        desk: Scene, settings, state.
        model: The model that segments.
        rows: Complete rows.
        channels: Its channels.
        options: Extra volumes that are wanted.
    """

    task, worker_task, result_type = "segment", "segment", SegmentResult

    def __init__(
        self,
        desk: Desk,
        model: Path,
        rows: Sequence[ScanRow],
        channels: Sequence[str],
        options: SegmentChoice,
    ) -> None:
        super().__init__(desk)
        self._model, self._rows, self._channels, self._options = model, rows, channels, options
        self._cases: dict[str, Case] = {}
        self._held = Held(desk, (volumes_for(row, channels).get(channels[0]) for row in rows))

    @property
    def title(self) -> str:
        return _("Segmenting scans")

    def prepare(self) -> Generator[str, None, SegmentRequest]:
        cases = yield from self.handover.cases(self._rows, self._channels)
        self._cases = {case.name: case for case in cases}
        return SegmentRequest(
            self._model,
            CohortInput(Cohort(cases)),
            self.folder.folder(),
            self._options.probabilities,
            self._options.uncertainty,
            self.prediction,
            compress=False,  # read at once, then gone with the folder
        )

    def apply(self, result: Any) -> Iterator[str]:
        rows = {row.name: row for row in self._rows}
        results: list[tuple[ScanRow, dict[str, Any]]] = []
        for scan in result.scans:
            row = rows[scan.case]
            if all(known.key != row.key for known in self.desk.state.scans):
                continue  # it was taken off the list: nobody waits for its result
            if scan.error is None:
                results.append((row, (yield from self._show(row, scan, result.states))))
            else:
                results.append((row, {"error": self.in_words(scan.error)}))
            yield scan.case
        state = self.desk.state
        for row, fields in results:
            state = self._with_result(state, row, fields)
        self.desk.update(state, "segment")
        hide_what_is_not_in_view(self.desk)
        failed = sum(bool(fields["error"]) for _row, fields in results)
        if failed:
            text = _("{failed} of {number} scans failed: the list says why.")
            self.closing = text.format(failed=failed, number=len(results))

    def _with_result(self, state: SessionState, row: ScanRow, fields: dict[str, Any]) -> SessionState:
        """The state with a result in its row, if that is there and means the scan that was handed over."""
        current = next((known for known in state.scans if known.key == row.key), None)
        first = self._channels[0]
        if current is None or self.desk.node(
            volumes_for(current, self._channels).get(first)
        ) is not self._scan(row):
            return state
        if fields.get("segmentation"):
            self._put_away(current)
        return state.with_scan(replace(current, **fields))

    def _put_away(self, row: ScanRow) -> None:
        """An earlier segmentation may have been corrected and stays, hidden; volumes beside it go."""
        former = self.desk.node(row.segmentation)
        if former is not None and former.GetDisplayNode() is not None:
            former.GetDisplayNode().SetVisibility(False)
        for identity in (row.uncertainty, *row.probabilities):
            node = self.desk.node(identity)
            if node is not None:
                self.desk.remove(node)

    def _scan(self, row: ScanRow) -> Node | None:
        return self._held.node(volumes_for(row, self._channels)[self._channels[0]])

    def _show(
        self, row: ScanRow, scan: SegmentedScan, states: Sequence[str]
    ) -> Generator[str, None, dict[str, Any]]:
        """Bring a result into the scene; the fields of its row."""
        scene = self.desk.scene
        volume = self._scan(row)
        if volume is None:
            return {"error": _("The scan was removed from the scene while it was segmented.")}
        geometry = self.handover.grid_still(row.name, volume)
        if geometry is None:
            return {"error": _("The scan was moved or replaced while it was segmented: segment it again.")}
        assert scan.segmentation is not None  # the task writes one for every scan without an error
        drawn = Case(row.name, {}, labels=scan.segmentation)
        indices, scheme = yield from in_background(
            partial(load_labels, drawn, geometry, None, require_foreground=False)
        )
        node = add_segmentation(scene, indices, geometry, scheme, "", volume)
        self._place(node, _("{scan} segmentation").format(scan=row.name), volume)
        overlay.show_outlines(node, fill=0.3)
        yield row.name
        uncertainty = None
        if scan.uncertainty is not None:
            values = yield from in_background(partial(_uncertainty, scan.uncertainty))
            uncertainty = heat.add_map(scene, values, "uncertainty", "")
            self._place(uncertainty, _("{scan} uncertainty").format(scan=row.name), volume)
            overlay.show_legend_only_of(scene, None)
            yield row.name
        probabilities = []
        if scan.probabilities is not None:
            parts = yield from in_background(partial(read_volumes, scan.probabilities))
            for label, part in zip(states, parts, strict=True):
                extra = add_volume(scene, part, "", (0.0, 1.0))
                name = _("{scan} probability of {label}").format(scan=row.name, label=label)
                self._place(extra, name, volume)
                probabilities.append(extra.GetID())
                yield row.name
        return {
            "segmentation": node.GetID(),
            "uncertainty": uncertainty.GetID() if uncertainty is not None else None,
            "probabilities": tuple(probabilities),
            "error": None,
        }

    def _place(self, node: Node, name: str, scan: Node) -> None:
        """Name a result, mark it as one, and put it beside its scan."""
        node.SetName(unique(name, (other.GetName() for other in self.desk.nodes())))
        mark_result(node)
        put_beside(node, scan)


def _uncertainty(path: Path) -> Volume:
    return heat.shown_values(read_volume(path), "uncertainty")
