"""A job under way: its phase, its steps, its pace."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.events import Body
from TransferRiskLib.session.desk import Node
from TransferRiskLib.session.job_plans import JobProgress, Phase, Plan
from TransferRiskLib.session.stages import stage_in_words
from TransferRiskLib.wording import wording

_ = wording(__name__)


class RunningJob:
    """A plan under way."""

    def __init__(self, plan: Plan, steps: Generator[str, None, Any], now: float) -> None:
        self.plan, self.steps = plan, steps
        self.phase: Phase = "preparing"
        self.identity: str | None = None
        self.forsaken = False
        self.enter(self._with_worker(_("Handing images over")))
        # Nodes, not IDs: that of a node which the user removes meanwhile may become another node's.
        self.made: list[Node] = []
        self._began = now

    def enter(self, stage: str, total: int | None = None) -> None:
        """Begin a stage; what was last said in the one before holds no longer."""
        self.stage, self.step, self.message = stage, 0, ""
        self.total = total
        self._mark: tuple[float, int] | None = None

    def apply(self, result: Any) -> None:
        """Go on to bringing the result into the scene."""

        def steps() -> Generator[str, None, None]:
            yield from self.plan.apply(result)

        self.phase, self.steps = "applying", steps()
        self.enter(self._with_worker(_("Bringing results into the scene")))

    def _with_worker(self, stage: str) -> str:
        """Without a worker's task there is but one stage, which the title names."""
        return stage if self.plan.worker_task is not None else ""

    def hear(self, body: Body, now: float) -> None:
        """Progress of the task."""
        if isinstance(body, events.Stage):
            self.enter(stage_in_words(body.name), body.total)
        elif isinstance(body, events.Step):
            self.step += body.advance
            self.message = self.plan.in_words(body.message) or self.message
            # A resumed stage begins with one big step, which says nothing of its speed.
            self._mark = self._mark or (now, self.step)
        elif isinstance(body, events.Message):
            self.message = self.plan.in_words(body.text)
        elif isinstance(body, events.Stopping):
            self.phase = "stopping"

    def progress(self, now: float) -> JobProgress:
        """For the window."""
        remaining = None
        if self.total and self._mark is not None and self.step > self._mark[1]:
            pace = (now - self._mark[0]) / (self.step - self._mark[1])
            remaining = max(0.0, pace * (self.total - self.step))
        return JobProgress(
            self.plan.task, self.plan.title, self.phase, self.stage, self.step, self.total,
            self.message, now - self._began, remaining,
        )  # fmt: skip
