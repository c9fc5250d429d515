"""Ctrl-C asks the work to stop in order; a second one ends it at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether somebody asked to stop; handlers are restored at the end.

    After the first signal the system's own handling is back, so that a second one works even while
    native code is busy.
    """
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        asked.set()
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        sys.stderr.write("\nstopping in order, which can take a while; Ctrl-C again ends it at once\n")
        sys.stderr.flush()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread may set handlers
        return
    before = {each: signal.signal(each, handle) for each in SIGNALS}
    try:
        yield asked.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
