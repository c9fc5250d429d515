"""Ctrl-C in a real process: the first asks to stop, the second ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

PROGRAM = """
import sys, time, types
from TransferRiskLib.cli.main import main

def demo(request, progress):
    print("working", file=sys.stderr, flush=True)
    while True:
        if {polite}:
            progress.check()
        time.sleep(0.01)

module = types.ModuleType("TransferRiskLib.tasks.demo")
module.demo = demo
sys.modules[module.__name__] = module
sys.exit(main(["demo", "--output", "my out", "--quiet"]))
"""


def started(folder: Path, polite: bool) -> subprocess.Popen[str]:
    """A process in the middle of its task; a polite task asks whether it should stop."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{polite}", str(polite))],
        cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "working\n"
    return process


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("adapt m -o out --restart", "to resume, run the same command again: transferrisk adapt m -o out"),
        ("segment m -o out", "nothing can be resumed; to begin anew: transferrisk segment m -o out"),
    ],
)
def test_what_is_said_after_a_stop_is_what_would_happen(given: str, said: str) -> None:
    from TransferRiskLib.cli.main import _after_stop

    words = given.split()
    assert _after_stop(words[0], words) == f"stopped; {said}", "--restart would begin anew"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_and_says_how_to_resume(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, polite=True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "stopped; to resume, run the same command again: transferrisk demo --output 'my out' --quiet"
    )


def test_a_second_ctrl_c_ends_a_task_that_does_not_listen(tmp_path: Path) -> None:
    process = started(tmp_path, polite=False)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    lines = [process.stderr.readline(), process.stderr.readline()]
    assert "Ctrl-C again" in lines[1]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT


def test_handlers_are_restored() -> None:
    from TransferRiskLib.cli.interrupts import SIGNALS, stop_on_signals

    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals() as is_cancelled:
        assert [signal.getsignal(number) for number in SIGNALS] != before
        signal.raise_signal(signal.SIGINT)
        assert is_cancelled()
    assert [signal.getsignal(number) for number in SIGNALS] == before
