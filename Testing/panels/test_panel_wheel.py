"""Scrolling through the window changes nothing that the wheel passes over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


def turn(widget: Any) -> bool:
    """Turn the wheel one notch down over a widget; whether it took that."""
    import qt

    middle = widget.rect.center()
    down, nothing = qt.QPoint(0, -120), qt.QPoint(0, 0)
    event = qt.QWheelEvent(
        qt.QPointF(middle), qt.QPointF(widget.mapToGlobal(middle)), nothing, down,
        qt.Qt.NoButton, qt.Qt.NoModifier, qt.Qt.NoScrollPhase, False,
    )  # fmt: skip
    event.ignore()
    qt.application.sendEvent(widget, event)
    return bool(event.isAccepted())


def shown(desk: SimpleNamespace) -> None:
    for section in ("sourceModel", "targetCases", "riskMap", "adapt", "segment", "environment"):
        getattr(desk.ui, f"{section}Section").collapsed = False
    desk.ui.advancedGroup.collapsed = False
    desk.tick()
    desk.widget.show()
    desk.widget.activateWindow()


def turning(desk: SimpleNamespace) -> list[Any]:
    """All lists, numbers and sliders of the window."""
    import qt

    kinds = (qt.QComboBox, qt.QAbstractSpinBox, qt.QSlider)
    return [widget for kind in kinds for widget in desk.widget.findChildren(kind)]


def test_no_list_number_or_slider_follows_the_wheel_unasked(desk: SimpleNamespace) -> None:
    import qt

    shown(desk)
    desk.ui.caseNameEdit.setFocus(qt.Qt.MouseFocusReason)
    desk.session.calls.clear()
    widgets = turning(desk)
    assert len(widgets) > 30
    assert [widget.objectName for widget in widgets if turn(widget)] == []
    assert desk.session.calls == []


@pytest.mark.parametrize("name", ["presetCombo", "deviceCombo"])
def test_one_that_was_clicked_into_does(desk: SimpleNamespace, name: str) -> None:
    import qt

    shown(desk)
    combo = getattr(desk.ui, name)
    combo.setCurrentIndex(0)
    assert not turn(combo) and combo.currentIndex == 0
    combo.setFocus(qt.Qt.MouseFocusReason)
    qt.application.processEvents()
    assert combo.focus, "or the test says nothing"
    assert turn(combo) and combo.currentIndex == 1


def test_the_wheel_alone_gives_no_focus(desk: SimpleNamespace) -> None:
    import qt

    shown(desk)
    assert {widget.focusPolicy for widget in turning(desk)} <= {qt.Qt.StrongFocus, qt.Qt.NoFocus}
