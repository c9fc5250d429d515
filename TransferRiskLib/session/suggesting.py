"""Which unlabelled scan to annotate next, and where in it: by expected risk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.session.handover import held_nodes
from TransferRiskLib.session.patients import patient_of_row
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow, SuggestedNext, SuggestedScan
from TransferRiskLib.tasks.requests import CohortInput, MapRequest
from TransferRiskLib.tasks.results import CaseMaps, MapResult
from TransferRiskLib.volumes.io import read_volume
from TransferRiskLib.wording import wording

_ = wording(__name__)


@dataclass(frozen=True)
class Suggestion:
    """A scan worth annotating next, and where in it.

    Attributes:
        key, name: Of the case row.
        score: Expected risk over the scan, per voxel of expected foreground, in nats: a scan whose
            structures are small is not passed over for its large background.
        lps: Where the expected risk is highest, LPS mm.
        known_patient: Whether another scan of its patient is annotated.
    """

    key: str
    name: str
    score: float
    lps: tuple[float, float, float] | None = None
    known_patient: bool = False

    @property
    def sentence(self) -> str:
        """The suggestion in words."""
        score, place = f"{self.score:.2f}", ""
        text = _("{scan}: expected risk {score} nats per foreground voxel.")
        if self.lps is not None:
            right, front, height = -self.lps[0], -self.lps[1], self.lps[2]
            place = f"R {right:.0f}, A {front:.0f}, S {height:.0f} mm"
            text = _("{scan}: expected risk {score} nats per foreground voxel, highest at {place}.")
        sentence = text.format(scan=self.name, score=score, place=place)
        if not self.known_patient:
            return sentence
        known = _("Another scan of the same patient is annotated already.")
        return f"{sentence} {known}"


class Suggest(ExchangePlan):
    """Maps the expected risk of unlabelled scans.

    Args:
        desk: Scene, settings, state.
        rows: The scans.
        channels: The model's channels.
    """

    task, worker_task, result_type = "suggest", "map", MapResult

    def __init__(self, desk: Desk, rows: Sequence[CaseRow], channels: Sequence[str]) -> None:
        super().__init__(desk)
        self._rows, self._channels = rows, channels
        self._model, self._statistics = desk.state.model, desk.state.statistics_of_model()
        # Rows may change while the job runs; the answer is about the scans that were handed over.
        self._volumes = {row.name: volumes_for(row, channels) for row in rows}
        self._held = held_nodes(desk, rows)

    @property
    def title(self) -> str:
        return _("Finding what to annotate next")

    def prepare(self) -> Generator[str, None, MapRequest]:
        statistics = self.folder.folder() / "statistics.json"
        write_json(statistics, self._statistics)
        cases = yield from self.handover.cases(self._rows, self._channels)
        return MapRequest(
            Path(self._model),
            CohortInput(Cohort(cases)),
            self.folder.folder(),
            ("expected-risk", "eep-segmentation"),
            statistics,
            self.prediction,
        )

    def apply(self, result: Any) -> Iterator[str]:
        keys = {row.name: row.key for row in self._rows}
        found = []
        for case in result.cases:
            score = yield from in_background(partial(expected_score, case))
            volumes = self._volumes[case.case]
            if self.handover.grid_still(case.case, self._held.node(volumes[self._channels[0]])) is not None:
                found.append(SuggestedScan(keys[case.case], score, case.worst_lps, volumes))
            yield case.case
        scans = tuple(sorted(found, key=lambda scan: -scan.score))
        answer = SuggestedNext(self._model, scans)
        self.desk.update(replace(self.desk.state, suggested=answer), "cases")


def suggestions_now(
    desk: Desk, volumes: Callable[[str], Mapping[str, str]], is_labelled: Callable[[str], bool]
) -> tuple[Suggestion, ...]:
    """The last answer as far as it still holds, the most worthwhile scan first.

    All of it goes when another model is chosen; a scan goes that has been annotated, that is no case any
    more, or whose volumes are gone or others by now. Scans of patients of whom another one is annotated
    come last: they are likely to teach less.

    Args:
        desk: Scene and state.
        volumes: Node IDs of what a row's key has for the model's channels.
        is_labelled: Whether the row of a key is annotated.
    """
    answer = desk.state.suggested
    if not answer.scans or answer.model != desk.state.model:
        return ()
    rows = {row.key: row for row in desk.state.cases}
    known = {patient_of_row(desk, row) for key, row in rows.items() if is_labelled(key)}
    left = []
    for scan in answer.scans:
        row = rows.get(scan.key)
        if row is None or is_labelled(scan.key) or dict(scan.volumes) != volumes(scan.key):
            continue
        if all(desk.node(identity) is not None for identity in scan.volumes.values()):
            patient = patient_of_row(desk, row)
            left.append(Suggestion(scan.key, row.name, scan.score, scan.lps, patient in known))
    return tuple(sorted(left, key=lambda suggestion: suggestion.known_patient))


def expected_score(case: CaseMaps) -> float:
    """The score of a case's written maps, see `score_of_maps`."""
    risk = read_volume(case.maps["expected-risk"]).array
    return score_of_maps(risk, read_volume(case.maps["eep-segmentation"], allow_flat=True).array)


def score_of_maps(risk: np.ndarray, segmentation: np.ndarray) -> float:
    """Sum of the expected risk over the number of expected foreground voxels (at least one), in nats.

    Args:
        risk: Expected risk in nats, (k, j, i).
        segmentation: Expected class indices, same shape; 0 is background.
    """
    return float(risk.sum(dtype=np.float64)) / max(1, int(np.count_nonzero(segmentation)))
