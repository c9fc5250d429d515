"""What is asked of Slicer's application, on stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from TransferRiskLib.errors import SettingsError


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


@pytest.fixture
def pip(application: Any, slicer_stand_ins: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What an installation does, in order; there is a PyTorch extension, and no `slicer.packaging`."""
    done: list[Any] = []
    util: Any = slicer_stand_ins.util
    util.pip_uninstall = lambda names: done.append(("uninstall", names))
    util.pip_install = lambda arguments: done.append(("pip", *arguments))

    def install_torch(askConfirmation: bool, torchVersionRequirement: str) -> object:  # noqa: N803
        assert not askConfirmation and torchVersionRequirement == ">=2.6"
        done.append("extension")
        return slicer_stand_ins.__dict__.get("torch", object())

    logic = SimpleNamespace(installTorch=install_torch)
    extension: Any = SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    return done


REMOVED = ("uninstall", "torch torchvision")
NETWORK = ("pip", "--dry-run", "--ignore-installed", "--no-deps", "torch>=2.6")


@pytest.mark.parametrize(
    ("wheels", "torch", "expected"),
    [
        (None, "keep", [("pip", "monai")]),
        (None, "install", ["extension", ("pip", "monai")]),
        (None, "replace", [NETWORK, REMOVED, "extension", ("pip", "monai")]),
        (Path("wheels"), "keep", [("pip", "monai")]),
        (Path("wheels"), "install", [("pip", "monai")]),
        (
            Path("wheels"),
            "replace",
            [("pip", "--dry-run", "--ignore-installed", "monai"), REMOVED, ("pip", "monai")],
        ),
    ],
)
def test_an_installation_does_what_it_was_told_about_torch(
    application: Any, pip: list[Any], wheels: Path | None, torch: str, expected: list[Any]
) -> None:
    application.install(["monai"], wheels, torch)
    assert pip == expected


def test_a_torch_that_the_extension_could_not_install_is_told(
    application: Any, pip: list[Any], slicer_stand_ins: ModuleType
) -> None:
    slicer_stand_ins.torch = None  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="PyTorch was not installed"):
        application.install(["monai"], None, "install")
    assert pip == ["extension"]


def test_nothing_is_removed_without_a_network(
    application: Any, pip: list[Any], slicer_stand_ins: ModuleType
) -> None:
    def unreachable(arguments: list[str]) -> None:
        raise RuntimeError("Temporary failure in name resolution")

    util: Any = slicer_stand_ins.util
    util.pip_install = unreachable
    with pytest.raises(SettingsError, match="name resolution"):
        application.install(["monai"], None, "replace")
    assert pip == []


def test_nothing_is_removed_where_the_folder_of_wheels_lacks_something(
    application: Any, pip: list[Any], slicer_stand_ins: ModuleType
) -> None:
    def lacking(arguments: list[str]) -> None:
        raise RuntimeError("No matching distribution found for einops>=0.7")

    util: Any = slicer_stand_ins.util
    util.pip_install = lacking
    with pytest.raises(SettingsError, match="No matching distribution found for einops"):
        application.install(["monai"], Path("wheels"), "replace")
    assert pip == []


def test_nothing_is_removed_where_the_pytorch_extension_is_missing(
    application: Any, pip: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(SettingsError, match="PyTorch extension is not installed"):
        application.install(["monai"], None, "replace")
    assert pip == []
