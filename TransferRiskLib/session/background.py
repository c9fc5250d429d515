"""Work beside the GUI thread: within a job's steps, or waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_SECONDS = 0.02


def in_background(work: Callable[[], T]) -> Generator[str, None, T]:
    """Run something that takes its time, while the steps of a job go on empty.

    The thread may touch no node and no state. It is worth its while for what releases the interpreter,
    as SimpleITK and numpy do.

    Args:
        work: What to run.

    Returns:
        Its result; what it raised is raised here. Yields empty texts while it runs.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # handed to the thread that asked
            failed.append(error)

    thread = threading.Thread(target=run, name="session-files", daemon=True)
    thread.start()
    while True:
        # A short wait: small files do not lose a tick, and the thread gets the interpreter.
        thread.join(_PATIENCE_SECONDS)
        if not thread.is_alive():
            break
        yield ""
    if failed:
        raise failed[0]
    return done[0]


def waited_for(work: Callable[[], T], breathe: Callable[[], object]) -> T:
    """Run something that takes its time where the caller cannot be left before it has ended.

    Args:
        work: As in `in_background`.
        breathe: Called again and again meanwhile; lets the application go on.

    Returns:
        Its result; what it raised is raised here.
    """
    steps = in_background(work)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        breathe()
