"""Chosen nodes that change where MRML's scene tells nobody: an ROI that is placed, a transform that comes."""

from __future__ import annotations

from collections.abc import Iterator

from TransferRiskLib.session.desk import Desk, Node
from TransferRiskLib.session.state import CaseRow

_MODIFIED = "ModifiedEvent"


class Watch:
    """Observes what the rows have chosen, as long as they have.

    Args:
        desk: Scene and state.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: tuple[CaseRow, ...] | None = None
        self._observed: list[tuple[Node, int]] = []
        self._stirred = self._still = False

    def settled(self) -> bool:
        """Whether something has changed, and nothing since the last call: an ROI that is dragged tells of
        every step. Asked once a tick."""
        self._follow()
        done, self._still = self._stirred and self._still, True
        self._stirred = self._stirred and not done
        return done

    def again(self) -> None:
        """Nodes came or went: what the rows have chosen may be others."""
        self._rows = None

    def close(self) -> None:
        """Remove all observers."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []

    def _follow(self) -> None:
        rows = self._desk.state.cases
        if rows is self._rows:
            return
        self.close()
        self._rows = rows
        for node, event in self._wanted(rows):
            self._observed.append((node, node.AddObserver(event, self._on_change)))

    def _wanted(self, rows: tuple[CaseRow, ...]) -> Iterator[tuple[Node, object]]:
        for row in rows:
            for identity in {*row.channels.values(), row.segmentation}:
                node = self._desk.node(identity)
                if node is not None:
                    yield node, node.TransformModifiedEvent
            roi = self._desk.node(row.roi)
            if roi is not None:
                yield roi, _MODIFIED
                yield roi, roi.TransformModifiedEvent

    def _on_change(self, *_: object) -> None:
        self._stirred, self._still = True, False
