"""The window on stand-ins: PySide6 in PythonQt's manner, and a session that only remembers calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

UI = Path(__file__).resolve().parents[2] / "TransferRisk" / "Resources" / "UI" / "TransferRisk.ui"


@pytest.fixture(scope="module")
def slicer_stand_ins() -> Iterator[ModuleType]:
    """`qt`, `ctk` and the parts of `slicer` that panels import; all gone again afterwards."""
    pytest.importorskip(
        "PySide6.QtWidgets", reason="the window's tests need PySide6-Essentials", exc_type=ImportError
    )
    import mrml_standins
    import qt_standins

    slicer = mrml_standins.slicer_module()
    wanted = {**qt_standins.load(), "slicer": slicer, "slicer.i18n": slicer.i18n}
    replaced = {name: sys.modules.get(name) for name in (*wanted, "slicer.util")}
    _forget_panels()
    sys.modules.update(wanted)
    from TransferRiskLib.panels import widgets

    widgets.on = qt_standins.connect
    yield slicer
    for name, module in replaced.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module
    _forget_panels()


def _forget_panels() -> None:
    for name in [name for name in sys.modules if name.startswith("TransferRiskLib.panels")]:
        del sys.modules[name]


class Application:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer: Path | None = None

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any, **named: Any) -> Path | None:
            self.asked.append((name, *arguments, *named.values()))
            return self.answer if name.startswith("ask_") else None

        return ask

    def has_package(self, name: str) -> bool:
        return True

    def node_name(self, identity: str | None) -> str:
        return {None: ""}.get(identity, f"node {identity}")


@pytest.fixture
def desk(slicer_stand_ins: ModuleType) -> Iterator[SimpleNamespace]:
    """A window with its widgets (`ui`), session and application; `tick()` is the timer."""
    import fake_session
    import qt_standins

    from TransferRiskLib.panels.window import Window

    widget = qt_standins.load_ui(UI)
    ui = qt_standins.child_variables(widget)
    session, application = fake_session.FakeSession(), Application()
    window = Window(ui, session, application)  # type: ignore[arg-type]
    yield SimpleNamespace(
        ui=ui, session=session, application=application, window=window, widget=widget, tick=window.tick
    )
    window.close()
    widget.deleteLater()
