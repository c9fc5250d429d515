"""The window: all panels on one session, kept up to date by a timer."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.panels.adapt import AdaptPanel
from TransferRiskLib.panels.environment import EnvironmentPanel
from TransferRiskLib.panels.job_line import JobLine
from TransferRiskLib.panels.panel import Surroundings
from TransferRiskLib.panels.risk_map import RiskMapPanel
from TransferRiskLib.panels.segment import SegmentPanel
from TransferRiskLib.panels.source_model import SourceModelPanel
from TransferRiskLib.panels.target_cases import TargetCasesPanel
from TransferRiskLib.panels.wheel import scroll_past
from TransferRiskLib.panels.widgets import on

if TYPE_CHECKING:
    from TransferRiskLib.panels.application import Application
    from TransferRiskLib.session.session import Session

INTERVAL_MS = 100
SECTIONS = (
    SourceModelPanel,
    TargetCasesPanel,
    RiskMapPanel,
    AdaptPanel,
    SegmentPanel,
    EnvironmentPanel,
)


class Window:
    """The panels of the module.

    The timer goes on while another module is shown, so that a job goes on too.

    Args:
        ui: The widgets of the window description by name.
        session: What the window shows; the window ends with it, but does not close it.
        application: Slicer's application around the window.
    """

    def __init__(self, ui: Any, session: Session, application: Application) -> None:
        self._session = session
        self._application = application
        surroundings = Surroundings(ui, session, application, self.attempt)
        self.job_line = JobLine(surroundings)
        self.panels = [*(section(surroundings) for section in SECTIONS), self.job_line]
        scroll_past(ui.scrollArea)
        self._verdicts_stale = True
        self._standing: object = None
        self._unsubscribe = session.subscribe(self._on_change)
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._last_failure = ""
        on(self._timer, "timeout()", self._on_timer)
        self.refresh()
        self._timer.start()

    def attempt(self, action: Callable[[], object]) -> None:
        """Do what a click asks for. An error becomes a line; a mistake of ours goes to the log and the
        report as well, for nobody looks at Python's console."""
        self.job_line.say_error("")
        try:
            action()
        except TransferRiskError as error:
            self.job_line.say_error(str(error))
        except Exception as error:
            self._say_unexpected(error)
        self._verdicts_stale = True

    def _say_unexpected(self, error: Exception) -> None:
        logging.exception("TransferRisk")
        text = _("It failed unexpectedly: {error}").format(error=str(error) or type(error).__name__)
        details = traceback.format_exc()
        self.job_line.say_error(text, details)
        self._session.environment.remember_failure(details)

    def _on_timer(self) -> None:
        """A tick that fails is told like a click that fails. The same failure ten times a second is one."""
        failure = ""
        try:
            self.tick()
        except Exception as error:
            failure = traceback.format_exc()
            if failure != self._last_failure:
                self._say_unexpected(error)
        self._last_failure = failure

    def tick(self) -> None:
        """Let the session work, then show what has changed."""
        self._session.tick()
        self.refresh()
        for panel in self.panels:
            panel.settle()

    def refresh(self) -> None:
        """Show what has changed since the last time."""
        jobs, environment = self._session.jobs, self._session.environment
        # What changes without a word: a job's phase, and the worker that ends by itself.
        standing = (jobs.busy, jobs.can_cancel(), environment.can_release())
        if standing != self._standing:
            self._standing, self._verdicts_stale = standing, True
        with self._session.cases.glance():
            for panel in self.panels:
                if panel.stale:
                    panel.stale = False
                    panel.refresh()
                    self._verdicts_stale |= panel is not self.job_line
            if self._verdicts_stale:
                self._verdicts_stale = False
                for panel in self.panels:
                    panel.allow()

    def scene_changed(self) -> None:
        """Nodes came or went: names in the tables and what can work may differ."""
        for panel in self.panels:
            panel.stale = True

    def enter(self) -> None:
        """The module is shown again, perhaps after Segment Editor has changed a segmentation."""
        self._application.close_segment_editor()
        self._session.maps.enter()
        self._session.models.refresh()  # models come and go on the disk
        self.scene_changed()
        self.refresh()

    def leave(self) -> None:
        """Another module is shown; a running job goes on."""
        self._session.maps.leave()

    def close(self) -> None:
        """Stop the timer and let go of session and application."""
        self._timer.stop()
        self._timer.deleteLater()  # it holds on to the window, and the window to it
        self._unsubscribe()
        self._application.close()

    def _on_change(self, change: str) -> None:
        for panel in self.panels:
            if change == "state" or change in panel.changes:
                panel.stale = True
