"""Section 6: where the computations run, and how to put that right."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import ctk
from slicer.i18n import tr as _

from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import PathLine, allow, choose_from, facts, on, position, say
from TransferRiskLib.places import is_file


class EnvironmentPanel(Panel):
    """Device, versions, installation, log and report."""

    changes: ClassVar[frozenset[str]] = frozenset({"environment"})

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._planned = False
        self._wheels: Path | None = None
        ui, part = self.ui, self.session.environment
        ui.wheelsEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.interpreterEdit.filters = ctk.ctkPathLineEdit.Files
        on(ui.deviceCombo, "activated(int)", self._choose_device)
        self._interpreter = PathLine(ui.interpreterEdit, lambda: part.interpreter, self._set_interpreter)
        PathLine(ui.wheelsEdit, lambda: str(self._wheels or ""), self._set_wheels)
        self.on_click("probeButton", part.probe)
        self.on_click("releaseButton", part.release)
        self.on_click("copyReportButton", lambda: self.application.copy_text(part.bug_report()))
        self.on_click("planInstallButton", lambda: self._plan(True))
        self.on_click("cancelInstallButton", lambda: self._plan(False))
        self.on_click("goAheadButton", self._install)
        self.on_click("refreshLogButton", self._show_log)

    def refresh(self) -> None:
        ui, part = self.ui, self.session.environment
        say(ui.environmentWarningLabel, " ".join(part.warnings()))
        say(ui.environmentLabel, facts(part.summary()))
        choices = part.device_choices()
        texts = [_("automatic") if choice == "auto" else choice for choice in choices]
        choose_from(ui.deviceCombo, texts, position(choices, part.device))
        self._interpreter.show()
        plan = part.installation_text(self._has_torch(), self._wheels) if self._planned else ""
        say(ui.installPlanLabel, plan)
        # Another Python than Slicer's own is the user's: its plan is a command to copy.
        ui.goAheadButton.setVisible(self._planned and not part.own_python)
        ui.cancelInstallButton.setVisible(self._planned)
        ui.cancelInstallButton.setText(_("Close") if part.own_python else _("Not now"))

    def allow(self) -> None:
        ui, part = self.ui, self.session.environment
        allow(ui.probeButton, part.can_probe(), _("Ask for versions, devices and their memory."))
        allow(
            ui.releaseButton, part.can_release(), _("The idle process ends; the next job starts a new one.")
        )
        allow(ui.interpreterEdit, part.can_set_interpreter(), _("Empty for Slicer's own Python."))
        tip = _("Says which command installs the packages into the Python that you named.")
        plans = (True, "") if part.own_python else part.can_install()
        allow(ui.planInstallButton, plans, tip if part.own_python else _("First says what it will do."))
        goes = part.can_go_ahead(self._has_torch(), self._wheels)
        allow(ui.goAheadButton, goes, _("Change Slicer's Python as described."))

    def _choose_device(self, index: int) -> None:
        part = self.session.environment
        self.attempt(lambda: part.set_device(part.device_choices()[index]))

    def _set_interpreter(self, path: str) -> None:
        # Half a path while it is typed is no interpreter yet.
        if not path or is_file(path):
            self.attempt(lambda: self.session.environment.set_interpreter(path))

    def _set_wheels(self, folder: str) -> None:
        self._wheels = Path(folder) if folder else None
        self.stale = True

    def _plan(self, planned: bool) -> None:
        self._planned = planned
        self.stale = True

    def _install(self) -> None:
        self._plan(False)
        part = self.session.environment
        part.prepare_installation()
        try:
            step = part.torch_step(self._has_torch(), self._wheels)
            self.application.install(part.pip_arguments(self._wheels), self._wheels, step)
        finally:
            part.end_installation()
        part.probe()

    def _has_torch(self) -> bool:
        return self.application.has_package("torch")

    def _show_log(self) -> None:
        self.ui.logText.setPlainText(self.session.environment.log_tail())
