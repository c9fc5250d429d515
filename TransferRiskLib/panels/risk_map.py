"""Section 3: where the source model will not transfer."""

from __future__ import annotations

from typing import ClassVar

from slicer.i18n import tr as _

from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import allow, choose_from, fill, on, on_row, position, quietly, say


class RiskMapPanel(Panel):
    """Compute maps, choose what is shown and how, read the table."""

    changes: ClassVar[frozenset[str]] = frozenset({"maps", "display"})
    tables = ("riskTable",)

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._row = -1
        ui, maps = self.ui, self.session.maps
        self.on_click("computeMapButton", maps.compute)
        self.on_click("removeRunButton", lambda: maps.remove_run(maps.display.run))
        self.on_click("histogramButton", lambda: self.application.show_chart(maps.show_histogram()))
        on(ui.runCombo, "activated(int)", self._show_run)
        on(ui.mapCaseCombo, "activated(int)", self._show_case)
        on(ui.mapKindCombo, "activated(int)", self._show_kind)
        on(ui.opacitySlider, "valueChanged(double)", lambda v: self.attempt(lambda: maps.set_opacity(v)))
        on(ui.thresholdRange, "valuesChanged(double,double)", self._set_threshold)
        on(ui.renderingCheck, "clicked(bool)", lambda v: self.attempt(lambda: self._set_rendering(v)))
        on_row(ui.riskTable, self._jump)
        # A click on the row that is selected already leads back to its spot.
        on(ui.riskTable, "cellClicked(int,int)", lambda row, _column: self._jump(row))

    def refresh(self) -> None:
        maps, ui, display = self.session.maps, self.ui, self.session.maps.display
        say(ui.scoreLabel, " ".join(filter(None, (maps.score_sentence(), maps.remark()))))
        runs, cases, kinds = self._runs(), self._cases(), self._kinds()
        choose_from(ui.runCombo, runs, position(runs, display.run))
        choose_from(ui.mapCaseCombo, cases, position(cases, display.case))
        texts = [maps.title(kind) if kind else _("none: the scan alone") for kind in kinds]
        choose_from(ui.mapKindCombo, texts, position(kinds, display.kind))
        with quietly(ui.opacitySlider):
            ui.opacitySlider.setValue(display.opacity)
        if display.kind in maps.kinds():
            with quietly(ui.thresholdRange):
                ui.thresholdRange.setRange(*maps.threshold_range(display.kind))
                ui.thresholdRange.setValues(*maps.threshold_handles())
        ui.renderingCheck.setChecked(display.rendering)
        header, rows = maps.table()
        there = 0 <= self._row < len(rows) and rows[self._row][0] == display.case
        fill(ui.riskTable, header, rows, selected=self._row if there else -1)
        ui.riskTableLabel.setVisible(bool(rows))

    def allow(self) -> None:
        maps, ui = self.session.maps, self.ui
        allow(ui.computeMapButton, maps.can_compute(), _("Map every complete labelled case."))
        shows, adjusts = maps.can_show(), maps.can_adjust()
        computed = (True, "") if maps.runs else shows
        allow(ui.runCombo, computed, _("A run for every time that maps were computed."))
        allow(ui.removeRunButton, computed, _("Remove the maps of this run from the scene."))
        allow(ui.mapCaseCombo, shows, _("The case whose map is shown over its scan."))
        allow(ui.mapKindCombo, shows, _("What the map shows; its unit stands in the legend."))
        allow(ui.renderingCheck, adjusts, _("Volume rendering of the map in the 3-D view."))
        allow(ui.opacitySlider, adjusts, _("Opacity of the map in the slice views."))
        tip = _(
            "Values outside are transparent in the slice views. A handle at the end of the range hides "
            "nothing beyond it."
        )
        allow(ui.thresholdRange, adjusts, tip)
        nothing = (False, _("There is no histogram: no labelled case has been mapped."))
        has_histogram = (True, "") if maps.histogram() is not None else nothing
        allow(ui.histogramButton, has_histogram, _("Voxels of every class by their risk, as a chart."))

    def _runs(self) -> list[str]:
        return [run.name for run in self.session.maps.runs]

    def _cases(self) -> list[str]:
        shown = self.session.maps.shown
        return [mapped.case for mapped in shown.cases] if shown else []

    def _kinds(self) -> list[str]:
        kinds = self.session.maps.kinds()
        return [*kinds, ""] if kinds else []

    def _show_run(self, index: int) -> None:
        self.attempt(lambda: self.session.maps.show_run(self._runs()[index]))

    def _show_case(self, index: int) -> None:
        self.attempt(lambda: self.session.maps.show_case(self._cases()[index]))

    def _show_kind(self, index: int) -> None:
        self.attempt(lambda: self.session.maps.show_kind(self._kinds()[index]))

    def _set_threshold(self, low: float, high: float) -> None:
        self.attempt(lambda: self.session.maps.set_threshold(low, high))

    def _set_rendering(self, shown: bool) -> None:
        self.session.maps.set_rendering(shown)
        if shown:
            self.application.centre_in_3d()

    def _jump(self, row: int) -> None:
        self._row = row
        if row < 0:
            return
        case = self.session.maps.table()[1][row][0]
        if case in self._cases():
            self.attempt(lambda: self.session.maps.jump_to_worst(case))
