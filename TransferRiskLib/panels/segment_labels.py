"""The table of section 2 that says which label a segment is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from TransferRiskLib.panels.wheel import scroll_past
from TransferRiskLib.panels.widgets import compact, fill, fit, on, position, quietly

AT_ONCE = 24
"""Lists are made this many at a time: a brain atlas has a hundred segments, and a hundred lists would hold
up Slicer."""

Choose = Callable[[str, "str | None"], object]
"""Takes a segment's ID and the label that the user chose for it; None for unlabelled."""


class SegmentLabels:
    """A row for every segment, with a list of labels to choose from. The lists are made once, share one
    model of their texts, and serve whatever segment stands in their row.

    Args:
        table: Gets the rows.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._choose: Choose = lambda identifier, label: None
        self._texts = qt.QStringListModel(table)
        self._choices: list[str | None] = []
        self._segments: list[tuple[str, str]] = []
        self._labels: Mapping[str, str | None] = {}
        self._combos: list[Any] = []

    def show(
        self,
        segments: Mapping[str, str],
        labels: Mapping[str, str | None],
        choices: Sequence[str | None],
        choose: Choose,
    ) -> None:
        """Show segments; what stands there already is left alone.

        Args:
            segments: ID to name.
            labels: ID to the label that it is.
            choices: The labels that there are to choose from.
            choose: Takes what the user chooses.
        """
        known, self._segments, self._labels = self._segments, list(segments.items()), labels
        self._choose = choose
        if list(choices) != self._choices:
            self._choices = list(choices)
            self._texts.setStringList([_("unlabelled") if text is None else text for text in self._choices])
        if self._segments != known:
            self._table.setColumnCount(2)
            self._table.setRowCount(len(self._segments))  # lists of rows that go, go with them
            del self._combos[len(self._segments) :]
            self._add_lists()
            rows = [(name, "") for _id, name in self._segments]
            fill(self._table, (_("Segment"), _("is the label")), rows)
        self._show_labels()

    def go_on(self) -> None:
        """Make more lists where rows wait for theirs; called with every tick of the window's timer."""
        if len(self._combos) < len(self._segments):
            self._add_lists()
            fit(self._table)
            self._show_labels()

    def _add_lists(self) -> None:
        first = len(self._combos)
        for number in range(first, min(first + AT_ONCE, len(self._segments))):
            combo = qt.QComboBox()
            compact(combo)
            combo.setModel(self._texts)
            on(combo, "activated(int)", self._chooser(number))
            scroll_past(combo)
            self._table.setCellWidget(number, 1, combo)
            self._combos.append(combo)

    def _show_labels(self) -> None:
        for (identifier, _name), combo in zip(self._segments, self._combos, strict=False):
            wanted = position(self._choices, self._labels[identifier])
            if combo.currentIndex != wanted:
                with quietly(combo):
                    combo.setCurrentIndex(wanted)

    def _chooser(self, number: int) -> Callable[[int], object]:
        return lambda choice: self._choose(self._segments[number][0], self._choices[choice])
