"""A job as the parts of a session describe it, and how it is told to the window."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from TransferRiskLib.jobs.events import Body

Phase = Literal["preparing", "running", "stopping", "applying"]


@dataclass(frozen=True)
class JobProgress:
    """How far the job is.

    Attributes:
        task: `rank`, `map`, `adapt`, `segment`, `probe`, `suggest`, `load`, or `save`.
        title: What it does, for the window.
        phase: Handing images over, running, stopping, or bringing results into the scene.
        stage: What it is at.
        step, total: Of the stage; total is None when it is not known.
        message: The last message.
        elapsed: Seconds since the start.
        remaining: Seconds that the stage will take, roughly; None when it is not known.
    """

    task: str
    title: str
    phase: Phase
    stage: str = ""
    step: int = 0
    total: int | None = None
    message: str = ""
    elapsed: float = 0.0
    remaining: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How the last job ended.

    Attributes:
        kind: `done`, `cancelled` or `error`.
        task, title: Of the job.
        message, hint: For the line in the window.
        details: Traceback or tail of the log, for the log view.
    """

    kind: Literal["done", "cancelled", "error"]
    task: str
    title: str
    message: str
    hint: str = ""
    details: str = ""


class Plan:
    """What a part asks `Jobs` to do; the parts derive from it.

    Attributes:
        task: Name for `JobProgress`.
        worker_task: The worker's task, or None for a job that needs no worker.
        result_type: Record of the worker's result.
        patient_apply: Whether bringing results into the scene is long enough to be cancelled.
        closing: What the window says when it is done; empty for just that.
    """

    task = ""
    worker_task: str | None = None
    result_type: type = object
    patient_apply = False
    closing = ""

    @property
    def title(self) -> str:
        """What it does, for the window."""
        return ""

    def prepare(self) -> Generator[str, None, Any]:
        """Hand data over, a node a step; yields what was done (empty while it waits), returns the request."""
        return None
        yield ""  # what makes this a generator

    def hear(self, body: Body) -> None:
        """Something the running task said."""

    def apply(self, result: Any) -> Iterator[str]:
        """Bring the result into the scene, a node a step; the state changes in the last step."""
        return iter(())

    def undo(self) -> None:
        """Tidy up after an `apply` that did not come to its end; nodes that it made are gone already."""

    def close(self, kind: Literal["done", "cancelled", "error"]) -> None:
        """The job is over; called once, whatever happened. The worker may still be at it where it is being
        ended together with the job."""

    def tidy(self) -> None:
        """Remove files; called once after `close`, when no worker writes any more, perhaps from another
        thread: no node and no state may be touched."""

    def in_words(self, text: str) -> str:
        """A message with names of nodes in place of file names."""
        return text
