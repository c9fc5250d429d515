"""Progress on the console, with a clock and a stream of the test's own."""

from __future__ import annotations

import io

import pytest

from TransferRiskLib.cli.console import ConsoleProgress, duration, remaining
from TransferRiskLib.cli.tables import table
from TransferRiskLib.errors import Cancelled


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(stream: io.StringIO) -> str:
    """What is on the last line of a terminal."""
    return stream.getvalue().split("\n")[-1].split("\r")[-1].rstrip()


def test_bar_shows_share_remaining_time_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream, clock = io.StringIO(), Clock()
    progress = ConsoleProgress(stream, interactive=True, clock=clock)
    progress.stage("Training", 40)
    clock.now += 30
    progress.step(10, "fold 1")
    clock.now += 1
    progress.metrics(10, {"loss": 0.25, "validation_dice": 0.5})
    expected = (
        "Training  [#####...............]  10/40  1 min 33 s left  loss 0.25  validation dice 0.5  fold 1"
    )
    assert drawn(stream) == expected


def test_bar_never_exceeds_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = io.StringIO()
    ConsoleProgress(stream, interactive=True).stage("A stage with a very long name", 4)
    assert len(drawn(stream)) <= 19


def test_messages_stand_above_the_bar() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(stream, interactive=True, clock=Clock())
    progress.stage("Predicting", 2)
    progress.message("smaller batch", "warning")
    lines = [line.split("\r")[-1] for line in stream.getvalue().split("\n")]
    assert lines[0] == "warning: smaller batch"
    assert lines[1].startswith("Predicting")


def test_plain_lines_where_nobody_watches() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = ConsoleProgress(stream, interactive=False, clock=clock)
    progress.stage("Training", 100)
    for _ in range(30):
        clock.now += 1
        progress.step()
    clock.now += 0.4
    progress.stage("Saving")
    progress.close()
    assert stream.getvalue().splitlines() == [
        "Training: 100 steps",
        "Training  10%  10/100  1 min 30 s left",
        "Training  20%  20/100  1 min 20 s left",
        "Training  30%  30/100  1 min 10 s left",
        "Training: 30 s",
        "Saving ...",
        "Saving: 0 s",
    ]


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(stream)
    progress.stage("Training", 2)
    progress.step(2)
    assert "\r" not in stream.getvalue()


def test_check_raises_once_cancelled() -> None:
    asked = False
    progress = ConsoleProgress(io.StringIO(), is_cancelled=lambda: asked)
    progress.check()
    asked = True
    with pytest.raises(Cancelled):
        progress.check()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3725, "1 h 02 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_remaining_time_is_unknown_before_the_first_step() -> None:
    assert remaining(0, 10, 5.0) is None
    assert remaining(3, None, 5.0) is None
    assert remaining(4, 10, 8.0) == 12.0
    assert remaining(12, 10, 8.0) == 0.0


def test_tables_line_up() -> None:
    assert table(["a", "number"], [["long name", 0.5], ["b", float("nan")]]) == [
        "a          number",
        "long name   0.500",
        "b             nan",
    ]
