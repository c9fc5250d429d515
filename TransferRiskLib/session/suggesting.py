"""Which unlabelled scan to annotate next, and where in it: by expected risk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.session.state import CaseRow
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
        answer: Takes the suggestions, the most worthwhile first.
    """

    task, worker_task, result_type = "suggest", "map", MapResult

    def __init__(
        self,
        desk: Desk,
        rows: Sequence[CaseRow],
        channels: Sequence[str],
        answer: Callable[[tuple[Suggestion, ...]], None],
    ) -> None:
        super().__init__(desk)
        self._rows, self._channels, self._answer = rows, channels, answer
        self._model, self._statistics = desk.state.model_path(), desk.state.statistics_of_model()
        self._found: list[Suggestion] = []

    @property
    def title(self) -> str:
        return _("Finding what to annotate next")

    def prepare(self) -> Generator[str, None, MapRequest]:
        statistics = self.folder.folder() / "statistics.json"
        write_json(statistics, self._statistics)
        cases = yield from self.handover.cases(self._rows, self._channels)
        return MapRequest(
            self._model,
            CohortInput(Cohort(cases)),
            self.folder.folder(),
            ("expected-risk", "eep-segmentation"),
            statistics,
            self.prediction,
        )

    def apply(self, result: Any) -> Iterator[str]:
        keys = {row.name: row.key for row in self._rows}
        for case in result.cases:
            score = yield from in_background(partial(expected_score, case))
            self._found.append(Suggestion(keys[case.case], case.case, score, case.worst_lps))
            yield case.case
        self._answer(tuple(sorted(self._found, key=lambda suggestion: -suggestion.score)))


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
