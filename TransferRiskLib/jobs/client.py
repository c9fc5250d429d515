"""The parent's side of the worker: submit, poll, cancel; nothing here blocks or needs Qt."""

from __future__ import annotations

import itertools
import os
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.commands import Cancel, Job, Release
from TransferRiskLib.jobs.events import Event, JobCancelled, Started, Stopping
from TransferRiskLib.jobs.failures import TOO_OLD, describe_exception, describe_exit
from TransferRiskLib.jobs.interpreters import Interpreter, find_interpreter, worker_environment
from TransferRiskLib.jobs.lines import Tail
from TransferRiskLib.jobs.process import WorkerProcess
from TransferRiskLib.records import to_json

WORKER = (
    "-c",
    f"import sys; sys.version_info < (3, 10) and sys.exit('{TOO_OLD}' + sys.version.split()[0]); "
    "sys.path[:] = filter(None, sys.path); from TransferRiskLib.jobs.worker import run; run()",
)
"""`python -m TransferRiskLib.jobs.worker`, except that the folder in which the program was started is not
searched for modules: a `statistics.py` there would shadow that of Python. `PYTHONSAFEPATH` says the same,
but Python 3.10 does not know it, and reads modules with `-m` before the worker can leave the folder out.
A Python that is too old to read the library says so."""


@dataclass
class _OpenJob:
    """A job without a last record."""

    job: Job
    started: bool = False
    cancelled: bool = False
    deadline: float | None = None
    resubmitted: bool = False


