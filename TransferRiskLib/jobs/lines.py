"""Chunks of bytes to whole lines, and the bounded tail of a long log."""

from __future__ import annotations

import threading

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes after which a line without an end is handed out as it is."""


class LineSplitter:
    """Collects chunks and gives back the lines that are complete.

    Example:
        >>> splitter = LineSplitter()
        >>> splitter.feed(b"one\\ntw"), splitter.feed(b"o\\n"), splitter.rest()
        ([b'one'], [b'two'], b'')
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._longest = longest

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completed, without their line ends."""
        *ends, start = chunk.split(b"\n")
        lines = []
        for end in ends:
            lines.append(b"".join([*self._parts, end]).rstrip(b"\r"))
            self._parts, self._size = [], 0
        if start:
            self._parts.append(start)
            self._size += len(start)
        if self._size > self._longest:
            lines.append(self.rest())
        return lines

    def rest(self) -> bytes:
        """What came after the last line end; the splitter is empty afterwards."""
        rest = b"".join(self._parts)
        self._parts, self._size = [], 0
        return rest


class Tail:
    """The last bytes of a log, safe to write and read from two threads."""

    def __init__(self, limit: int = 64 * 1024) -> None:
        self._bytes = bytearray()
        self._limit = limit
        self._lock = threading.Lock()

    def feed(self, chunk: bytes) -> None:
        """Append `chunk` and forget what is older than the limit."""
        with self._lock:
            self._bytes += chunk
            del self._bytes[: -self._limit]

    def text(self, lines: int | None = None) -> str:
        """The kept text, or its last `lines`; bytes that are not UTF-8 are replaced."""
        with self._lock:
            text = bytes(self._bytes).decode("utf-8", errors="replace")
        if lines is None:
            return text
        return "\n".join(text.splitlines()[-lines:])
