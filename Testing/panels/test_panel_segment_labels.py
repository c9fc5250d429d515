"""The lists that say which label a segment is: made a few at a time, and only what changed is touched."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

ATLAS = {f"id {number}": f"structure {number}" for number in range(104)}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, slicer_stand_ins: Any) -> list[Any]:
    """The lists that are made, in order."""
    from TransferRiskLib.panels import segment_labels

    found: list[Any] = []
    real = segment_labels.qt.QComboBox

    def counted() -> Any:
        found.append(real())
        return found[-1]

    monkeypatch.setattr(segment_labels, "qt", SimpleNamespace(**vars(segment_labels.qt)))
    monkeypatch.setattr(segment_labels.qt, "QComboBox", counted)
    return found


@pytest.fixture
def atlas(made: list[Any], desk: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The window with the case "a", whose segments are `names` and stand for `labels`."""
    names, labels = dict(ATLAS), dict(ATLAS)
    cases = desk.session.cases
    cases.segments = lambda key: dict(names) if key == "a" else {"other": "other"}
    cases.segment_labels = lambda key: dict(labels) if key == "a" else {"other": None}
    cases.label_choices = lambda: ("background", *names.values())
    made.clear()
    desk.session.tell("cases")
    yield SimpleNamespace(**vars(desk), names=names, labels=labels, table=desk.ui.segmentLabelTable)


def lists(desk: SimpleNamespace) -> list[Any]:
    return [desk.table.cellWidget(row, 1) for row in range(desk.table.rowCount)]


def settle(desk: SimpleNamespace) -> None:
    for _ in range(10):
        desk.tick()


def chosen(desk: SimpleNamespace) -> list[str]:
    return [combo.currentText for combo in lists(desk)]


def test_a_hundred_lists_are_made_a_few_a_tick(atlas: SimpleNamespace, made: list[Any]) -> None:
    counts = []
    for _ in range(10):
        before = len(made)
        atlas.tick()
        counts.append(len(made) - before)
    assert max(counts) <= 2 * 24 and sum(counts) >= 102, "two were there"
    assert atlas.table.rowCount == 104 and None not in lists(atlas)
    assert chosen(atlas) == list(ATLAS.values())


def test_what_did_not_change_is_left_alone(atlas: SimpleNamespace, made: list[Any]) -> None:
    settle(atlas)
    before, told = lists(atlas), []
    made.clear()
    for number, combo in enumerate(before):
        combo.currentIndexChanged.connect(lambda _index, n=number: told.append(n))
        combo.blockSignals = lambda on: False  # what is said quietly is heard here
    atlas.session.tell("cases")
    settle(atlas)
    assert told == []
    atlas.labels["id 5"] = None
    atlas.session.tell("cases")
    settle(atlas)
    assert set(told) == {5} and lists(atlas)[5].currentText == "unlabelled"
    assert made == [] and all(was is now for was, now in zip(before, lists(atlas), strict=True))


def test_a_renamed_segment_is_offered_in_all_lists_that_there_are(atlas: SimpleNamespace, made: Any) -> None:
    settle(atlas)
    made.clear()
    atlas.names["id 7"] = "thalamus"
    atlas.session.tell("cases")
    settle(atlas)
    assert made == [] and atlas.table.item(7, 0).text() == "thalamus"
    combo = lists(atlas)[100]
    assert "thalamus" in [combo.itemText(number) for number in range(combo.count)]
    assert [text for number, text in enumerate(chosen(atlas)) if number != 7] == [
        text for number, text in enumerate(ATLAS.values()) if number != 7
    ]


def test_a_list_acts_on_the_segment_that_stands_beside_it(atlas: SimpleNamespace) -> None:
    settle(atlas)
    del atlas.names["id 0"], atlas.labels["id 0"]
    atlas.session.tell("cases")
    settle(atlas)
    atlas.session.calls.clear()
    assert atlas.table.rowCount == 103
    lists(atlas)[0].activated.emit(0)
    atlas.ui.caseTable.selectRow(1)
    settle(atlas)
    assert atlas.table.rowCount == 1 and chosen(atlas) == ["unlabelled"]
    lists(atlas)[0].activated.emit(1)
    asked = [call for call in atlas.session.calls if call[0] == "cases.set_label"]
    assert asked == [
        ("cases.set_label", "a", "id 1", "background"),
        ("cases.set_label", "b", "other", "structure 1"),
    ]
