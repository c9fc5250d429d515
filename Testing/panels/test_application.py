"""What is asked of Slicer's application, on stand-ins."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def application(slicer_stand_ins: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    util = SimpleNamespace(mainWindow=lambda: None)
    monkeypatch.setattr(slicer_stand_ins, "util", util, raising=False)
    from TransferRiskLib.panels.application import Application

    return Application(tmp_path / "requirements.txt")


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ("/models/mine.ts", Path("/models/mine.ts")),  # PythonQt
        (("/models/mine.ts", "Models (*.ts)"), Path("/models/mine.ts")),  # other bindings
        ("", None),
        (("", ""), None),
    ],
)
def test_a_chosen_file_is_a_path_whatever_the_binding_gives(
    application: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, path: Path | None
) -> None:
    from TransferRiskLib.panels import application as module

    asked: list[tuple[Any, ...]] = []
    dialog = SimpleNamespace(getOpenFileName=lambda *given: asked.append(given) or answer)
    monkeypatch.setattr(module.qt, "QFileDialog", dialog)
    assert application.ask_file("File of the model", "Models (*.ts)") == path
    assert asked == [(None, "File of the model", "", "Models (*.ts)")]


@pytest.mark.parametrize(("answer", "path"), [("/models", Path("/models")), ("", None)])
def test_a_chosen_folder_is_a_path(
    application: Any, monkeypatch: pytest.MonkeyPatch, answer: str, path: Path | None
) -> None:
    from TransferRiskLib.panels import application as module

    dialog = SimpleNamespace(getExistingDirectory=lambda *given: answer)
    monkeypatch.setattr(module.qt, "QFileDialog", dialog)
    assert application.ask_folder("Folder of cases") == path


def test_every_view_in_3d_is_centred(application: Any, slicer_stand_ins: ModuleType) -> None:
    centred: list[int] = []

    def view(number: int) -> SimpleNamespace:
        look = SimpleNamespace(resetFocalPoint=lambda: centred.append(number))
        return SimpleNamespace(threeDView=lambda: look)

    layouts: Any = SimpleNamespace(threeDViewCount=2, threeDWidget=view)
    slicer_stand_ins.app = SimpleNamespace(layoutManager=lambda: layouts)
    application.centre_in_3d()
    assert centred == [0, 1]
    slicer_stand_ins.app = SimpleNamespace(layoutManager=lambda: None)
    application.centre_in_3d()
    assert centred == [0, 1], "there is none without a main window"
