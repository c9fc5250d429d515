"""Lines for paths, and lists, while somebody uses them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from locked import lock


def test_a_path_that_is_being_typed_keeps_its_last_slash(desk: SimpleNamespace) -> None:
    line = desk.ui.outputFolderEdit
    line.setCurrentPath("/data/models/")
    desk.session.adapting.chosen_output_folder = "/data/models"
    desk.session.tell("adapt")
    desk.tick()
    assert line.currentPath == "/data/models/"
    desk.session.adapting.chosen_output_folder = "/elsewhere"
    desk.session.tell("adapt")
    desk.tick()
    assert line.currentPath == "/elsewhere"


@pytest.fixture
def folder(desk: SimpleNamespace) -> SimpleNamespace:
    """The line of the output folder; the session expands "~" and refuses half a path."""
    from TransferRiskLib.errors import SettingsError
    from TransferRiskLib.panels.widgets import qt

    adapting = desk.session.adapting
    edit = desk.ui.outputFolderEdit
    given: list[str] = []

    def choose(typed: str) -> None:
        given.append(typed)
        if typed and typed[0] not in "/~":
            raise SettingsError("is no whole path.", file=typed)
        adapting.chosen_output_folder = typed.replace("~", "/home/me")
        desk.session.tell("adapt")

    adapting.set_output_folder = choose

    def type_into(text: str) -> None:
        line.setText(text)
        desk.tick()
        desk.session.tell("adapt")
        desk.tick()

    line = edit.findChild(qt.QLineEdit)
    return SimpleNamespace(edit=edit, line=line, given=given, write=type_into)


def test_a_path_is_shown_as_it_is_kept_once_the_typing_is_over(folder: SimpleNamespace) -> None:
    for text in ("~", "~/", "~/x"):
        folder.write(text)
        assert folder.edit.currentPath == text
    folder.line.editingFinished.emit()
    assert folder.edit.currentPath == "/home/me/x"
    assert folder.given == ["~", "~/", "~/x"], "showing it is no choice"


def test_an_emptied_line_is_the_usual_folder_and_shows_it(folder: SimpleNamespace) -> None:
    assert folder.line.placeholderText == "models"
    folder.write("/data")
    folder.write("")
    assert folder.given == ["/data", ""] and folder.edit.currentPath == ""
    folder.write("/data")
    assert folder.given[-1] == "/data"


def test_a_refused_path_is_told_and_goes_when_the_typing_is_over(
    desk: SimpleNamespace, folder: SimpleNamespace
) -> None:
    folder.write("/data")
    folder.write("data")
    assert folder.edit.currentPath == "data" and "is no whole path" in desk.ui.messageLabel.text
    folder.line.editingFinished.emit()
    assert folder.edit.currentPath == "/data"


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("interpreterEdit", "environment.set_interpreter"),
        ("modelFolderEdit", "models.set_folder"),
    ],
)
def test_every_line_of_a_path_can_be_emptied(desk: SimpleNamespace, line: str, call: str) -> None:
    getattr(desk.ui, line).setCurrentPath("/absent")
    desk.tick()
    getattr(desk.ui, line).setCurrentPath("")
    desk.tick()
    assert [c for c in desk.session.calls if c[0] != "tick"] == [(call, "")]


def test_showing_a_path_is_no_choice(desk: SimpleNamespace) -> None:
    desk.session.environment.interpreter = __file__
    desk.session.tell("environment")
    desk.tick()
    assert desk.ui.interpreterEdit.currentPath == __file__
    desk.session.environment.interpreter = ""
    desk.session.tell("environment")
    desk.tick()
    assert desk.ui.interpreterEdit.currentPath == ""
    assert not [call for call in desk.session.calls if call[0] != "tick"]


def test_a_list_is_only_filled_anew_when_its_texts_change(slicer_stand_ins: Any) -> None:
    import qt

    from TransferRiskLib.panels.widgets import choose_from

    combo = qt.QComboBox()
    choose_from(combo, ["one", "two"], 1)
    added: list[int] = []
    combo.model().rowsInserted.connect(lambda *_: added.append(combo.count))
    choose_from(combo, ["one", "two"], 0)
    assert combo.currentText == "one" and not added
    choose_from(combo, ["two"], -1)
    assert (combo.count, combo.currentIndex) == (1, -1) and added


def test_a_path_that_leads_through_a_closed_folder_is_none_yet(
    desk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raised: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: raised.append(error))
    closed = str(lock(monkeypatch, tmp_path) / "inside")
    for line in (desk.ui.modelFolderEdit, desk.ui.interpreterEdit, desk.ui.wheelsEdit):
        line.setCurrentPath(closed)
    desk.tick()
    assert not raised
    assert not [call for call in desk.session.calls if call[0] != "tick"]
