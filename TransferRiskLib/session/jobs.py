"""The one job of a session: prepared step by step, run by the worker, applied step by step."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Literal

from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.ending import end_beside, is_ending, wait_for_endings
from TransferRiskLib.jobs.events import Event
from TransferRiskLib.records import from_json
from TransferRiskLib.session.desk import YES, Connect, Desk, Verdict, Worker, demand, no, prediction_settings
from TransferRiskLib.session.job_plans import JobProgress, Outcome, Plan
from TransferRiskLib.session.running_job import RunningJob
from TransferRiskLib.wording import wording

_ = wording(__name__)
_MESSAGES = 200
_GRACE_SECONDS = 0.5
_ENDING_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


class Jobs:
    """`session.jobs`: runs one `Plan` at a time.

    Args:
        desk: Scene, settings, state.
        connect: Makes the worker's client.
        clock: Seconds; for elapsed and remaining time only.
    """

    def __init__(self, desk: Desk, connect: Connect, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk, self._connect, self._clock = desk, connect, clock
        self._worker: Worker | None = None
        self._running: RunningJob | None = None
        self._outcome: Outcome | None = None
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
        self._held = ""
        self.devices: tuple[str, ...] | None = None
        """Devices that the worker reported; None before it was asked."""

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._running is not None

    @property
    def progress(self) -> JobProgress | None:
        """How far it is; None when there is none."""
        return self._running.progress(self._clock()) if self._running is not None else None

    @property
    def outcome(self) -> Outcome | None:
        """How the last job ended; None while one runs and before the first."""
        return self._outcome

    @property
    def messages(self) -> tuple[str, ...]:
        """Messages of the current or last job, the latest last."""
        return tuple(self._messages)

    @property
    def worker(self) -> Worker | None:
        """The worker's client; None before the first job."""
        return self._worker

    def can_start(self) -> Verdict:
        """Whether no job is under way, and nothing else must end first."""
        if self._held:
            return no(self._held)
        if self._running is None:
            return YES
        return no(_("Wait until the running job has ended: {job}.").format(job=self._running.plan.title))

    def can_compute(self) -> Verdict:
        """As `can_start`, for a job that works on the chosen device."""
        ok, reason = self.can_start()
        if not ok:
            return no(reason)
        device = prediction_settings(self._desk.settings).device
        if not self.lacks(device):
            return YES
        return no(
            _("The device {device} is not there: choose another one in section 6.").format(device=device)
        )

    def lacks(self, device: str) -> bool:
        """Whether the worker reported its devices, and this is none of them."""
        if self.devices is None or device in ("auto", "cpu"):
            return False
        return not any(known == device or known.partition(":")[0] == device for known in self.devices)

    def hold(self, reason: str) -> None:
        """Let no job start, for a reason in words; an empty one lets them start again."""
        self._held = reason

    def can_cancel(self) -> Verdict:
        """Whether there is a job that can be stopped."""
        running = self._running
        if running is None:
            return no(_("Nothing is running."))
        if running.phase == "stopping":
            return no(_("It is being stopped."))
        if running.phase == "applying" and not running.plan.patient_apply:
            return no(_("It is finished; its results are being brought into the scene."))
        return YES

    def cancel(self) -> None:
        """Stop the job; an adaptation can be resumed."""
        demand(self.can_cancel())
        running = self._running
        assert running is not None
        if running.phase == "running":
            assert self._worker is not None and running.identity is not None
            self._worker.cancel(running.identity)
            running.phase = "stopping"
            self._desk.tell("job")
        else:
            self._end("cancelled", _("The job was cancelled."))

    def start(self, plan: Plan) -> None:
        """Begin a plan at the next `advance`; raises SettingsError while another is under way."""
        demand(self.can_start())
        self._outcome = None
        self._messages.clear()
        self._running = RunningJob(plan, self._prepared(plan), self._clock())
        self._desk.tell("job")

    def advance(self) -> None:
        """Hear the worker, and take the next step of preparing or applying."""
        worker = self._worker
        for event in worker.poll() if worker is not None else ():
            try:
                self._hear(event)
            except Exception as error:  # the other events, and the end of the job, must not go with it
                self._break_off(error)
        self._desk.flush()
        running = self._running
        if running is None or running.phase in ("running", "stopping"):
            return
        try:
            self._step(running)
        except Exception as error:  # whatever a step raises must end in a line in the window
            self._fail(error)

    def abandon(self) -> None:
        """The scene is going: stop the job and forget what it would have brought."""
        running = self._running
        if running is None:
            return
        running.forsaken = True
        if running.phase == "running":
            self.cancel()
        elif running.phase != "stopping":
            self._end("cancelled", _("The job was cancelled because the scene was closed."))

    def disconnect(self, *, wait: bool = False) -> None:
        """End the worker, and with it a running job.

        Args:
            wait: Come back when it is over, which takes a second or two where it is busy. Otherwise it goes
                on beside the caller, the job's files go with it, and the next job's worker starts after it.
        """
        worker, self._worker = self._worker, None
        running = self._running
        if worker is not None and wait:
            worker.close(_GRACE_SECONDS)
        if running is not None:
            running.forsaken = True
            self._end("cancelled", _("The worker was ended."), tidy=worker is None or wait)
        if wait:
            wait_for_endings(_ENDING_SECONDS)  # of one that was let go before
        elif worker is not None:
            end_beside(partial(_end_with_files, worker, running))

    # -- steps ----------------------------------------------------------------------------------

    def _prepared(self, plan: Plan) -> Generator[str, None, Any]:
        """The steps of preparing. A worker that was let go may still hold the graphics card, or the folder of
        the very run that is to be resumed: none is started beside it."""
        request = yield from plan.prepare()
        while plan.worker_task is not None and self._worker is None and is_ending():
            time.sleep(_PAUSE_SECONDS)  # in Slicer threads run only while this one sleeps
            yield ""
        return request

    def _step(self, running: RunningJob) -> None:
        # Taken in every phase: a plan without a worker's task goes on to applying within its first step.
        before = set(self._desk.nodes())
        try:
            done = next(running.steps)
            if done:  # empty while files are read or written in the background
                running.message = running.plan.in_words(done)
                running.step += 1
        except StopIteration as end:
            if running.phase == "preparing":
                self._submit(running, end.value)
            else:
                self._end("done", running.plan.closing)
        finally:
            if running.phase == "applying":
                running.made += [node for node in self._desk.nodes() if node not in before]
        self._desk.tell("job")

    def _submit(self, running: RunningJob, request: Any) -> None:
        if running.plan.worker_task is None:
            running.apply(None)
            return
        if self._worker is None:
            self._worker = self._connect(self._desk.settings.get("Interpreter"))
        running.identity = self._worker.submit(running.plan.worker_task, request)
        running.phase = "running"
        running.enter(_("Starting"))

    def _hear(self, event: Event) -> None:
        running = self._running
        if running is None or event.id != running.identity:
            if event.id is None and isinstance(event.body, events.Message):
                self._messages.append(event.body.text)
            return
        body = event.body
        if not running.forsaken:
            running.plan.hear(body)
        if isinstance(body, events.Done):
            if running.forsaken:
                self._end("cancelled", _("The job was cancelled because the scene was closed."))
                return
            try:
                running.apply(from_json(running.plan.result_type, body.result))
            except TransferRiskError as error:
                self._fail(error)
        elif isinstance(body, events.JobCancelled):
            self._end("cancelled", _("The job was cancelled."))
        elif isinstance(body, events.Failed):
            words = running.plan.in_words
            about = f"{body.file}: {body.message}" if body.file else body.message
            self._end("error", words(about), words(body.hint or ""), body.traceback)
        else:
            running.hear(body, self._clock())
            if isinstance(body, events.Message):
                self._messages.append(running.plan.in_words(body.text))
        self._desk.note("job")

    def _break_off(self, error: Exception) -> None:
        """End a job that cannot be followed, on both sides."""
        running = self._running
        if running is None:
            return
        if self._worker is not None and running.identity is not None:
            self._worker.cancel(running.identity)  # one that has ended is left alone
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        assert self._running is not None
        words = self._running.plan.in_words
        if isinstance(error, TransferRiskError):
            about = f"{error.file}: {error.message}" if error.file else error.message
            self._end("error", words(about), words(error.hint or ""), details)
        else:
            about = _("It failed unexpectedly: {error}").format(error=error)
            hint = _("Run it again; if it stays so, report it together with the log.")
            self._end("error", about, hint, details)

    def _end(
        self,
        kind: Literal["done", "cancelled", "error"],
        message: str,
        hint: str = "",
        details: str = "",
        tidy: bool = True,
    ) -> None:
        running, self._running = self._running, None
        assert running is not None
        running.steps.close()
        if running.phase == "applying" and kind != "done" and not running.forsaken:
            for node in reversed(running.made):
                self._desk.remove(node)
            running.plan.undo()
        plan = running.plan
        self._outcome = Outcome(kind, plan.task, plan.title, message, hint, details)
        plan.close(kind)
        if tidy:
            plan.tidy()
        self._desk.tell("job")


def _end_with_files(worker: Worker, running: RunningJob | None) -> None:
    """End a worker, and only then remove what it may be writing into."""
    try:
        worker.close(_GRACE_SECONDS)
    finally:
        if running is not None:
            running.plan.tidy()
