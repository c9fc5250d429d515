from __future__ import annotations

import dataclasses
import importlib.util
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from TransferRiskLib.errors import Cancelled, SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.commands import Cancel, Job, Release, Shutdown, decode_command, encode_command
from TransferRiskLib.jobs.events import Event, decode_event, encode_event
from TransferRiskLib.jobs.failures import describe_exception, describe_exit, describe_import_failure
from TransferRiskLib.jobs.lines import LineSplitter, Tail
from TransferRiskLib.jobs.registry import TASKS
from TransferRiskLib.jobs.reporting import EventProgress

EVENTS = [
    Event(None, events.Started(12, {"torch": None, "python": "3.12"})),
    Event("1", events.Stage("Training", None)),
    Event("1", events.Step(3, "grüße")),
    Event("1", events.Metrics(4, {"loss": 0.5, "dice": None})),
    Event("1", events.Message("line\nbreak", "warning")),
    Event("1", events.Artifact("a b.png", "figure")),
    Event("1", events.Stopping()),
    Event(None, events.Released(12)),
    Event("1", events.Done({"a": [1, None]})),
    Event("1", events.JobCancelled("so")),
    Event("1", events.Failed("ImageError", "bad", None, "a.nrrd", "trace")),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_events_survive_the_line(event):
    line = encode_event(event)
    assert line.count(b"\n") == 1 and line.isascii()
    assert decode_event(line) == event


def test_every_kind_of_event_is_covered_and_three_of_them_are_last():
    assert {type(event.body) for event in EVENTS} == set(typing.get_args(events.Body))
    assert {event.kind for event in EVENTS if event.is_last} == {"done", "cancelled", "error"}


@pytest.mark.parametrize("command", [Job("1", "map", {"a": "ü"}), Cancel("1"), Release(), Shutdown()])
def test_commands_survive_the_line(command):
    assert decode_command(encode_command(command)) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"version": 2, "command": "release"}',
        b'{"version": 1}',
        b'{"version": 1, "id": "1"}',
        b'{"version": 1, "id": 1, "task": "map"}',
        b'{"version": 1, "id": "1", "command": "dance"}',
        b"[" * 100000,
    ],
)
def test_what_is_no_record_is_refused(line):
    with pytest.raises(SettingsError):
        decode_command(line)
    with pytest.raises(SettingsError):
        decode_event(line)


@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b and b"\r" not in b)), st.data())
def test_lines_do_not_depend_on_how_they_are_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    splitter, found = LineSplitter(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == lines
    assert splitter.rest() == b"rest"


def test_a_line_without_an_end_does_not_grow_for_ever():
    splitter = LineSplitter(longest=10)
    assert splitter.feed(b"x" * 8) == []
    assert splitter.feed(b"x" * 8) == [b"x" * 16]
    assert splitter.feed(b"a\r\n") == [b"a"]


def test_the_tail_keeps_the_end():
    tail = Tail(limit=10)
    tail.feed(b"0123456789")
    tail.feed(b"ab\nc\xff")
    assert tail.text() == "56789ab\nc\ufffd"
    assert tail.text(1) == "c\ufffd"


def test_steps_are_sent_before_what_follows_them():
    sent = []
    progress = EventProgress(sent.append, lambda: True)
    for _ in range(5):
        progress.step()
    progress.stage("Next", 3)
    assert sum(body.advance for body in sent[:-1]) == 5
    assert sent[-1] == events.Stage("Next", 3)
    for _ in range(2):
        with pytest.raises(Cancelled):
            progress.check()
    assert sent.count(events.Stopping()) == 1


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (MemoryError(), "enough memory", "smaller patch"),
        (OSError(28, "No space left on device", "/out/a"), "disk is full", "Free some space"),
        (PermissionError(13, "Permission denied", "/out/a"), "Permission denied", "log"),
        (ImportError("libcudart.so.12: cannot open", name="torch"), "torch cannot be imported", "Install"),
    ],
)
def test_exceptions_become_words(error, message, hint):
    failed = describe_exception(error)
    assert message in failed.message and hint in failed.hint
    assert failed.type == type(error).__name__


def test_a_broken_library_is_told_from_a_broken_file():
    failed = describe_import_failure(OSError(126, "DLL load failed"))
    assert "cannot be imported" in failed.message and "Install" in failed.hint


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed (SIGKILL)"), (137, "killed (SIGKILL)"), (-11, "crashed (SIGSEGV)"), (3, "exit code 3"),
        (0xC0000005, "access violation"), (0xC0000017, "memory ran out"), (None, "worker process ended"),
    ],
)  # fmt: skip
def test_exit_codes_become_words(code, words):
    assert words in describe_exit(code, "log").message


def test_every_task_has_its_request_and_its_function():
    for name, entry in TASKS.items():
        assert dataclasses.is_dataclass(entry.request_type()), name
        module, function = entry.function.split(":")
        spec = importlib.util.find_spec(module)  # not imported: that would bring in torch
        assert spec is not None and spec.origin is not None, module
        assert f"\ndef {function}(" in Path(spec.origin).read_text(encoding="utf-8"), entry.function
