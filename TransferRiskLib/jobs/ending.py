"""Workers that go: ended beside whoever lets go of them, and over before this process ends."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable

from TransferRiskLib.discarding import wait_for_removals

_NAME = "transferrisk-ending"
"""Of the threads. They are found by it, for a reload of the module in Slicer imports this file anew while
threads of the old one may still be at work."""
_PATIENCE_SECONDS = 0.05
_AT_EXIT_SECONDS = 5.0


def end_beside(work: Callable[[], object]) -> None:
    """Do what ends a worker in a thread: a busy one takes its second or two. Most of them are idle and gone
    within the moment for which this waits.

    Args:
        work: Bounded in time; touches no node and no state.
    """
    thread = threading.Thread(target=work, name=_NAME, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)


def is_ending() -> bool:
    """Whether a worker that was let go is still there."""
    return bool(_threads())


def wait_for_endings(seconds: float) -> bool:
    """Wait, at most so long, until no worker that was let go is there; whether that is so."""
    end = time.monotonic() + seconds
    for thread in _threads():
        thread.join(max(0.0, end - time.monotonic()))
    return not is_ending()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == _NAME]


def _at_exit() -> None:
    wait_for_endings(_AT_EXIT_SECONDS)
    wait_for_removals(_AT_EXIT_SECONDS)  # of their files, whichever of the two is asked first


atexit.register(_at_exit)
