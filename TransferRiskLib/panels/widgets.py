"""Helpers for Qt widgets in PythonQt's manner: properties are attributes, signals go by signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer

from TransferRiskLib.panels.wheel import scroll_past

Verdict = tuple[bool, str]
SHOWN_ROWS = 8
"""A table grows with its rows up to this many, then it scrolls."""
MOST_OF_WIDTH = 0.4
"""Share of a table's width that one column gets at most."""


def on(sender: Any, signal: str, receiver: Callable[..., object]) -> None:
    """Connect a signal, named by its C++ signature, to a function that takes the signal's arguments."""
    sender.connect(signal, receiver)


def on_row(table: Any, receiver: Callable[[int], object]) -> None:
    """Call a function with the row that the user selects, by mouse or by keys: what is highlighted is what
    buttons act on. It gets -1 when the selection was taken back."""

    def changed() -> None:
        rows = range(table.rowCount)
        receiver(next((row for row in rows if table.item(row, 0).isSelected()), -1))

    on(table, "itemSelectionChanged()", changed)


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
    """Offer texts, with one of them (or none: -1) chosen. The same texts stay, and an open list with them."""
    with quietly(combo):
        if [combo.itemText(number) for number in range(combo.count)] != list(texts):
            combo.clear()
            combo.addItems(list(texts))
        combo.setCurrentIndex(current)


def compact(combo: Any) -> None:
    """Have a closed list cut long texts: they must not make the window wider than Slicer's panel."""
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon


def position(values: Sequence[Any], value: Any) -> int:
    """Where a value stands, -1 where it does not."""
    return list(values).index(value) if value in values else -1


def write(edit: Any, text: str) -> None:
    """Put a text into a line; a caret in the middle of the same text stays where it is."""
    if edit.text != text:
        with quietly(edit):
            edit.setText(text)


class TypedLine:
    """A line whose text takes effect while it is typed.

    What is typed may be kept in another form (without blanks at its ends, with a number where a name is
    taken), which must not come back into the line before the typing is over.

    Args:
        edit: The line.
        read: What is kept.
        change: Takes what is typed.
    """

    def __init__(self, edit: Any, read: Callable[[], str], change: Callable[[str], Any]) -> None:
        self._edit, self._read, self._change = edit, read, change
        self._known: str | None = None
        on(edit, "textEdited(QString)", self._typed)
        on(edit, "editingFinished()", self._finished)

    def show(self) -> None:
        """Show what is kept, where that is not what the typing led to."""
        kept = self._read()
        if kept != self._known:
            self._known = kept
            write(self._edit, kept)

    def _typed(self, text: str) -> None:
        self._change(text)
        self._known = self._read()

    def _finished(self) -> None:
        self._known = None
        self.show()


class PathLine:
    """As `TypedLine`, for CTK's line of a path.

    What is kept may be spelt another way ("~/models", "/data/" on the way to "/data/new") or may still be
    the former path, where what is typed is refused: it comes into the line when the typing is over.

    Args:
        edit: The line.
        read: The path that is kept; empty for none.
        change: Takes what is typed, and empty when the line was emptied.
    """

    def __init__(self, edit: Any, read: Callable[[], str], change: Callable[[str], Any]) -> None:
        self._edit, self._read, self._change = edit, read, change
        self._line = edit.findChild(qt.QLineEdit)
        self._known: str | None = None
        on(edit, "currentPathChanged(QString)", self._typed)
        # For CTK an empty line is no path, and no change of one either.
        on(edit, "validInputChanged(bool)", lambda valid: None if valid else self._typed(""))
        on(self._line, "editingFinished()", self._finished)

    def show(self, otherwise: str = "") -> None:
        """Show what is kept, where that is not what the typing led to; `otherwise`, what holds as long as
        the line is empty, in grey."""
        self._line.setPlaceholderText(otherwise)
        kept = self._read()
        if kept == self._known:
            return
        self._known = kept
        if not self._edit.currentPath or not kept or Path(self._edit.currentPath) != Path(kept):
            with quietly(self._edit):
                self._edit.setCurrentPath(kept)

    def _typed(self, text: str) -> None:
        self._change(text)
        self._known = self._read()

    def _finished(self) -> None:
        self._known = None
        self.show(self._line.placeholderText)


def fill(
    table: Any,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    selected: int = -1,
    stretch: int | None = None,
    tips: Sequence[str] = (),
    ticks: Sequence[bool] = (),
) -> None:
    """Fill a table that is only read; without rows it takes no room.

    Args:
        selected: Row to select.
        stretch: Column that takes the room that is left; the last one by default.
        tips: Tooltip of every row.
        ticks: Whether the box in front of every row is ticked; no boxes by default.
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
                if column == 0 and row < len(ticks):
                    item.setCheckState(qt.Qt.Checked if ticks[row] else qt.Qt.Unchecked)
                table.setItem(row, column, item)
        for column in range(len(header)):
            mode = qt.QHeaderView.Stretch if column == stretch else qt.QHeaderView.Interactive
            table.horizontalHeader().setSectionResizeMode(column, mode)
        table.horizontalHeader().setStretchLastSection(stretch is None)
        if selected >= 0:
            table.selectRow(selected)
        else:
            table.clearSelection()
    fit(table)


def fit(table: Any) -> None:
    """Give a table the height of its header and its first rows, and of the bar that scrolls it sideways
    where its columns need one. Rows of sentences that wrap are as high as the width wants them; no column
    takes the room of the others for a long name."""
    rows, header = table.rowCount, table.horizontalHeader()
    most = int(MOST_OF_WIDTH * table.viewport().width)
    stretches = header.stretchLastSection
    header.setStretchLastSection(False)  # a width that is set would end the stretching for good
    for column in range(table.columnCount):
        if header.sectionResizeMode(column) != qt.QHeaderView.Stretch:
            table.resizeColumnToContents(column)
            table.setColumnWidth(column, min(table.columnWidth(column), most))
    header.setStretchLastSection(stretches)
    table.resizeRowsToContents()
    height = _wanted_height(header) + 2 * table.frameWidth
    height += sum(table.rowHeight(row) for row in range(min(rows, SHOWN_ROWS)))
    if header.length() > table.viewport().width:
        height += _wanted_height(table.horizontalScrollBar())
    table.setFixedHeight(height)
    table.setVisible(rows > 0)


def _wanted_height(widget: Any) -> int:
    # Asked by name: `sizeHint` is a property in PythonQt, and a method in other bindings.
    return int(widget.property("sizeHint").height())


def node_selector(classes: Sequence[str], none: str, changed: Callable[[str | None], None]) -> Any:
    """A list of the scene's nodes of some classes.

    Args:
        classes: MRML class names.
        none: What "no node" is called.
        changed: Called with the node's ID, or None, when the user picks one. What a selector shows when
            nodes vanish or a scene is opened is no choice of the user, so it is not passed on.
    """
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = list(classes)
    selector.showChildNodeTypes = False
    selector.addEnabled = selector.removeEnabled = selector.renameEnabled = False
    selector.noneEnabled = True
    selector.noneDisplay = none
    compact(selector)
    selector.setMRMLScene(slicer.mrmlScene)
    scroll_past(selector)
    on(selector, "nodeActivated(vtkMRMLNode*)", lambda node: changed(None if node is None else node.GetID()))
    return selector


def show_node(selector: Any, identity: str | None) -> None:
    """Show a node in a selector."""
    with quietly(selector):
        selector.setCurrentNodeID(identity or "")
