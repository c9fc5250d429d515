"""A worker that says what a test writes."""

from __future__ import annotations

from typing import Any

from TransferRiskLib.jobs.events import Body, Event


class PlayedWorker:
    """Takes jobs and events; does nothing."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, Any]] = []
        self.cancelled: list[str] = []
        self.closed = self.released = 0
        self.running = True
        self._events: list[Event] = []

    def submit(self, task: str, request: Any) -> str:
        self.submitted.append((task, request))
        return str(len(self.submitted))

    def say(self, *bodies: Body) -> None:
        """Events of the latest job."""
        self._events += [Event(str(len(self.submitted)), body) for body in bodies]

    def cancel(self, identity: str) -> None:
        self.cancelled.append(identity)

    def release(self) -> None:
        self.released += 1

    def poll(self, limit: int = 500) -> list[Event]:
        events, self._events = self._events, []
        return events

    def close(self, wait_seconds: float = 2.0) -> None:
        self.closed += 1

    def log_tail(self, lines: int | None = None) -> str:
        return "the log"
