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
    desk.session.adapting.output_folder = Path("/data/models")
    desk.session.tell("adapt")
    desk.tick()
    assert line.currentPath == "/data/models/"
    desk.session.adapting.output_folder = Path("/elsewhere")
    desk.session.tell("adapt")
    desk.tick()
    assert line.currentPath == str(Path("/elsewhere"))


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
