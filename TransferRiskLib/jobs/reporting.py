"""A task's progress as events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from TransferRiskLib.errors import Cancelled
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.events import Body
from TransferRiskLib.progress import Progress

STEP_SECONDS = 0.05


class EventProgress(Progress):
    """Sends a task's progress as event bodies.

    Steps that follow each other quickly are added up, so that a fast loop does not flood the reader;
    nothing overtakes them.

    Args:
        send: Takes each body.
        is_cancelled: Whether somebody asked to stop.
    """

    def __init__(self, send: Callable[[Body], None], is_cancelled: Callable[[], bool]) -> None:
        super().__init__(is_cancelled)
        self._send = send
        self._steps = 0
        self._step_message = ""
        self._sent_at = float("-inf")
        self._stopping = False

    def stage(self, name: str, total: int | None = None) -> None:
        self._forward(events.Stage(name, total))

    def step(self, advance: int = 1, message: str = "") -> None:
        self._steps += advance
        self._step_message = message or self._step_message
        if time.monotonic() - self._sent_at >= STEP_SECONDS:
            self.flush()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._forward(events.Metrics(step, events.finite(values)))

    def message(self, text: str, level: str = "info") -> None:
        self._forward(events.Message(text, level))

    def artifact(self, path: Path, kind: str) -> None:
        self._forward(events.Artifact(str(path), kind))

    def check(self) -> None:
        try:
            super().check()
        except Cancelled:
            if not self._stopping:
                self._stopping = True
                self._forward(events.Stopping())
            raise

    def flush(self) -> None:
        """Send the steps that were held back."""
        if self._steps:
            self._send(events.Step(self._steps, self._step_message))
            self._steps, self._step_message = 0, ""
            self._sent_at = time.monotonic()

    def _forward(self, body: Body) -> None:
        self.flush()
        self._send(body)
