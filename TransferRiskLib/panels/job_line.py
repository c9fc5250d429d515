"""The foot of the window: the running job, and one line for what went wrong or is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from slicer.i18n import tr as _

from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import allow, on, say

if TYPE_CHECKING:
    from TransferRiskLib.session.jobs import JobProgress, Outcome


class JobLine(Panel):
    """Progress, stage and Cancel while a job runs; afterwards how it ended, instead of a pop-up."""

    changes: ClassVar[frozenset[str]] = frozenset({"job"})

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._error = self._error_details = ""
        self._dismissed: Outcome | None = None
        self._dismissed_problem = ""
        self._to_log = 0
        self.on_click("cancelJobButton", self.session.jobs.cancel)
        on(self.ui.dismissMessageButton, "clicked()", self._dismiss)
        on(self.ui.messageDetailsButton, "clicked()", self._show_details)

    def say_error(self, text: str, details: str = "") -> None:
        """Show an error until it is put away or something else is tried; details are for the log."""
        self._error, self._error_details = text, details
        self.stale = True

    def refresh(self) -> None:
        ui, progress = self.ui, self.session.jobs.progress
        ui.jobLine.setVisible(progress is not None)
        if progress is not None:
            say(ui.jobLabel, _job_text(progress))
            ui.jobBar.setRange(0, progress.total or 0)
            ui.jobBar.setValue(progress.step if progress.total else 0)
        outcome = self.session.jobs.outcome
        shown = outcome if outcome is not self._dismissed else None
        problem = self.session.problem
        if problem == self._dismissed_problem:
            problem = ""
        text = self._error or problem or (_outcome_text(shown) if shown else "")
        ui.messageLine.setVisible(bool(text))
        say(ui.messageLabel, text)
        details = self._error_details if self._error else (shown.details if shown else "")
        ui.messageDetailsButton.setVisible(bool(details))

    def settle(self) -> None:
        super().settle()
        if self._to_log:  # not with the click: sections that were opened find their places by and by
            self._to_log -= 1
            self.ui.scrollArea.ensureWidgetVisible(self.ui.logGroup)  # of a text, Qt shows the caret only

    def allow(self) -> None:
        tip = _("An adaptation can be resumed later.")
        allow(self.ui.cancelJobButton, self.session.jobs.can_cancel(), tip)

    def _dismiss(self) -> None:
        self._error = ""
        self._dismissed = self.session.jobs.outcome
        self._dismissed_problem = self.session.problem
        self.stale = True

    def _show_details(self) -> None:
        outcome = self.session.jobs.outcome
        details = self._error_details if self._error else (outcome.details if outcome else "")
        self.ui.environmentSection.collapsed = False
        self.ui.logGroup.collapsed = False
        self.ui.logText.setPlainText(details)
        self._to_log = 3


def _job_text(progress: JobProgress) -> str:
    if progress.phase == "stopping":
        return _("{title}: stopping…").format(title=progress.title)
    parts = [progress.title, progress.stage, progress.message]
    text = " – ".join(part for part in dict.fromkeys(parts) if part)
    if progress.remaining is not None:
        left = _("about {time} left").format(time=_duration(progress.remaining))
        return f"{text} ({left})"
    return text


def _duration(seconds: float) -> str:
    if seconds < 90:
        return _("{number} s").format(number=max(1, round(seconds)))
    return _("{number} min").format(number=round(seconds / 60))


def _outcome_text(outcome: Outcome) -> str:
    if outcome.kind == "cancelled":
        return _("{title}: stopped.").format(title=outcome.title)
    if outcome.kind == "error":
        text = _("{title} failed: {reason}").format(title=outcome.title, reason=outcome.message)
        return f"{text} {outcome.hint}".strip()
    return _("{title}: {message}").format(title=outcome.title, message=outcome.message or _("done."))
