"""The mouse wheel scrolls the window; what it happens to pass over must not change."""

from __future__ import annotations

from typing import Any

import qt

TURNING = (qt.QComboBox, qt.QAbstractSpinBox, qt.QSlider)
"""Widgets whose value follows the wheel."""


class _Passing(qt.QObject):
    """Event filter: hands the wheel on to what lies behind a widget that has not the focus."""

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Called by Qt; whether the event ends here."""
        if event.type() == qt.QEvent.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


_passing: list[_Passing] = []
"""The one filter, made with the first widget: Qt has to be there."""


def scroll_past(widget: Any) -> None:
    """Have a widget, and all within it, leave the wheel to the window until the user clicks into them or
    gets there by keys: a list that is passed while scrolling would take its next entry."""
    if not _passing:
        _passing.append(_Passing())
    found = [each for kind in TURNING for each in widget.findChildren(kind)]
    for each in (*found, *([widget] if isinstance(widget, TURNING) else ())):
        each.setFocusPolicy(qt.Qt.StrongFocus)  # by default the wheel gives them the focus
        each.installEventFilter(_passing[0])
