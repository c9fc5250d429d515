"""Helpers for Qt widgets in PythonQt's manner: properties are attributes, signals go by signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import qt
import slicer

Verdict = tuple[bool, str]
SHOWN_ROWS = 8
"""A table grows with its rows up to this many, then it scrolls."""


def on(sender: Any, signal: str, receiver: Callable[..., object]) -> None:
    """Connect a signal, named by its C++ signature, to a function that takes the signal's arguments."""
    sender.connect(signal, receiver)


@contextmanager
def quietly(widget: Any) -> Iterator[None]:
    """Change a widget without its signals: showing the session's state is no click."""
    before = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(before)


def allow(button: Any, verdict: Verdict, tip: str = "") -> None:
    """Enable a button exactly when it can work; its tooltip otherwise says why not."""
    possible, reason = verdict
    button.setEnabled(possible)
    button.setToolTip(tip if possible else reason)


def say(label: Any, text: str) -> None:
    """Show a text; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Headings and texts as two columns, for a label."""
    cells = (f"<tr><td>{escape(head)}:&nbsp;</td><td>{escape(text)}</td></tr>" for head, text in rows)
    return f"<table>{''.join(cells)}</table>" if rows else ""


def choose_from(combo: Any, texts: Sequence[str], current: int) -> None:
    """Offer texts, with one of them (or none: -1) chosen."""
    with quietly(combo):
        combo.clear()
        combo.addItems(list(texts))
        combo.setCurrentIndex(current)


def position(values: Sequence[Any], value: Any) -> int:
    """Where a value stands, -1 where it does not."""
    return list(values).index(value) if value in values else -1


def write(edit: Any, text: str) -> None:
    """Put a text into a line; a caret in the middle of the same text stays where it is."""
    if edit.text != text:
        with quietly(edit):
            edit.setText(text)


def fill(
    table: Any,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    selected: int = -1,
    stretch: int | None = None,
    tips: Sequence[str] = (),
) -> None:
    """Fill a table that is only read; without rows it takes no room.

    Args:
        selected: Row to select.
        stretch: Column that takes the room that is left; the last one by default.
        tips: Tooltip of every row.
    """
    with quietly(table):
        table.setColumnCount(len(header))
        table.setRowCount(len(rows))
        table.setHorizontalHeaderLabels(list(header))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                if row < len(tips):
                    item.setToolTip(tips[row])
                table.setItem(row, column, item)
        for column in range(len(header)):
            mode = qt.QHeaderView.Stretch if column == stretch else qt.QHeaderView.ResizeToContents
            table.horizontalHeader().setSectionResizeMode(column, mode)
        table.horizontalHeader().setStretchLastSection(stretch is None)
        if selected >= 0:
            table.selectRow(selected)
        else:
            table.clearSelection()
    fit(table, len(rows))


def fit(table: Any, rows: int) -> None:
    """Give a table the height of its rows, up to a limit that follows the font."""
    table.resizeRowsToContents()
    shown = sum(table.rowHeight(row) for row in range(min(rows, SHOWN_ROWS)))
    # The header, a scroll bar and the frame, which follow the font as well.
    line = qt.QFontMetrics(qt.QApplication.font(table)).height()
    table.setFixedHeight(shown + 5 * line // 2)
    table.setVisible(bool(rows))


def node_selector(classes: Sequence[str], none: str, changed: Callable[[str | None], None]) -> Any:
    """A list of the scene's nodes of some classes.

    Args:
        classes: MRML class names.
        none: What "no node" is called.
        changed: Called with the node's ID, or None, when the user picks another. Not while the scene
            loads or closes: nodes that vanish then are no choice of the user.
    """
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = list(classes)
    selector.showChildNodeTypes = False
    selector.addEnabled = selector.removeEnabled = selector.renameEnabled = False
    selector.noneEnabled = True
    selector.noneDisplay = none
    selector.setMRMLScene(slicer.mrmlScene)

    def pass_on(identity: str) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            changed(identity or None)

    on(selector, "currentNodeIDChanged(QString)", pass_on)
    return selector


def show_node(selector: Any, identity: str | None) -> None:
    """Show a node in a selector."""
    with quietly(selector):
        selector.setCurrentNodeID(identity or "")
