"""Progress on a terminal: a bar with the remaining time, or plain lines where nobody watches."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from TransferRiskLib.progress import Progress

REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0


class ConsoleProgress(Progress):
    """Progress written to a text stream, normally stderr.

    Args:
        stream: Where to write.
        quiet: Only warnings and errors.
        is_cancelled: Asked by `check`.
        interactive: Draw a bar in place; by default where the stream is a terminal that can.
        clock: Seconds; replaced in tests.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        is_cancelled: Callable[[], bool] = lambda: False,
        interactive: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(is_cancelled)
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = stream
        self._quiet = quiet
        self._interactive = terminal if interactive is None else interactive
        self._clock = clock
        self._stage = ""
        self._total: int | None = None
        self._done = 0
        self._note = ""
        self._numbers = ""
        self._started = clock()
        self._drawn = float("-inf")
        self._width = 0

    def stage(self, name: str, total: int | None = None) -> None:
        self.close()
        self._stage, self._total, self._done = name, total, 0
        self._note = self._numbers = ""
        self._started = self._drawn = self._clock()
        if self._interactive:
            self._draw()
        else:
            self._line(f"{name}: {total} steps" if total else f"{name} ...")

    def step(self, advance: int = 1, message: str = "") -> None:
        self._done += advance
        self._note = message or self._note
        self._refresh()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._numbers = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        self._refresh()

    def message(self, text: str, level: str = "info") -> None:
        if self._quiet and level == "info":
            return
        self._wipe()
        prefix = "" if level == "info" else f"{level}: "
        self._stream.write(f"{prefix}{text}\n")
        self._stream.flush()
        if self._interactive and self._stage:
            self._draw()

    def artifact(self, path: Path, kind: str) -> None:
        self.message(f"{kind}: {path}")

    def close(self) -> None:
        """End the current stage, leaving one line that says how long it took."""
        if not self._stage:
            return
        self._wipe()
        took = f"{self._stage}: {duration(self._clock() - self._started)}"
        self._stage = ""
        self._line(took)

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._drawn < (REDRAW_SECONDS if self._interactive else LINE_SECONDS):
            return
        self._drawn = now
        if self._interactive:
            self._draw()
        else:
            self._line(self._text())

    def _text(self) -> str:
        bar = ""
        count = f"{self._done}" if self._done else ""
        if self._total:
            share = min(1.0, self._done / self._total)
            filled = round(20 * share)
            bar = f"[{'#' * filled}{'.' * (20 - filled)}]" if self._interactive else f"{share:.0%}"
            count = f"{self._done}/{self._total}"
        left = remaining(self._done, self._total, self._clock() - self._started)
        parts = [self._stage, bar, count, f"{duration(left)} left" if left is not None else ""]
        return "  ".join(part for part in [*parts, self._numbers, self._note] if part)

    def _draw(self) -> None:
        if self._quiet:
            return
        text = self._text()[: shutil.get_terminal_size().columns - 1]
        # Padding instead of an escape sequence: old Windows consoles know none.
        self._stream.write("\r" + text.ljust(self._width))
        self._width = len(text)
        self._stream.flush()

    def _wipe(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0

    def _line(self, text: str) -> None:
        if not self._quiet:
            self._stream.write(text + "\n")
            self._stream.flush()


def remaining(done: int, total: int | None, elapsed: float) -> float | None:
    """Seconds left at the pace so far, None when that cannot be known."""
    if not total or done <= 0:
        return None
    return elapsed / done * max(0, total - done)


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(3725)
        '1 h 02 min'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
