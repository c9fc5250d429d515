"""This state shows so: texts, tables, what is enabled and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.session.model_entries import ModelEntry
from TransferRiskLib.tasks.results import ProbeResult

ALLOWED = [
    ("rankButton", "models.can_rank"),
    ("forgetModelButton", "models.can_forget"),
    ("addCasesFromSceneButton", "cases.can_add_from_scene"),
    ("addCaseFolderButton", "cases.can_add_folder"),
    ("annotateButton", "cases.can_annotate"),
    ("suggestButton", "cases.can_suggest_next"),
    ("goToSuggestionButton", "cases.can_jump_to_suggestion"),
    ("computeMapButton", "maps.can_compute"),
    ("mapCaseCombo", "maps.can_show"),
    ("mapKindCombo", "maps.can_show"),
    ("opacitySlider", "maps.can_adjust"),
    ("thresholdRange", "maps.can_adjust"),
    ("renderingCheck", "maps.can_adjust"),
    ("adaptButton", "adapting.can_start"),
    ("resumeButton", "adapting.can_resume"),
    ("measureButton", "adapting.can_measure"),
    ("saveModelButton", "adapting.can_save_as"),
    ("openModelButton", "adapting.can_open"),
    ("useModelButton", "adapting.can_use_as_source"),
    ("addScansFromSceneButton", "segmenting.can_add_from_scene"),
    ("addScanFolderButton", "segmenting.can_add_folder"),
    ("segmentButton", "segmenting.can_segment"),
    ("showScanButton", "segmenting.can_show"),
    ("editScanButton", "segmenting.can_edit"),
    ("scanToCasesButton", "segmenting.can_add_to_cases"),
    ("probeButton", "environment.can_probe"),
    ("releaseButton", "environment.can_release"),
    ("interpreterEdit", "environment.can_set_interpreter"),
    ("planInstallButton", "environment.can_install"),
    ("cancelJobButton", "jobs.can_cancel"),
]


@pytest.mark.parametrize(("widget", "verdict"), ALLOWED)
def test_a_control_is_enabled_exactly_when_it_can_work(
    desk: SimpleNamespace, widget: str, verdict: str
) -> None:
    control = getattr(desk.ui, widget)
    assert control.enabled
    desk.session.refusals[verdict] = "The reason."
    desk.session.tell("state")
    desk.tick()
    assert not control.enabled and control.toolTip == "The reason."
    desk.session.refusals.clear()
    desk.session.tell("state")
    desk.tick()
    assert control.enabled and control.toolTip != "The reason."


@pytest.mark.parametrize(
    ("widget", "verdict"),
    [("cancelJobButton", "jobs.can_cancel"), ("releaseButton", "environment.can_release")],
)
def test_what_changes_without_a_word_is_asked_at_every_tick(
    desk: SimpleNamespace, widget: str, verdict: str
) -> None:
    assert getattr(desk.ui, widget).enabled
    desk.session.refusals[verdict] = "The reason."
    desk.tick()
    assert not getattr(desk.ui, widget).enabled


def test_an_estimate_says_when_the_device_is_not_known(desk: SimpleNamespace) -> None:
    plain = "Roughly 12 minutes and 2 GB of memory."
    assert desk.ui.estimateLabel.text == plain
    desk.session.environment.knows_device = False
    desk.session.tell("environment")
    desk.tick()
    assert desk.ui.estimateLabel.text == f"{plain} Check, in section 6, tells the device."
    desk.session.adapting.estimate = lambda: SimpleNamespace(sentence=plain, measured=True)
    desk.session.tell("environment")
    desk.tick()
    assert desk.ui.estimateLabel.text == plain


def test_adapt_says_what_it_gives_up(desk: SimpleNamespace) -> None:
    assert "given up" not in desk.ui.adaptButton.toolTip
    desk.session.adapting.given_up = Path("models") / "adapted-1"
    desk.session.tell("adapt")
    desk.tick()
    assert f"{Path('models') / 'adapted-1'} is given up" in desk.ui.adaptButton.toolTip


def test_a_run_whose_maps_are_gone_can_be_left_and_removed(desk: SimpleNamespace) -> None:
    desk.session.refusals["maps.can_show"] = desk.session.refusals["maps.can_adjust"] = "They are gone."
    desk.session.tell("maps")
    desk.tick()
    assert desk.ui.runCombo.enabled and desk.ui.removeRunButton.enabled
    assert not desk.ui.mapCaseCombo.enabled


def test_the_session_knows_whether_the_module_is_shown(desk: SimpleNamespace) -> None:
    desk.window.leave()
    desk.window.enter()
    assert [call[0] for call in desk.session.calls if call[0] in ("maps.leave", "maps.enter")] == [
        "maps.leave", "maps.enter",
    ]  # fmt: skip


def test_models_on_the_disk_are_looked_at_again_when_the_module_is_shown(desk: SimpleNamespace) -> None:
    desk.window.enter()
    assert ("models.refresh",) in [call[:1] for call in desk.session.calls]


def test_verdicts_are_asked_again_when_a_job_starts(desk: SimpleNamespace) -> None:
    desk.session.jobs.busy = True
    desk.session.refusals["maps.can_compute"] = "A job is running."
    desk.tick()
    assert not desk.ui.computeMapButton.enabled


def test_models_say_where_they_come_from_and_what_is_wrong(desk: SimpleNamespace) -> None:
    combo = desk.ui.modelCombo
    texts = [combo.itemText(n) for n in range(combo.count)]
    assert texts[1:] == ["tissue-t1w (demonstration)", "mine", "broken (cannot be used)"]
    assert combo.currentIndex == 1
    desk.session.models.chosen = desk.session.models.entries[2]
    desk.session.models.card = None
    desk.session.tell("models")
    desk.tick()
    assert desk.ui.modelProblemLabel.text == "The card is missing."
    assert desk.ui.cardLabel.isHidden()


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("", "theirs (/elsewhere/theirs)"),
        ("There is no such file.", "/elsewhere/theirs (cannot be used: There is no such file.)"),
    ],
)
def test_a_chosen_model_that_is_not_on_the_list_is_offered_all_the_same(
    desk: SimpleNamespace, problem: str, text: str
) -> None:
    models, segmenting = desk.session.models, desk.session.segmenting
    path = Path("/elsewhere/theirs")
    card = None if problem else ModelCard("theirs", ("T1",), LabelScheme.of("GM"))
    entry = ModelEntry(path, "added", card, problem)
    listed, find = models.entries, models.find
    models.find = lambda wanted: entry if wanted == str(path) else find(wanted)
    models.listed_with = lambda wanted: (*listed, entry) if wanted == str(path) else listed
    models.chosen = entry
    segmenting.options = replace(segmenting.options, model=str(path))
    desk.session.tell("models")
    desk.tick()
    for combo in (desk.ui.modelCombo, desk.ui.segmentModelCombo):
        assert combo.currentText == text
    desk.session.calls.clear()
    for combo in (desk.ui.modelCombo, desk.ui.segmentModelCombo):
        combo.activated.emit(combo.currentIndex)
    assert desk.session.calls == [("models.choose", path), ("segmenting.set_model", path)]


def test_card_is_text_and_no_markup(desk: SimpleNamespace) -> None:
    assert "Apache &lt;2.0&gt;" in desk.ui.cardLabel.text


def table(widget: object) -> list[list[str]]:
    rows, columns = widget.rowCount, widget.columnCount  # type: ignore[attr-defined]
    return [[widget.item(r, c).text() for c in range(columns)] for r in range(rows)]  # type: ignore[attr-defined]


def test_rows_say_in_words_what_is_missing(desk: SimpleNamespace) -> None:
    assert table(desk.ui.caseTable) == [
        ["Anna", "Complete.", "train"],
        ["Ben", "The segmentation is missing.", "held out"],
    ]
    tips = [desk.ui.caseTable.item(row, 1).toolTip() for row in range(2)]
    assert tips == ["T1: node v1\nSegmentation: node s1", "T1: node v2\nSegmentation: –"]


@pytest.mark.parametrize(("part", "section"), [("cases", "targetCases"), ("segmenting", "segment")])
def test_rows_are_as_high_as_their_sentences_at_every_width(
    desk: SimpleNamespace, part: str, section: str
) -> None:
    import qt

    sentence = "There is no volume for T1. " * 6
    getattr(desk.session, part).missing = lambda key: [sentence]
    desk.session.tell("state")
    getattr(desk.ui, f"{section}Section").collapsed = False
    shown = {"cases": desk.ui.caseTable, "segmenting": desk.ui.scanTable}[part]
    heights = []
    for width in (900, 400):
        desk.widget.resize(width, 900)
        desk.widget.show()
        qt.application.processEvents()
        desk.tick()
        rows = [shown.rowHeight(row) for row in range(2)]
        assert shown.height > sum(rows), "no row is cut off"
        heights.append(sum(rows))
    assert heights[1] > heights[0], "in a narrow window the sentences take more lines"


def test_window_fits_into_slicers_panel_and_stays_so(desk: SimpleNamespace) -> None:
    import qt

    desk.session.maps.table = lambda: (("A long heading",) * 8, (("some text",) * 8,) * 3)
    desk.session.tell("state")
    desk.ui.advancedGroup.collapsed = False
    desk.widget.resize(desk.widget.fontMetrics().averageCharWidth() * 64, 900)
    desk.widget.show()
    for section in ("sourceModel", "targetCases", "riskMap", "adapt", "segment", "environment"):
        getattr(desk.ui, f"{section}Section").collapsed = False
        for _ in range(6):  # a table that asks for the room it has got would grow every time
            qt.application.processEvents()
            desk.tick()
        assert desk.ui.scrollArea.horizontalScrollBar().maximum == 0, section


@pytest.mark.parametrize("stretch", [None, 1])
@pytest.mark.parametrize("name", ["Anna", "a_name_without_spaces" * 9])
def test_columns_share_the_width(desk: SimpleNamespace, stretch: int | None, name: str) -> None:
    import qt

    from TransferRiskLib.panels.widgets import fill

    table = desk.ui.scanTable
    desk.ui.segmentSection.collapsed = False
    desk.widget.resize(500, 900)
    desk.widget.show()
    for _ in range(3):
        fill(table, ("Scan", "Status"), [(name, "Ready.")], stretch=stretch)
        qt.application.processEvents()
        desk.tick()
    widths = [table.columnWidth(column) for column in range(2)]
    assert widths[1] > widths[0] > 0 and sum(widths) == table.viewport().width


def test_a_refresh_of_section_4_composes_the_settings_once(
    desk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, reads = desk.session.adapting, []
    settings = part.settings

    class Counted(type(part)):  # type: ignore[misc]
        @property
        def settings(self) -> Any:
            reads.append(1)
            return settings

    monkeypatch.setattr(part, "__class__", Counted)
    desk.session.tell("adapt")
    desk.tick()
    assert len(reads) == 1


def test_a_table_has_the_height_of_its_rows(desk: SimpleNamespace) -> None:
    import qt

    from TransferRiskLib.panels.widgets import fill

    table = desk.ui.riskTable
    desk.ui.riskMapSection.collapsed = False
    desk.widget.resize(600, 900)
    desk.widget.show()
    for columns in (2, 40):
        fill(table, ["heading"] * columns, [["text"] * columns] * 3)
        for _ in range(3):
            qt.application.processEvents()
            desk.tick()
        assert table.viewport().height == sum(table.rowHeight(row) for row in range(3)), columns


def test_other_channels_of_a_model_build_the_selectors_anew(desk: SimpleNamespace) -> None:
    import slicer

    def shown() -> list[str]:
        place = desk.ui.caseChannelsPlace
        return [s.currentNodeID for s in place.findChildren(slicer.qMRMLNodeComboBox)]

    assert shown() == ["v1"]
    selector = desk.ui.caseChannelsPlace.findChildren(slicer.qMRMLNodeComboBox)[0]
    desk.session.tell("cases")
    desk.tick()
    assert desk.ui.caseChannelsPlace.findChildren(slicer.qMRMLNodeComboBox) == [selector], "kept as it was"
    for channels in (("T1", "FLAIR"), (), ("FLAIR",)):
        desk.session.cases.channels = channels
        desk.session.tell("cases")
        desk.tick()
        assert shown() == [{"T1": "v1", "FLAIR": ""}[channel] for channel in channels]
    assert desk.ui.caseChannelsPlace.layout().count() == 1, "earlier rows do not pile up"


def test_scans_say_what_became_of_them(desk: SimpleNamespace) -> None:
    import qt

    scans = desk.ui.scanTable
    assert [row[1] for row in table(scans)] == ["Segmented: node s1", "Ready.", "Failed: out of memory"]
    ticks = [scans.item(n, 0).checkState() == qt.Qt.Checked for n in range(3)]
    assert ticks == [True, False, True]


def test_without_cases_a_hint_stands_in_for_the_table(desk: SimpleNamespace) -> None:
    desk.session.cases.rows = ()
    desk.session.tell("cases")
    desk.tick()
    ui = desk.ui
    assert ui.caseTable.isHidden() and ui.caseDetailsGroup.isHidden()
    assert not ui.caseHintLabel.isHidden()
    assert not ui.annotateButton.enabled and ui.annotateButton.toolTip == "No case is selected."


def test_display_of_a_map_shows_the_session(desk: SimpleNamespace) -> None:
    ui = desk.ui
    assert ui.mapKindCombo.currentText == "Transfer risk (nats)"
    assert ui.opacitySlider.value == pytest.approx(0.65)
    assert (ui.thresholdRange.minimumValue, ui.thresholdRange.maximumValue) == (0.2, 4.0)
    assert table(ui.riskTable)[1][:4] == ["Ben", "lesion", "85", "2.90"]


def test_adaptation_shows_estimate_audit_and_where_the_model_lies(desk: SimpleNamespace) -> None:
    ui = desk.ui
    assert "12 minutes" in ui.estimateLabel.text
    assert "Transfer helped" in ui.outcomeLabel.text
    assert table(ui.auditTable) == [["GM", "0.81", "0.74", "+0.07"]]
    assert "adapted" in ui.bundleLabel.text


def progress(**changes: object) -> SimpleNamespace:
    known = {"title": "Mapping", "phase": "running", "stage": "Anna", "step": 1, "total": 4, "message": ""}
    return SimpleNamespace(**{**known, "remaining": None, **changes})


def test_curves_can_be_shown_from_their_first_points_on(desk: SimpleNamespace) -> None:
    curves = desk.session.adapting.curves
    desk.session.adapting.curves = {}
    desk.session.tell("adapt")
    desk.tick()
    assert not desk.ui.curveButton.enabled
    desk.session.adapting.curves = curves  # "curves" changes often and is told to no panel
    desk.tick()
    assert desk.ui.curveButton.enabled


def test_a_running_job_shows_progress_and_cancel(desk: SimpleNamespace) -> None:
    ui = desk.ui
    assert ui.jobLine.isHidden()
    desk.session.jobs.progress = progress(remaining=200.0)
    desk.session.tell("job")
    desk.tick()
    assert not ui.jobLine.isHidden()
    assert ui.jobLabel.text == "Mapping – Anna (about 3 min left)"
    assert (ui.jobBar.value, ui.jobBar.maximum) == (1, 4)


def test_progress_of_unknown_length(desk: SimpleNamespace) -> None:
    desk.session.jobs.progress = progress(total=None, phase="stopping")
    desk.session.tell("job")
    desk.tick()
    assert desk.ui.jobBar.maximum == 0 and desk.ui.jobLabel.text == "Mapping: stopping…"


def test_an_interpreter_of_the_users_own_is_not_changed(desk: SimpleNamespace) -> None:
    ui, environment = desk.ui, desk.session.environment
    ui.planInstallButton.click()
    desk.tick()
    assert not ui.goAheadButton.isHidden()
    environment.own_python = "/opt/python"
    environment.report = ProbeResult({"torch": None}, "/opt/python", problem="no torch")
    environment.installation_text = lambda installed, wheels=None: "/opt/python -m pip install monai"
    desk.session.refusals["environment.can_install"] = "A Python of your own."
    desk.session.refusals["environment.can_go_ahead"] = "A Python of your own."
    environment.errors["prepare_installation"] = SettingsError("A Python of your own.")
    desk.session.tell("environment")
    desk.tick()
    assert ui.planInstallButton.enabled and ui.goAheadButton.isHidden() and not ui.goAheadButton.enabled
    assert ui.installPlanLabel.text == "/opt/python -m pip install monai"
    desk.window.attempt(environment_panel(desk)._install)
    assert "install" not in {asked[0] for asked in desk.application.asked}


def test_showing_the_session_asks_nothing_of_it(desk: SimpleNamespace) -> None:
    """A refresh that counted as a click would chase itself for ever."""
    desk.session.tell("state")
    desk.tick()
    desk.tick()
    assert {call[0] for call in desk.session.calls} == {"tick"}


def test_the_timer_lets_the_session_work_ten_times_a_second(desk: SimpleNamespace) -> None:
    timer = desk.window._timer
    assert timer.interval == 100 and timer.isActive()


def test_closing_stops_the_timer_and_lets_go_of_the_session(desk: SimpleNamespace) -> None:
    desk.window.close()
    assert not desk.window._timer.isActive()
    assert desk.session.subscribers == 0
    assert ("close",) in desk.application.asked


def test_coming_back_from_segment_editor(desk: SimpleNamespace) -> None:
    desk.session.cases.missing = lambda key: []
    desk.window.enter()
    assert ("close_segment_editor",) in desk.application.asked
    assert [row[1] for row in table(desk.ui.caseTable)] == ["Complete.", "Complete."]


def test_suggestion_leads_to_its_scan(desk: SimpleNamespace) -> None:
    assert desk.ui.goToSuggestionButton.isHidden()
    desk.session.cases.suggestions = (SimpleNamespace(key="b", sentence="Annotate Ben next."),)
    desk.session.tell("cases")
    desk.tick()
    assert desk.ui.suggestionLabel.text == "Annotate Ben next."
    desk.ui.goToSuggestionButton.click()
    desk.tick()
    assert ("cases.jump_to_suggestion", "b") in desk.session.calls
    assert desk.ui.caseNameEdit.text == "Ben"


def environment_panel(desk: SimpleNamespace) -> Any:
    from TransferRiskLib.panels.environment import EnvironmentPanel

    return next(panel for panel in desk.window.panels if isinstance(panel, EnvironmentPanel))


def typed(edit: Any, text: str) -> None:
    """Type a text into a line, as a person does."""
    edit.setText(text)
    edit.textEdited.emit(text)


def test_what_is_typed_stays_until_the_typing_is_over(desk: SimpleNamespace) -> None:
    """Names are kept without blanks at their ends: a blank in the middle is one at the end for a while."""
    rows = desk.session.cases.rows

    def rename(key: str, name: str) -> None:
        desk.session.cases.rows = (replace(rows[0], name=name.strip()), *rows[1:])
        desk.session.tell("cases")

    desk.session.cases.rename = rename
    edit = desk.ui.caseNameEdit
    typed(edit, "Anna ")
    desk.tick()
    assert edit.text == "Anna "
    typed(edit, "Anna Maria ")
    desk.tick()
    edit.editingFinished.emit()
    assert edit.text == "Anna Maria", "what is kept"
    desk.session.cases.rows = (replace(rows[0], name="Berta"), *rows[1:])
    desk.session.tell("cases")
    desk.tick()
    assert edit.text == "Berta", "a change that comes from elsewhere shows"


def test_the_patient_of_a_case(desk: SimpleNamespace) -> None:
    desk.ui.caseTable.selectRow(1)
    desk.tick()
    assert (desk.ui.casePatientEdit.text, desk.ui.casePatientEdit.placeholderText) == ("", "Doe (17)")
    desk.session.calls.clear()
    typed(desk.ui.casePatientEdit, "Doe")
    assert ("cases.set_patient", "b", "Doe") in desk.session.calls
