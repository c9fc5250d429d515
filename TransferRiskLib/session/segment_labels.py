"""What the segments of a row stand for, by segment ID: a segment that is renamed keeps its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from TransferRiskLib.cases.labels import BACKGROUND, Label
from TransferRiskLib.mrml import annotation
from TransferRiskLib.session.desk import Desk, Node
from TransferRiskLib.session.state import CaseRow

Meanings = Mapping[str, str | None]
Meaning = tuple[str, Label, str | None]


def meanings(desk: Desk, row: CaseRow) -> tuple[Meaning, ...]:
    """The segments of a row: ID, what it is called and looks like, and the label that it stands for.

    A segment of which nobody said anything is the label of its own name; None counts nowhere.
    """
    node = desk.node(row.segmentation)
    if node is None:
        return ()
    return desk.once(("meanings", row.key, row.segmentation), lambda: meanings_in(node, row))


def meanings_in(node: Node, row: CaseRow) -> tuple[Meaning, ...]:
    """As `meanings`, where the row's segmentation is at hand."""
    segments = annotation.segments_by_id(node).items()
    return tuple((i, segment, row.labels.get(i, segment.name)) for i, segment in segments)


def label_segments(desk: Desk, row: CaseRow) -> frozenset[str]:
    """IDs of the segments of a row that stand for a label: neither background nor unlabelled."""
    found = meanings(desk, row)
    return frozenset(
        i for i, _segment, label in found if label is not None and label.casefold() != BACKGROUND
    )


def is_annotated(desk: Desk, row: CaseRow) -> bool:
    """Whether anything is drawn in a segment of a row that stands for a label."""
    node = desk.node(row.segmentation)
    if node is None:
        return False
    key = ("annotated", row.key, row.segmentation)
    return desk.once(key, lambda: annotation.holds_any(node, label_segments(desk, row)))


def carried(labels: Meanings, before: Node | None, after: Node | None) -> dict[str, str | None]:
    """What was said of the segments of one segmentation, for another one: it goes to the segments of the
    same names. An ID such as "Segment_1" would tell nothing, many segmentations have it.

    Args:
        labels: By ID of a segment of `before`, or by name where that is None.
        before, after: Segmentation nodes; None for no segmentation.

    Returns:
        By ID of a segment of `after`, or by name where that is None.
    """
    named = dict(labels)
    if before is not None:
        segments = annotation.segments_by_id(before)
        named = {segments[i].name: label for i, label in labels.items() if i in segments}
    return by_id(named, after) if after is not None else named


def by_id(named: Meanings, node: Node) -> dict[str, str | None]:
    """What was said of segments by name, by their IDs in a segmentation."""
    segments = annotation.segments_by_id(node)
    return {i: named[segment.name] for i, segment in segments.items() if segment.name in named}


def read_row(row: CaseRow, node: Node | None, named: bool) -> CaseRow:
    """A row as a scene had it, with what is said of segments that are there.

    Older versions of Slicer give the ID of a segment that was removed to the next one that is made after
    the scene was opened anew: what was said of the one must not hold for the other.

    Args:
        row: The row.
        node: Its segmentation, or None. One without segments could not be read, say: nothing of the row is
            dropped then.
        named: Whether the scene is from a version that went by the segments' names.
    """
    there = annotation.segments_by_id(node) if node is not None else {}
    if node is None or not there:
        return row
    known = {i: label for i, label in row.labels.items() if i in there}
    return replace(row, labels=by_id(row.labels, node) if named else known)
