"""Section 5: segment new scans, correct them, learn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import qt
from slicer.i18n import tr as _

from TransferRiskLib.panels.channel_form import ChannelForm
from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import (
    allow,
    choose_from,
    fill,
    on,
    on_row,
    position,
)
from TransferRiskLib.session.state import ScanRow

if TYPE_CHECKING:
    from TransferRiskLib.session.model_entries import ModelEntry


class SegmentPanel(Panel):
    """The list of scans with a tick each, and what became of them."""

    changes: ClassVar[frozenset[str]] = frozenset({"segment", "cases", "models", "adapt"})
    tables = ("scanTable",)

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._key = ""
        self._channel_form = ChannelForm(self.ui.scanDetailsGroupContent.layout(), self._set_channel)
        ui, part = self.ui, self.session.segmenting
        on(ui.segmentModelCombo, "activated(int)", self._choose_model)
        on_row(ui.scanTable, self._select)
        on(ui.scanTable, "itemChanged(QTableWidgetItem*)", self._tick)
        on(
            ui.uncertaintyCheck,
            "clicked(bool)",
            lambda v: self.attempt(lambda: part.set_options(uncertainty=v)),
        )
        on(
            ui.probabilitiesCheck,
            "clicked(bool)",
            lambda v: self.attempt(lambda: part.set_options(probabilities=v)),
        )
        self.on_click("addScansFromSceneButton", part.add_from_scene)
        self.on_click("addScanButton", lambda: self._go_to(part.add()))
        self.on_click("addScanFolderButton", self._add_folder)
        self.on_click("removeScanButton", lambda: part.remove(self._key))
        self.on_click("segmentButton", part.segment)
        self.on_click("showScanButton", lambda: part.show(self._key))
        self.on_click("editScanButton", self._edit)
        self.on_click("scanToCasesButton", lambda: part.add_to_cases(self._key))

    def refresh(self) -> None:
        ui, part = self.ui, self.session.segmenting
        rows = part.rows
        keys = [row.key for row in rows]
        if self._key not in keys:
            self._key = keys[0] if keys else ""
        offered, chosen = self._offered(), self.session.models.find(part.options.model)
        names = [self._text(entry) for entry in offered]
        default = part.model.name if part.model and not part.options.model else ""
        first = _("automatic: {name}").format(name=default) if default else _("automatic")
        choose_from(ui.segmentModelCombo, [first, *names], position(offered, chosen) + 1)
        texts = [(row.name, self._status(row)) for row in rows]
        selected = position(keys, self._key)
        ticks = [row.chosen for row in rows]
        fill(ui.scanTable, (_("Scan"), _("Status")), texts, selected=selected, stretch=1, ticks=ticks)
        self._show_channels(next((row for row in rows if row.key == self._key), None))
        ui.uncertaintyCheck.setChecked(part.options.uncertainty)
        ui.probabilitiesCheck.setChecked(part.options.probabilities)

    def allow(self) -> None:
        ui, part = self.ui, self.session.segmenting
        tip = _("Every scan in the scene whose case is neither in the list nor a target case.")
        allow(ui.addScansFromSceneButton, part.can_add_from_scene(), tip)
        allow(ui.addScanFolderButton, part.can_add_folder(), _("Read scans from a folder."))
        allow(ui.segmentButton, part.can_segment(), _("Segment the ticked scans."))
        nothing = (False, _("No scan is selected."))
        chosen = bool(self._key)
        allow(ui.removeScanButton, (True, "") if chosen else nothing, _("Its images stay in the scene."))
        shows = part.can_show(self._key) if chosen else nothing
        allow(ui.showScanButton, shows, _("Show the scan in the slice views."))
        edits = part.can_edit(self._key) if chosen else nothing
        allow(ui.editScanButton, edits, _("Correct the segmentation in Segment Editor."))
        adds = part.can_add_to_cases(self._key) if chosen else nothing
        allow(ui.scanToCasesButton, adds, _("Learn from the corrected segmentation."))

    def _status(self, row: ScanRow) -> str:
        if row.error:
            return _("Failed: {reason}").format(reason=row.error)
        missing = self.session.segmenting.missing(row.key)
        if missing:
            return " ".join(missing)
        result = self.application.node_name(row.segmentation)
        return _("Segmented: {name}").format(name=result) if result else _("Ready.")

    def _show_channels(self, row: ScanRow | None) -> None:
        self.ui.scanDetailsGroup.setVisible(row is not None)
        part = self.session.segmenting
        self._channel_form.show(part.channels, part.volumes(row.key) if row else {})

    def _offered(self) -> list[ModelEntry]:
        """The models that can be used, and the chosen one whatever its state."""
        models, path = self.session.models, self.session.segmenting.options.model
        chosen = models.find(path)
        return [entry for entry in models.listed_with(path) if entry.card is not None or entry == chosen]

    def _text(self, entry: ModelEntry) -> str:
        listed = entry in self.session.models.entries and not entry.problem
        return self.session.models.name_of(entry) if listed else entry.off_the_list

    def _choose_model(self, index: int) -> None:
        path = self._offered()[index - 1].path if index > 0 else None
        self.attempt(lambda: self.session.segmenting.set_model(path))

    def _set_channel(self, channel: str, node: str | None) -> None:
        self.attempt(lambda: self.session.segmenting.set_channel(self._key, channel, node))

    def _select(self, row: int) -> None:
        if row >= 0:
            self._key = self.session.segmenting.rows[row].key
        self.stale = True  # one scan is always selected

    def _go_to(self, key: str) -> None:
        self._key = key
        self.stale = True

    def _tick(self, item: Any) -> None:
        if item.column() == 0:
            key = self.session.segmenting.rows[item.row()].key
            ticked = item.checkState() == qt.Qt.Checked
            self.attempt(lambda: self.session.segmenting.set_chosen(key, ticked))

    def _add_folder(self) -> None:
        folder = self.application.ask_folder(_("Folder of scans"))
        if folder is not None:
            self.session.segmenting.add_folder(folder)

    def _edit(self) -> None:
        self.application.open_segment_editor(*self.session.segmenting.edit_target(self._key))
