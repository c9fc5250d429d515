"""Section 2: the labelled cases, and which scan to annotate next."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from slicer.i18n import tr as _

from TransferRiskLib.panels.channel_form import ChannelForm
from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.segment_labels import SegmentLabels
from TransferRiskLib.panels.widgets import (
    TypedLine,
    allow,
    choose_from,
    fill,
    node_selector,
    on,
    on_row,
    position,
    say,
    show_node,
)
from TransferRiskLib.session.state import CaseRow, RegionKind, Role

SEGMENTATIONS = ("vtkMRMLSegmentationNode",)
ROIS = ("vtkMRMLMarkupsROINode",)
REGIONS: tuple[RegionKind, ...] = ("everything", "slices", "axial", "coronal", "sagittal", "roi")
ROLES: tuple[Role, ...] = ("train", "held-out")


class TargetCasesPanel(Panel):
    """The table of cases; below it everything about the selected one."""

    changes: ClassVar[frozenset[str]] = frozenset({"cases", "models"})
    tables = ("caseTable", "segmentLabelTable")

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._key = ""
        self._channel_form = ChannelForm(self.ui.caseChannelsPlace.layout(), self._set_channel)
        ui = self.ui
        self._segmentation = node_selector(SEGMENTATIONS, _("none"), self._set_segmentation)
        ui.caseSegmentationPlace.layout().addWidget(self._segmentation)
        self._roi = node_selector(ROIS, _("choose an ROI"), lambda node: self._set_region("roi", node))
        ui.caseRoiPlace.layout().addWidget(self._roi)
        self._segment_labels = SegmentLabels(ui.segmentLabelTable)
        on_row(ui.caseTable, self._select)
        self._name = TypedLine(ui.caseNameEdit, lambda: self._row().name, self._rename)
        self._patient = TypedLine(ui.casePatientEdit, lambda: self._row().patient, self._set_patient)
        on(ui.caseRegionCombo, "activated(int)", lambda n: self._set_region(REGIONS[n], self._row_roi()))
        on(ui.caseRoleCombo, "activated(int)", self._set_role)
        cases = self.session.cases
        self.on_click("addCasesFromSceneButton", lambda: self._go_to_last(cases.add_from_scene()))
        self.on_click("addCaseButton", lambda: self._go_to_last([cases.add()]))
        self.on_click("addCaseFolderButton", self._add_folder)
        self.on_click("removeCaseButton", lambda: cases.remove(self._key))
        self.on_click("annotateButton", self._annotate)
        self.on_click("suggestButton", cases.suggest_next)
        self.on_click("goToSuggestionButton", self._go_to_suggestion)

    def refresh(self) -> None:
        rows = self.session.cases.rows
        keys = [row.key for row in rows]
        if self._key not in keys:
            self._key = keys[0] if keys else ""
        header = (_("Case"), _("Status"), _("Use"))
        texts = [(row.name, self._status(row), _role_texts()[row.role]) for row in rows]
        tips = [self._contents(row) for row in rows]
        fill(self.ui.caseTable, header, texts, selected=position(keys, self._key), stretch=1, tips=tips)
        hint = _("Load scans into Slicer and add them from the scene, or add a folder of cases.")
        say(self.ui.caseHintLabel, "" if rows else hint)
        self.ui.caseDetailsGroup.setVisible(bool(self._key))
        if self._key:
            self._show_details(self._row())
        suggestions = self.session.cases.suggestions
        say(self.ui.suggestionLabel, suggestions[0].sentence if suggestions else "")
        self.ui.goToSuggestionButton.setVisible(bool(suggestions))

    def settle(self) -> None:
        super().settle()
        self._segment_labels.go_on()

    def allow(self) -> None:
        cases, ui = self.session.cases, self.ui
        tip = _("A case for every scan in the scene that belongs to no case of the table.")
        allow(ui.addCasesFromSceneButton, cases.can_add_from_scene(), tip)
        allow(ui.addCaseFolderButton, cases.can_add_folder(), _("Read images and labels from a folder."))
        nothing = (False, _("No case is selected."))
        allow(ui.removeCaseButton, (True, "") if self._key else nothing, _("Its images stay in the scene."))
        tip = _("Draw on this case. Labels of the model that it lacks become empty segments.")
        allow(ui.annotateButton, cases.can_annotate(self._key) if self._key else nothing, tip)
        tip = _("Find the scan that the model is least sure of, and where in it.")
        allow(ui.suggestButton, cases.can_suggest_next(), tip)
        suggested = cases.suggestions[0].key if cases.suggestions else ""
        tip = _("Show the suggested scan at the place where the model is least sure.")
        allow(ui.goToSuggestionButton, cases.can_jump_to_suggestion(suggested), tip)

    def _status(self, row: CaseRow) -> str:
        cases = self.session.cases
        return " ".join([*(cases.missing(row.key) or [_("Complete.")]), *cases.remarks(row.key)])

    def _contents(self, row: CaseRow) -> str:
        name = self.application.node_name
        cases = self.session.cases
        volumes = cases.volumes(row.key)
        lines = [(channel, volumes.get(channel)) for channel in cases.channels]
        lines.append((_("Segmentation"), row.segmentation))
        return "\n".join(f"{head}: {name(node) or '–'}" for head, node in lines)

    def _show_details(self, row: CaseRow) -> None:
        ui = self.ui
        self._name.show()
        self._patient.show()
        ui.casePatientEdit.setPlaceholderText(self.session.cases.found_patient(row.key))
        self._channel_form.show(self.session.cases.channels, self.session.cases.volumes(row.key))
        show_node(self._segmentation, row.segmentation)
        texts = [_region_texts()[region] for region in REGIONS]
        choose_from(ui.caseRegionCombo, texts, REGIONS.index(row.region))
        show_node(self._roi, row.roi)
        for widget in (ui.caseRoiPlace, ui.caseRoiCaption):
            widget.setVisible(row.region == "roi")
        choose_from(ui.caseRoleCombo, [_role_texts()[role] for role in ROLES], ROLES.index(row.role))
        self._show_segments(row)

    def _show_segments(self, row: CaseRow) -> None:
        cases = self.session.cases
        choices = (*cases.label_choices(), None)
        self._segment_labels.show(
            cases.segments(row.key), cases.segment_labels(row.key), choices, partial(self._set_label, row.key)
        )

    def _set_channel(self, channel: str, node: str | None) -> None:
        self.attempt(lambda: self.session.cases.set_channel(self._key, channel, node))

    def _set_label(self, key: str, segment: str, label: str | None) -> None:
        self.attempt(lambda: self.session.cases.set_label(key, segment, label))

    def _select(self, row: int) -> None:
        if row >= 0:
            self._key = self.session.cases.rows[row].key
        self.stale = True  # one case is always selected

    def _go_to_last(self, keys: list[str]) -> None:
        if keys:
            self._key = keys[-1]
            self.stale = True

    def _rename(self, name: str) -> None:
        if name.strip():
            self.attempt(lambda: self.session.cases.rename(self._key, name))

    def _set_patient(self, patient: str) -> None:
        self.attempt(lambda: self.session.cases.set_patient(self._key, patient))

    def _row(self) -> CaseRow:
        """The selected case; an empty one without any."""
        rows = (row for row in self.session.cases.rows if row.key == self._key)
        return next(rows, CaseRow("", ""))

    def _row_roi(self) -> str | None:
        return self._row().roi

    def _set_segmentation(self, node: str | None) -> None:
        self.attempt(lambda: self.session.cases.set_segmentation(self._key, node))

    def _set_region(self, region: RegionKind, roi: str | None) -> None:
        self.attempt(lambda: self.session.cases.set_region(self._key, region, roi))

    def _set_role(self, index: int) -> None:
        self.attempt(lambda: self.session.cases.set_role(self._key, ROLES[index]))

    def _add_folder(self) -> None:
        folder = self.application.ask_folder(_("Folder of cases"))
        if folder is not None:
            self.session.cases.add_folder(folder)

    def _annotate(self) -> None:
        self.application.open_segment_editor(*self.session.cases.prepare_annotation(self._key))

    def _go_to_suggestion(self) -> None:
        suggestions = self.session.cases.suggestions
        if suggestions:  # a scan may have gone since the button was shown
            self._key = suggestions[0].key
            self.session.cases.jump_to_suggestion(self._key)
        self.stale = True


def _region_texts() -> dict[RegionKind, str]:
    return {
        "everything": _("Everything"),
        "slices": _("Slices with annotation"),
        "axial": _("Axial slices with annotation"),
        "coronal": _("Coronal slices with annotation"),
        "sagittal": _("Sagittal slices with annotation"),
        "roi": _("Inside an ROI"),
    }


def _role_texts() -> dict[Role, str]:
    return {"train": _("train"), "held-out": _("held out")}