class WorkerClient:
    """Runs tasks in a worker process that stays warm between jobs.

    A timer calls `poll` a few times a second; every job ends in exactly one `done`, `cancelled` or
    `error` event, whatever happens to the process.

    Args:
        interpreter: Python of the worker; None finds one.
        command: Arguments that make the interpreter a worker.
        idle_seconds: The worker ends, and gives all memory back, after this time without a job;
            None keeps it.
        notice_seconds: A cancelled job that has not noticed within this time is ended by force.
        finish_seconds: So is one that noticed but has not finished tidying up within this time.
        environment: Environment to begin with; that of this process by default.

    Example:
        >>> client = WorkerClient()                                     # doctest: +SKIP
        >>> job = client.submit("map", MapRequest(...))                 # doctest: +SKIP
        >>> for event in client.poll():                                 # doctest: +SKIP
        ...     print(event.id == job, event.kind)
    """

    def __init__(
        self,
        interpreter: Interpreter | None = None,
        *,
        command: Sequence[str] = WORKER,
        idle_seconds: float | None = 600.0,
        notice_seconds: float = 2.0,
        finish_seconds: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._interpreter = interpreter
        self._arguments = list(command)
        if idle_seconds is not None:
            self._arguments += ["--idle-seconds", str(idle_seconds)]
        self._notice_seconds = notice_seconds
        self._finish_seconds = finish_seconds
        self._environment = environment
        self._process: WorkerProcess | None = None
        self._log = Tail()
        self._jobs: dict[str, _OpenJob] = {}
        self._numbers = itertools.count(1)

    @property
    def running(self) -> bool:
        """Whether a worker process is there, busy or warm."""
        return self._process is not None and self._process.exit_code is None

    @property
    def pid(self) -> int | None:
        """The worker's own process, as it reported; None before that and after its end."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def jobs(self) -> tuple[str, ...]:
        """Jobs without a last record, the running one first."""
        return tuple(self._jobs)

    def log_tail(self, lines: int | None = None) -> str:
        """The end of what the worker and its libraries wrote to their log."""
        return self._log.text(lines)

    def start(self) -> None:
        """Start the worker unless one runs; `submit` does so by itself.

        Raises:
            SettingsError: no interpreter, or one that cannot be started.
        """
        if self.running:
            return
        interpreter = self._interpreter or find_interpreter()
        environment = worker_environment(interpreter, self._environment)
        self._process = WorkerProcess([str(interpreter.path), *self._arguments], environment)
        self._log = self._process.log

    def submit(self, task: str, request: Any) -> str:
        """Hand over a job; it runs after those before it.

        Args:
            task: Name of the task.
            request: Its request record, or the JSON of one.

        Returns:
            The job's id, which its events carry.

        Raises:
            SettingsError: the worker cannot be started.
        """
        # The process number keeps the ids of two clients that share a log apart.
        job = Job(f"{os.getpid()}-{next(self._numbers)}", task, to_json(request))
        if self._process is None or (not self.running and not self._jobs):
            self.start()
        assert self._process is not None  # `start` made one
        # A worker that has just ended is replaced by `poll`, which then hands the job over again.
        self._process.send(job)
        self._jobs[job.id] = _OpenJob(job)
        return job.id

    def cancel(self, identity: str) -> None:
        """Ask a job to stop; `poll` enforces it. An unknown or finished job is left alone."""
        job = self._jobs.get(identity)
        if job is not None and not job.cancelled and self._process is not None:
            job.cancelled = True
            self._process.send(Cancel(identity))

    def release(self) -> None:
        """Have a warm worker give GPU memory back: the whole process ends when it is not busy,
        for only that frees the driver's part as well; the next job starts a new one."""
        if self._process is None:
            return
        if self._jobs:
            self._process.send(Release())
        else:
            self._process.close_input()

    def poll(self, limit: int = 500) -> list[Event]:
        """What happened since the last call, at most `limit` events; returns at once."""
        process = self._process
        if process is None:
            return []
        ended = process.ended  # asked before reading: what was said before the end is in the queue
        events: list[Event] = []
        while len(events) < limit:
            try:
                event = process.events.get_nowait()
            except queue.Empty:
                if ended:
                    events += self._after_end(process)
                break
            if self._admit(event):
                events.append(event)
        self._enforce_deadlines()
        return events

    def close(self, wait_seconds: float = 2.0) -> None:
        """Stop all jobs and end the worker, by force after `wait_seconds`; no further events come."""
        process, self._process = self._process, None
        self._jobs.clear()
        if process is None:
            return
        process.close_input()
        process.wait(wait_seconds)
        process.end_tree()  # also what a worker that ended by itself may have left behind
        process.wait(1.0)

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _admit(self, event: Event) -> bool:
        """Whether the event is for the caller: those of finished jobs are not."""
        if event.id is None:
            return True
        job = self._jobs.get(event.id)
        if job is None:
            return False
        if isinstance(event.body, Started):
            job.started = True
        elif isinstance(event.body, Stopping):
            job.deadline = time.monotonic() + self._finish_seconds
        elif event.is_last:
            del self._jobs[event.id]
        return True

    def _after_end(self, process: WorkerProcess) -> list[Event]:
        """Last records for the jobs that the worker left behind; waiting ones go to a new worker."""
        process.end_tree()  # what the worker may have left behind
        self._process = None
        came_up = process.pid is not None or process.exit_code == 0
        events, again = [], []
        for position, job in enumerate(self._jobs.values()):
            if job.cancelled:
                events.append(Event(job.job.id, JobCancelled("The work was stopped.")))
            elif came_up and not job.started and not (position == 0 and job.resubmitted):
                job.resubmitted = True
                again.append(job)
            else:
                failed = describe_exit(process.exit_code, process.log.text())
                events.append(Event(job.job.id, failed))
        self._jobs = {job.job.id: job for job in again}
        if again:
            try:
                self.start()
            except SettingsError as error:  # the interpreter is gone, or there is no memory for another
                self._jobs = {}
                return events + [Event(job.job.id, describe_exception(error)) for job in again]
            assert self._process is not None  # `start` made one
            for job in again:
                self._process.send(job.job)
        return events

    def _enforce_deadlines(self) -> None:
        """End the worker when its first job was cancelled and does not stop."""
        job = next(iter(self._jobs.values()), None)
        if job is None or not job.cancelled or self._process is None:
            return
        now = time.monotonic()
        if job.deadline is None:
            job.deadline = now + self._notice_seconds
        elif now > job.deadline:
            self._process.end_tree()


def client_for(
    setting: str = "", slicer_home: Path | None = None, environment: Mapping[str, str] | None = None
) -> WorkerClient:
    """A client with the interpreter that the user's setting, the environment or Slicer names.

    Raises:
        SettingsError: there is no such interpreter.
    """
    return WorkerClient(find_interpreter(setting, slicer_home=slicer_home), environment=environment)
