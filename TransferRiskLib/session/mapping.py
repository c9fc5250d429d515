"""The job that computes risk maps and brings them into the scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.case import Annotation, Case, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import load_labels
from TransferRiskLib.errors import CaseError
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import Shelf
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk, Held
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.session.guessing import mark_result, unique
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow, MapDisplay, MappedCase, MapRun
from TransferRiskLib.tasks.requests import CohortInput, MapRequest
from TransferRiskLib.tasks.results import MapResult
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.volumes.volume import Volume
from TransferRiskLib.wording import wording

_ = wording(__name__)


class ComputeMaps(ExchangePlan):
    """Maps rows with the chosen model.

    Args:
        desk: Scene, settings, state.
        rows: Complete rows; those without a segmentation get their expected risk only.
        channels: The model's channels.
        scheme: The target labels.
        name: Of the run.
        shown: Called when the maps are in the scene; what is to be said of it.
        left_out: Names of the rows that are not complete.
    """

    task, worker_task, result_type = "map", "map", MapResult

    def __init__(
        self,
        desk: Desk,
        rows: Sequence[CaseRow],
        channels: Sequence[str],
        scheme: LabelScheme | None,
        name: str,
        shown: Callable[[], str],
        left_out: Sequence[str] = (),
    ) -> None:
        super().__init__(desk)
        self._rows, self._channels, self._scheme, self._name = rows, channels, scheme, name
        self._shown, self._shelf = shown, Shelf(desk.scene, name)
        self._left_out = left_out
        self._model = desk.state.model
        self._cases: dict[str, Case] = {}
        # Rows may change while the job runs; the result belongs to the scans that were handed over.
        self._scans = {row.name: volumes_for(row, channels)[channels[0]] for row in rows}
        self._held = Held(desk, self._scans.values())

    @property
    def title(self) -> str:
        return _("Computing risk maps")

    def prepare(self) -> Generator[str, None, MapRequest]:
        cases = yield from self.handover.cases(self._rows, self._channels, self._scheme)
        self._cases = {case.name: case for case in cases}
        return MapRequest(
            Path(self._model),
            CohortInput(Cohort(cases, self._scheme)),
            self.folder.folder(),
            prediction=self.prediction,
            compress=False,  # read at once, then gone with the folder
        )

    def apply(self, result: Any) -> Iterator[str]:
        summary = json.loads(result.summary.with_suffix(".json").read_text(encoding="utf-8"))
        statistics = json.loads(result.statistics.read_text(encoding="utf-8"))
        made, lost = [], []
        for maps in result.cases:
            scan = self._held.node(self._scans[maps.case])
            geometry = self.handover.grid_still(maps.case, scan)
            if geometry is None:
                lost.append(maps.case)
                continue
            mapped = MappedCase(maps.case, self._scans[maps.case], worst_lps=maps.worst_lps)
            for kind, path in maps.maps.items():
                mapped = yield from self._show(mapped, kind, path, geometry)
                yield f"{maps.case}: {kind}"
            made.append(mapped)
        if lost and not made:
            text = _("The volume of “{case}” was removed, moved or replaced while its maps were computed.")
            raise CaseError(text.format(case=lost[0]))
        state = self.desk.state
        name = unique(self._name, (run.name for run in state.runs))  # a scene may have brought the same
        run = MapRun(
            name, self._model, tuple(made), result.risk, summary["histogram"], statistics, result.score
        )
        kind = state.display.kind or "risk"
        display = replace(state.display, run=run.name, case=made[0].case if made else "", kind=kind)
        self.desk.update(replace(state, runs=(*state.runs, run), display=_possible(display, run)), "maps")
        self.closing = " ".join(filter(None, (self._shown(), *self._missed(lost))))

    def _missed(self, lost: Sequence[str]) -> Iterator[str]:
        if self._left_out:
            yield _("Left out, for they are not complete: {cases}.").format(cases=", ".join(self._left_out))
        if lost:
            text = _("Not shown, for their volumes were removed, moved or replaced meanwhile: {cases}.")
            yield text.format(cases=", ".join(lost))

    def undo(self) -> None:
        self._shelf.clear_away()

    def _show(
        self, mapped: MappedCase, kind: str, path: Path, geometry: Geometry
    ) -> Generator[str, None, MappedCase]:
        scene, case, title = self.desk.scene, self._cases[mapped.case], f"{mapped.case} {kind}"
        if kind == "eep-segmentation":
            drawn = replace(case, labels=path, annotation=Annotation())
            indices, scheme = yield from in_background(
                partial(load_labels, drawn, geometry, self._scheme, require_foreground=False)
            )
            node = add_segmentation(scene, indices, geometry, scheme, title, self._held.node(mapped.scan))
            node.GetDisplayNode().SetVisibility(False)
            mapped = replace(mapped, segmentations={**mapped.segmentations, kind: node.GetID()})
        else:
            values = yield from in_background(partial(self._values, kind, path, case, geometry))
            node = heat.add_map(scene, values, kind, title)
            mapped = replace(mapped, maps={**mapped.maps, kind: node.GetID()})
        mark_result(node)
        self._shelf.put(node)
        return mapped

    def _values(self, kind: str, path: Path, case: Case, geometry: Geometry) -> Volume:
        background = None
        if kind == "gain" and case.labels is not None:  # only gain maps look at the labels
            indices, _scheme = load_labels(case, geometry, self._scheme, require_foreground=False)
            background = indices <= 0
        return heat.shown_values(read_volume(path), kind, background)


def _possible(display: MapDisplay, run: MapRun) -> MapDisplay:
    """The display with a kind of map that the run's first case has."""
    kinds = run.cases[0].maps if run.cases else {}
    return display if display.kind in kinds or not kinds else replace(display, kind=next(iter(kinds)))
