"""The job that adapts: its folder, its live curves, its end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.discarding import discard
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.events import Body
from TransferRiskLib.jobs.exchange import ImageFolder
from TransferRiskLib.places import is_file, is_folder
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.desk import Desk, prediction_settings
from TransferRiskLib.session.guessing import other_contrasts
from TransferRiskLib.session.handover import Handover, with_names
from TransferRiskLib.session.job_plans import Plan
from TransferRiskLib.session.output import BUNDLE, FINISHED, INPUTS, new_run_folder
from TransferRiskLib.session.stages import stage_in_words
from TransferRiskLib.session.state import AdaptRun, CaseRow
from TransferRiskLib.tasks.requests import AdaptRequest, CohortInput
from TransferRiskLib.tasks.results import AdaptResult
from TransferRiskLib.wording import wording

_ = wording(__name__)
REQUEST = "session.json"
"""The request and the names of its files, which a resumed run takes over."""
WORK = "work"

Curves = dict[str, list[tuple[float, float]]]
Finished = Callable[[Path, float | None], None]
"""Takes the source model, and the seconds that the task took where it ran from beginning to end."""


class Adaptation(Plan):
    """Adapts in a folder that keeps the images until the run is finished: a resumed run needs the very
    same ones, also after Slicer was closed.

    Args:
        desk: Scene, settings, state.
        rows: Training cases.
        channels: The model's channels.
        scheme: The target labels.
        settings: Of the adaptation.
        name: Of the adapted model.
        finished: Called at the end.
    """

    task, worker_task, result_type = "adapt", "adapt", AdaptResult

    def __init__(
        self,
        desk: Desk,
        rows: Sequence[CaseRow],
        channels: Sequence[str],
        scheme: LabelScheme | None,
        settings: AdaptationSettings,
        name: str,
        finished: Finished,
    ) -> None:
        self._desk, self._rows, self._channels, self._scheme = desk, rows, channels, scheme
        self._settings, self._name, self._finished = settings, name, finished
        self._model, self._prediction = desk.state.model_path(), prediction_settings(desk.settings)
        self._before = desk.state.adapted
        self._folder: Path | None = None
        self._done = self._learnt = False
        self.curves: Curves = {}
        self._stage = ""
        self._began: float | None = None
        self._names: dict[str, str] = {}

    @property
    def title(self) -> str:
        return _("Adapting the model")

    def prepare(self) -> Generator[str, None, AdaptRequest]:
        self._folder = new_run_folder(self._desk.settings)
        inputs = self._folder / INPUTS
        inputs.mkdir(mode=0o700)
        handover = Handover(self._desk, ImageFolder(inputs))
        self._names = handover.names
        taken = other_contrasts(self._desk, self._rows, self._channels)
        cases = yield from handover.cases(self._rows, self._channels, self._scheme)
        cases = tuple(replace(c, images={taken.get(n, n): f for n, f in c.images.items()}) for c in cases)
        request = AdaptRequest(
            self._model,
            CohortInput(Cohort(cases, self._scheme), taken),
            self._folder,
            self._settings,
            self._prediction,
            self._name,
        )
        write_json(self._folder / REQUEST, {"request": to_json(request), "names": self._names})
        # what an earlier run has brought can still be saved and used
        self._keep(AdaptRun(str(self._folder), "unfinished", self._before.result))
        return request

    def hear(self, body: Body) -> None:
        if isinstance(body, events.Stage):
            self._stage = stage_in_words(body.name)
            # Not the start of the job: the worker may have had to import its libraries first.
            self._began = self._began or time.monotonic()
        elif isinstance(body, events.Metrics):
            for name, value in body.values.items():
                if value is not None:
                    self._point(_curve(self._stage, name), body.step, value)
            self._desk.note("curves")

    def apply(self, result: Any) -> Iterator[str]:
        assert self._folder is not None
        self._keep(AdaptRun(str(self._folder), "done", result, self._frozen()))
        seconds = time.monotonic() - self._began if self._began is not None else None
        self._finished(self._model, None if result.resumed else seconds)
        yield _("Adapted model")

    def close(self, kind: Literal["done", "cancelled", "error"]) -> None:
        if self._folder is None:
            return
        # The worker may have finished although the job ended otherwise, with its scene or Slicer itself.
        self._done = kind == "done"
        finished = self._done or is_finished(self._folder)
        self._learnt = finished or is_folder(self._folder / WORK)
        if self._done or self._desk.state.adapted.folder != str(self._folder):
            return
        if not self._learnt:  # as if it had never begun
            self._keep(self._before)
        elif not finished:
            self._keep(replace(self._desk.state.adapted, curves=self._frozen()))
        elif (result := finished_result(self._folder)) is not None:
            self._keep(AdaptRun(str(self._folder), "done", result, self._frozen()))

    def tidy(self) -> None:
        if self._folder is None:
            return
        finished = self._done or is_finished(self._folder)  # perhaps only now
        if finished:
            _tidy(self._folder)
        if finished or self._learnt:
            self._drop_abandoned()
        else:
            discard(self._folder)

    def in_words(self, text: str) -> str:
        return with_names(text, self._names)

    def _drop_abandoned(self) -> None:
        """An unfinished run that this one took the place of holds images that nobody will use."""
        old = self._before
        if old.status != "unfinished" or old.folder == str(self._folder):
            return
        if old.folder and is_finished(Path(old.folder)):  # which the scene had not heard of
            _tidy(Path(old.folder))
        elif old.folder and is_resumable(Path(old.folder)):
            discard(Path(old.folder))

    def _point(self, name: str, step: int, value: float) -> None:
        curve = self.curves.setdefault(name, [])
        while curve and curve[-1][0] >= step:  # a resumed training repeats the steps since its checkpoint
            curve.pop()
        curve.append((float(step), value))

    def _frozen(self) -> dict[str, tuple[tuple[float, float], ...]]:
        return {name: tuple(points) for name, points in self.curves.items()}

    def _keep(self, run: AdaptRun) -> None:
        self._desk.update(replace(self._desk.state, adapted=run), "adapt")


class Resumption(Adaptation):
    """Goes on with the latest adaptation, with the images that it began with.

    Args:
        desk: Scene, settings, state.
        folder: Of the run; another one than the scene's where that has none.
        finished: Called at the end.
    """

    def __init__(self, desk: Desk, folder: Path, finished: Finished) -> None:
        run = desk.state.adapted
        request, names = saved_request(folder)
        super().__init__(desk, (), (), None, request.settings, request.name, finished)
        self._request, self._model = request, request.model
        self._names = names
        self._folder = folder
        if run.folder == str(folder):
            self.curves = {name: list(points) for name, points in run.curves.items()}

    @property
    def title(self) -> str:
        return _("Adapting the model (resumed)")

    def prepare(self) -> Generator[str, None, AdaptRequest]:
        if self._before.folder != str(self._folder):
            self._keep(AdaptRun(str(self._folder), "unfinished", self._before.result))
        # The device may be another one by now; everything else must stay what it was.
        return replace(self._request, prediction=self._prediction)
        yield ""


def is_finished(folder: Path) -> bool:
    """Whether the run of a folder has come to its end."""
    return is_file(folder / FINISHED)


def finished_result(folder: Path) -> AdaptResult | None:
    """The result of a finished run; None where it cannot be read, because of another version, say."""
    try:
        record = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
        result = from_json(AdaptResult, record["result"])
        return replace(result, bundle=folder / BUNDLE)  # the folder may have been moved since
    except (OSError, ValueError, KeyError, TypeError, SettingsError):
        return None


def settled(run: AdaptRun) -> AdaptRun:
    """A run as the disk has it: one that finished after its scene was saved is done."""
    if run.status != "unfinished" or not is_finished(Path(run.folder)):
        return run
    result = finished_result(Path(run.folder))
    return run if result is None else replace(run, status="done", result=result)


def _tidy(folder: Path) -> None:
    """Remove from a finished run what only a resumed one needs."""
    discard(folder / INPUTS)
    with contextlib.suppress(OSError):  # held by a virus scanner, say: it names no image any more
        (folder / REQUEST).unlink(missing_ok=True)


def is_resumable(folder: Path) -> bool:
    """Whether a folder holds an unfinished run with its images."""
    return is_file(folder / REQUEST) and is_folder(folder / INPUTS)


def saved_request(folder: Path) -> tuple[AdaptRequest, dict[str, str]]:
    """The request of an unfinished run, and what its files are.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        record = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = _("cannot be resumed: its request is not readable.")
        raise SettingsError(text, file=folder) from error
    names = {str(path): str(name) for path, name in record.get("names", {}).items()}
    return from_json(AdaptRequest, record.get("request")), names


def _curve(training: str, metric: str) -> str:
    """Name of the curve of a metric that the worker sends."""
    templates = {"loss": _("{training}: loss"), "validation_dice": _("{training}: validation Dice")}
    return templates[metric].format(training=training) if metric in templates else f"{training}: {metric}"
