"""This click calls that: every control of the window passes on exactly one request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BUTTONS = [
    ("forgetModelButton", "models.forget", (Path("tissue-t1w"),)),
    ("rankButton", "models.rank", ()),
    ("addCaseButton", "cases.add", ()),
    ("addScanButton", "segmenting.add", ()),
    ("removeCaseButton", "cases.remove", ("a",)),
    ("suggestButton", "cases.suggest_next", ()),
    ("computeMapButton", "maps.compute", ()),
    ("removeRunButton", "maps.remove_run", ("Run 1",)),
    ("adaptButton", "adapting.start", ()),
    ("resumeButton", "adapting.resume", ()),
    ("measureButton", "adapting.measure", ()),
    ("useModelButton", "adapting.use_as_source", ()),
    ("addScansFromSceneButton", "segmenting.add_from_scene", ()),
    ("removeScanButton", "segmenting.remove", ("x",)),
    ("segmentButton", "segmenting.segment", ()),
    ("showScanButton", "segmenting.show", ("x",)),
    ("scanToCasesButton", "segmenting.add_to_cases", ("x",)),
    ("probeButton", "environment.probe", ()),
    ("releaseButton", "environment.release", ()),
    ("cancelJobButton", "jobs.cancel", ()),
]

DIALOGS = [
    ("addModelFolderButton", "ask_folder", "models.add"),
    ("addModelFileButton", "ask_file", "models.add"),
    ("addCaseFolderButton", "ask_folder", "cases.add_folder"),
    ("addScanFolderButton", "ask_folder", "segmenting.add_folder"),
    ("saveModelButton", "ask_folder", "adapting.save_as"),
]

APPLICATION = [
    ("annotateButton", ("open_segment_editor", "segmentation of a", "volume of a")),
    ("editScanButton", ("open_segment_editor", "segmentation of x", "volume of x")),
    ("curveButton", ("show_chart", "chart")),
    ("histogramButton", ("show_chart", "histogram chart")),
    ("openModelButton", ("open_folder", Path("models/adapted"))),
    ("copyReportButton", ("copy_text", "report")),
]

CHOICES = [
    ("modelCombo", 2, ("models.choose", Path("mine"))),
    ("modelCombo", 0, ("models.choose", None)),
    ("caseRegionCombo", 1, ("cases.set_region", "a", "slices", None)),
    ("caseRegionCombo", 2, ("cases.set_region", "a", "axial", None)),
    ("caseRoleCombo", 1, ("cases.set_role", "a", "held-out")),
    ("runCombo", 1, ("maps.show_run", "Run 2")),
    ("mapCaseCombo", 1, ("maps.show_case", "Ben")),
    ("mapKindCombo", 1, ("maps.show_kind", "gain")),
    ("mapKindCombo", 2, ("maps.show_kind", "")),
    ("presetCombo", 0, ("adapting.set_preset", "recommended")),
    ("segmentModelCombo", 2, ("segmenting.set_model", Path("mine"))),
    ("segmentModelCombo", 0, ("segmenting.set_model", None)),
    ("deviceCombo", 2, ("environment.set_device", "cuda:0")),
]


def requests(desk: SimpleNamespace) -> list[tuple[Any, ...]]:
    return [call for call in desk.session.calls if call[0] != "tick"]


@pytest.mark.parametrize(("button", "method", "arguments"), BUTTONS)
def test_button_passes_its_request_on(
    desk: SimpleNamespace, button: str, method: str, arguments: tuple[Any, ...]
) -> None:
    getattr(desk.ui, button).click()
    assert requests(desk) == [(method, *arguments)]


@pytest.mark.parametrize(("button", "dialog", "method"), DIALOGS)
def test_dialog_passes_the_chosen_path_on(
    desk: SimpleNamespace, button: str, dialog: str, method: str
) -> None:
    getattr(desk.ui, button).click()
    assert desk.application.asked[-1][0] == dialog
    assert requests(desk) == [], "a dialog that was given up changes nothing"
    desk.application.answer = Path("chosen")
    getattr(desk.ui, button).click()
    assert requests(desk) == [(method, Path("chosen"))]


@pytest.mark.parametrize(("button", "request_"), APPLICATION)
def test_button_asks_the_application(desk: SimpleNamespace, button: str, request_: tuple[Any, ...]) -> None:
    getattr(desk.ui, button).click()
    assert desk.application.asked[-1] == request_


@pytest.mark.parametrize(("combo", "index", "request_"), CHOICES)
def test_choice_is_passed_on(
    desk: SimpleNamespace, combo: str, index: int, request_: tuple[Any, ...]
) -> None:
    getattr(desk.ui, combo).activated.emit(index)
    assert requests(desk) == [request_]


def test_ticks_and_options_of_a_segmentation(desk: SimpleNamespace) -> None:
    import qt

    desk.ui.scanTable.item(1, 0).setCheckState(qt.Qt.Checked)
    desk.ui.uncertaintyCheck.click()
    desk.ui.probabilitiesCheck.click()
    assert requests(desk) == [
        ("segmenting.set_chosen", "y", True),
        ("segmenting.set_options", ("uncertainty", False)),
        ("segmenting.set_options", ("probabilities", True)),
    ]


def test_a_row_that_is_selected_acts(desk: SimpleNamespace) -> None:
    desk.ui.rankingTable.selectRow(1)
    desk.ui.riskTable.selectRow(1)
    assert requests(desk) == [("models.choose", Path("mine")), ("maps.jump_to_worst", "Ben")]


def test_a_click_on_the_selected_row_leads_back_to_its_spot(desk: SimpleNamespace) -> None:
    desk.ui.riskTable.selectRow(1)
    desk.session.maps.display = replace(desk.session.maps.display, case="Ben")
    desk.session.tell("display")
    desk.tick()
    assert desk.ui.riskTable.item(1, 0).isSelected(), "the row of the shown case stays selected"
    desk.session.calls.clear()
    desk.ui.riskTable.cellClicked.emit(1, 3)
    assert requests(desk) == [("maps.jump_to_worst", "Ben")]
    desk.session.maps.display = replace(desk.session.maps.display, case="Anna")
    desk.session.tell("display")
    desk.tick()
    assert not desk.ui.riskTable.item(1, 0).isSelected(), "another case was chosen elsewhere"


@pytest.mark.parametrize("way", ["keys", "mouse"])
@pytest.mark.parametrize(
    ("section", "table", "button", "method", "argument"),
    [
        ("targetCases", "caseTable", "removeCaseButton", "cases.remove", "b"),
        ("segment", "scanTable", "removeScanButton", "segmenting.remove", "y"),
        ("sourceModel", "rankingTable", None, "models.choose", Path("mine")),
        ("riskMap", "riskTable", None, "maps.jump_to_worst", "Anna"),
    ],
)
def test_the_row_that_is_highlighted_is_the_one_that_is_meant(
    desk: SimpleNamespace, section: str, table: str, button: str | None, method: str, argument: Any, way: str
) -> None:
    import qt
    from PySide6.QtTest import QTest

    rows = getattr(desk.ui, table)
    getattr(desk.ui, f"{section}Section").collapsed = False
    desk.widget.resize(500, 900)
    desk.widget.show()
    qt.application.processEvents()
    desk.tick()
    meant = 0 if table == "riskTable" else 1  # the only table without a selected row
    if way == "keys":
        QTest.keyClick(rows, qt.Qt.Key_Down)
    else:
        place = rows.visualItemRect(rows.item(meant, 1)).center()
        QTest.mouseClick(rows.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, place)
    assert [rows.item(row, 0).isSelected() for row in range(2)] == [meant == 0, meant == 1]
    if button is not None:
        getattr(desk.ui, button).click()
    assert set(requests(desk)) == {(method, argument)}


def test_one_case_is_always_selected(desk: SimpleNamespace) -> None:
    desk.ui.caseTable.selectRow(1)
    desk.ui.caseTable.clearSelection()
    desk.tick()
    assert desk.ui.caseTable.item(1, 0).isSelected() and desk.ui.caseNameEdit.text == "Ben"


def test_a_table_that_is_only_focused_chooses_nothing(desk: SimpleNamespace) -> None:
    import qt

    desk.session.models.chosen = None
    desk.session.tell("models")
    for section in ("sourceModel", "riskMap"):
        getattr(desk.ui, f"{section}Section").collapsed = False
    desk.widget.show()
    desk.widget.activateWindow()
    desk.tick()
    for table in (desk.ui.rankingTable, desk.ui.riskTable):
        table.setFocus(qt.Qt.TabFocusReason)
        qt.application.processEvents()
        assert table.focus, "or the test says nothing"
    assert requests(desk) == []


def test_selected_case_is_what_later_clicks_are_about(desk: SimpleNamespace) -> None:
    desk.ui.caseTable.selectRow(1)
    desk.tick()
    assert desk.ui.caseNameEdit.text == "Ben"
    desk.ui.removeCaseButton.click()
    assert requests(desk) == [("cases.remove", "b")]


def test_nodes_of_a_case(desk: SimpleNamespace, slicer_stand_ins: Any) -> None:
    import slicer

    selectors = desk.ui.caseDetailsGroup.findChildren(slicer.qMRMLNodeComboBox)
    shown = {selector.currentNodeID for selector in selectors}
    assert shown == {"v1", "s1", ""}, "channel, segmentation and ROI of the first case"
    channel = next(selector for selector in selectors if selector.currentNodeID == "v1")
    channel.setCurrentNodeID("v2")
    assert requests(desk) == [("cases.set_channel", "a", "T1", "v2")]


def test_choosing_no_node(desk: SimpleNamespace, slicer_stand_ins: Any) -> None:
    import slicer

    selectors = desk.ui.caseDetailsGroup.findChildren(slicer.qMRMLNodeComboBox)
    next(selector for selector in selectors if selector.currentNodeID == "s1").setCurrentNodeID("")
    assert requests(desk) == [("cases.set_segmentation", "a", None)]


def test_nodes_that_vanish_with_the_scene_are_no_choice(desk: SimpleNamespace, slicer_stand_ins: Any) -> None:
    import slicer

    for selector in desk.ui.caseDetailsGroup.findChildren(slicer.qMRMLNodeComboBox):
        selector.lose_node()
    assert requests(desk) == []


def test_label_of_a_segment(desk: SimpleNamespace) -> None:
    desk.ui.segmentLabelTable.cellWidget(1, 1).activated.emit(2)
    desk.ui.segmentLabelTable.cellWidget(0, 1).activated.emit(3)
    assert requests(desk) == [
        ("cases.set_label", "a", "s2", "WM"),
        ("cases.set_label", "a", "s1", None),
    ]


def test_display_of_a_map(desk: SimpleNamespace) -> None:
    desk.ui.opacitySlider.setValue(0.25)
    desk.ui.thresholdRange.setValues(1.0, 4.0)
    desk.ui.renderingCheck.click()
    assert requests(desk) == [
        ("maps.set_opacity", 0.25),
        ("maps.set_threshold", 1.0, 4.0),
        ("maps.set_rendering", True),
    ]
    assert desk.application.asked == [("centre_in_3d",)]
    desk.ui.renderingCheck.click()
    assert requests(desk)[-1] == ("maps.set_rendering", False)
    assert desk.application.asked == [("centre_in_3d",)], "hiding it leaves the camera alone"


def test_click_beside_the_handle_changes_the_opacity_by_a_tenth(desk: SimpleNamespace) -> None:
    import qt

    slider = desk.ui.opacitySlider.findChild(qt.QSlider)
    slider.triggerAction(qt.QAbstractSlider.SliderPageStepSub)
    (call,) = requests(desk)
    assert call == ("maps.set_opacity", pytest.approx(0.65 - 0.1))


@pytest.mark.parametrize(
    ("field", "change", "value"),
    [
        ("steps", 500, 500),
        ("learning_rate", 0.01, 0.01),
        ("eep_weight", 0.25, 0.25),
        ("wise_ft", 0.5, 0.5),
        ("l2sp", 0.5, 0.5),
        ("momentum", 0.95, 0.95),
        ("weight_decay", 0.00003, 0.00003),
        ("checkpoint_seconds", 30, 30),
        ("folds", 3, 3),
    ],
)
def test_advanced_numbers(desk: SimpleNamespace, field: str, change: float, value: Any) -> None:
    option(desk, field).widget.setValue(change)
    assert requests(desk) == [("adapting.set_option", field, value)]


def test_advanced_choices_and_automatic(desk: SimpleNamespace) -> None:
    option(desk, "audit").widget.activated.emit(1)
    folds = option(desk, "folds").widget
    assert folds.text == "automatic"
    folds.setValue(2)
    folds.setValue(folds.minimum)
    assert requests(desk) == [
        ("adapting.set_option", "audit", False),
        ("adapting.set_option", "folds", 2),
        ("adapting.set_option", "folds", None),
    ]


@pytest.mark.parametrize("field", ["eep_weight", "wise_ft"])
def test_advanced_shares_can_be_left_to_the_program(desk: SimpleNamespace, field: str) -> None:
    share = option(desk, field).widget
    assert share.text == "automatic"
    share.setValue(0.0)
    share.setValue(share.minimum)
    assert requests(desk) == [("adapting.set_option", field, 0.0), ("adapting.set_option", field, None)]


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        ("patch_size", "64, 64, 48", (64, 64, 48)),
        ("patch_size", "64 x 64 x 48", (64, 64, 48)),
        ("patch_size", "64, big", (64, "big")),
        ("weight_refresh", "0.5", (0.5,)),
        ("weight_refresh", "", ()),
    ],
)
def test_advanced_lines_of_numbers(desk: SimpleNamespace, field: str, typed: str, value: Any) -> None:
    line = option(desk, field).widget
    line.setText(typed)
    line.editingFinished.emit()
    assert requests(desk) == [("adapting.set_option", field, value)]


def test_advanced_line_that_is_only_left_asks_nothing(desk: SimpleNamespace) -> None:
    line = option(desk, "weight_refresh").widget
    assert line.text == "0.25, 0.5, 0.75"
    line.editingFinished.emit()
    assert requests(desk) == []


def test_advanced_patch_without_numbers_is_automatic(desk: SimpleNamespace) -> None:
    desk.session.adapting.settings = replace(desk.session.adapting.settings, patch_size=(32, 32, 16))
    desk.session.tell("adapt")
    desk.tick()
    line = option(desk, "patch_size").widget
    assert line.text == "32, 32, 16" and line.placeholderText == "automatic"
    line.setText(" ")
    line.editingFinished.emit()
    assert requests(desk) == [("adapting.set_option", "patch_size", None)]


def test_advanced_refused_value_becomes_a_line_and_goes_back(desk: SimpleNamespace) -> None:
    from TransferRiskLib.errors import SettingsError

    desk.session.adapting.errors["set_option"] = SettingsError("Refresh fractions must lie between 0 and 1.")
    line = option(desk, "weight_refresh").widget
    line.setText("2")
    line.editingFinished.emit()
    desk.tick()
    assert desk.ui.messageLabel.text == "Refresh fractions must lie between 0 and 1."
    assert line.text == "0.25, 0.5, 0.75"


def test_advanced_refusal_names_the_setting_as_the_window_does(desk: SimpleNamespace) -> None:
    from TransferRiskLib.errors import SettingsError

    refused = 'AdaptationSettings.weight_refresh[0] must be a number, not "often".'
    desk.session.adapting.errors["set_option"] = SettingsError(refused)
    setting = option(desk, "weight_refresh")
    setting.widget.setText("often")
    setting.widget.editingFinished.emit()
    desk.tick()
    assert desk.ui.messageLabel.text == f'“{setting.option.text}” must be a number, not "often".'


def test_advanced_levels_of_augmentation(desk: SimpleNamespace) -> None:
    from dataclasses import asdict

    from TransferRiskLib.adaptation.settings import AugmentationSettings

    adapting = desk.session.adapting
    own = adapting.settings.augmentation
    level = option(desk, "augmentation").widget
    for index in range(3):
        assert level.currentIndex == index, "as preset, none, stronger"
        index = (index + 1) % 3
        level.activated.emit(index)
        _, field, value = requests(desk)[-1]
        assert field == "augmentation"
        axes = value["mirror_axes"]
        augmentation = AugmentationSettings(**{**value, "mirror_axes": axes if axes is None else tuple(axes)})
        assert augmentation == (own, AugmentationSettings.off(), AugmentationSettings.strong())[index]
        adapting.settings = replace(adapting.settings, augmentation=augmentation)
        desk.session.tell("adapt")
        desk.tick()
    adapting.settings = replace(adapting.settings, augmentation=replace(own, noise=0.7))
    desk.session.tell("adapt")
    desk.tick()
    assert level.currentIndex == -1, "composed elsewhere"
    option(desk, "augmentation.remap").widget.activated.emit(0)
    option(desk, "augmentation.mirror_axes").widget.activated.emit(6)
    kept = asdict(replace(own, noise=0.7))
    assert requests(desk)[-2:] == [
        ("adapting.set_option", "augmentation", kept | {"remap": True}),
        ("adapting.set_option", "augmentation", kept | {"mirror_axes": [0, 2]}),
    ]


def test_advanced_offers_every_setting_once_in_words(desk: SimpleNamespace) -> None:
    from dataclasses import fields

    from TransferRiskLib.adaptation.settings import AdaptationSettings
    from TransferRiskLib.panels.adapt_options import options

    known = {field.name for field in fields(AdaptationSettings)} - {"preset"}
    offered = [one.field for one in options()]
    assert {field.split(".")[0] for field in offered} == known and len(set(offered)) == len(offered)
    for one in options():
        assert one.text and one.tip, one.field
        named = any(isinstance(choice, str) for choice in one.choices)
        assert len(one.words) == len(one.choices) or not (named or one.words), one.field


def test_half_a_path_is_not_passed_on(desk: SimpleNamespace, tmp_path: Path) -> None:
    desk.ui.modelFolderEdit.setCurrentPath(str(tmp_path / "absent"))
    desk.ui.interpreterEdit.setCurrentPath(str(tmp_path / "python"))
    assert requests(desk) == []
    desk.ui.modelFolderEdit.setCurrentPath(str(tmp_path))
    assert requests(desk) == [("models.set_folder", str(tmp_path))]


def test_installation_says_what_it_will_do_and_waits(desk: SimpleNamespace, tmp_path: Path) -> None:
    ui = desk.ui
    desk.application.install = lambda *given: desk.session.calls.append(("install", *given))
    ui.wheelsEdit.setCurrentPath(str(tmp_path))
    ui.planInstallButton.click()
    desk.tick()
    assert requests(desk) == []
    assert ui.installPlanLabel.text == f"Will install monai. {tmp_path}"
    assert not ui.goAheadButton.isHidden()
    ui.goAheadButton.click()
    desk.tick()
    assert requests(desk) == [
        ("environment.prepare_installation",),
        ("install", ["monai"], tmp_path, "keep"),
        ("environment.end_installation",),
        ("environment.probe",),
    ], "what holds the packages ends before they are replaced"
    assert ui.goAheadButton.isHidden() and ui.installPlanLabel.isHidden()


def test_after_an_installation_that_failed_jobs_can_start_again(desk: SimpleNamespace) -> None:
    from TransferRiskLib.errors import SettingsError

    def fail(*_: Any) -> None:
        raise SettingsError("No network.")

    desk.application.install = fail
    desk.ui.planInstallButton.click()
    desk.tick()
    desk.ui.goAheadButton.click()
    desk.tick()
    assert requests(desk) == [("environment.prepare_installation",), ("environment.end_installation",)]
    assert desk.ui.messageLabel.text == "No network."


def test_installation_that_is_refused_installs_nothing(desk: SimpleNamespace) -> None:
    from TransferRiskLib.errors import SettingsError

    desk.session.environment.errors["prepare_installation"] = SettingsError("Wait.")
    desk.ui.planInstallButton.click()
    desk.tick()
    desk.ui.goAheadButton.click()
    desk.tick()
    assert desk.application.asked == [] and desk.ui.messageLabel.text == "Wait."


def test_installation_can_be_given_up(desk: SimpleNamespace) -> None:
    desk.ui.planInstallButton.click()
    desk.tick()
    desk.ui.cancelInstallButton.click()
    desk.tick()
    assert desk.ui.goAheadButton.isHidden()
    assert "install" not in {asked[0] for asked in desk.application.asked}


def option(desk: SimpleNamespace, field: str) -> Any:
    from TransferRiskLib.panels.adapt import AdaptPanel

    panel = next(panel for panel in desk.window.panels if isinstance(panel, AdaptPanel))
    return next(one for one in panel._options if one.option.field == field)
