"""The module's widget as Slicer drives it: opened, left, reloaded, closed."""

from __future__ import annotations

import gc
import importlib.util
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

MODULE = Path(__file__).resolve().parents[2] / "TransferRisk" / "TransferRisk.py"


class Observing:
    """Slicer's mixin, of which only the calls matter here."""

    observed = 0

    def addObserver(self, *arguments: Any) -> None:  # noqa: N802
        self.observed += 1

    def removeObservers(self) -> None:  # noqa: N802
        self.observed = 0


@pytest.fixture
def module(slicer_stand_ins: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`TransferRisk.py` on the stand-ins, with a logic whose session only remembers calls."""
    import fake_session
    import qt
    import qt_standins

    class Base:
        def __init__(self, parent: Any = None) -> None:
            self.parent = parent

        def setup(self) -> None:
            self.layout = self.parent.layout()

        def resourcePath(self, name: str) -> str:  # noqa: N802
            return str(MODULE.parent / "Resources" / name)

    class Logic:
        def __init__(self) -> None:
            self.session, self.closed = fake_session.FakeSession(), False

        def close(self) -> None:
            self.closed = True

    bases: Any = ModuleType("slicer.ScriptedLoadableModule")
    for name in ("", "Widget", "Logic", "Test"):
        setattr(bases, f"ScriptedLoadableModule{name}", Base)
    util: Any = ModuleType("slicer.util")
    util.VTKObservationMixin = Observing
    util.loadUI = lambda path: qt_standins.load_ui(Path(path))
    util.childWidgetVariables = qt_standins.child_variables
    monkeypatch.setitem(sys.modules, bases.__name__, bases)
    monkeypatch.setitem(sys.modules, util.__name__, util)
    monkeypatch.setattr(slicer_stand_ins, "util", util, raising=False)
    monkeypatch.setattr(slicer_stand_ins.i18n, "translate", lambda context, text: text, raising=False)
    for event in ("StartCloseEvent", "EndCloseEvent"):
        monkeypatch.setattr(slicer_stand_ins.mrmlScene, event, event, raising=False)
    spec = importlib.util.spec_from_file_location("TransferRiskModule", MODULE)
    assert spec is not None and spec.loader is not None
    loaded: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    loaded.TransferRiskLogic = Logic
    parent = qt.QWidget()
    qt.QVBoxLayout(parent)
    yield SimpleNamespace(parent=parent, open=lambda: opened(loaded.TransferRiskWidget(parent)))
    parent.deleteLater()


def opened(widget: Any) -> Any:
    widget.setup()
    return widget


def deleted_now() -> None:
    """What Qt does when it comes back to the event loop, and Python from time to time."""
    import qt

    qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)
    gc.collect()


def test_opened_it_shows_the_session_and_is_told_of_module_switches(module: Any) -> None:
    widget = module.open()
    assert widget.ui.modelCombo.count > 1 and widget.observed == 2
    session = widget.logic.session
    session.calls.clear()
    widget.enter()
    widget.exit()
    assert [call[0] for call in session.calls if call[0].startswith("maps.")] == ["maps.enter", "maps.leave"]
    widget.cleanup()


def test_reloads_leave_nothing_behind(module: Any) -> None:
    """Slicer hides the widgets of a reloaded module and keeps them, and signals keep who hears them."""
    first = module.open()
    logic, window = first.logic, weakref.ref(first.window)
    first.cleanup()
    second = module.open()
    del first
    deleted_now()
    assert logic.closed
    assert module.parent.layout().count() == 1, "the widgets of before are gone"
    assert window() is None, "so is the window that they called"
    second.cleanup()


def test_after_cleanup_calls_of_slicer_do_nothing(module: Any) -> None:
    widget = module.open()
    widget.cleanup()
    assert widget.observed == 0
    widget.enter()
    widget.exit()
    widget.onSceneEndClose(None, None)
    widget.cleanup()
