"""Claims on pieces of work, so that processes on one folder never do the same piece at once.

A claim is a file that exists as long as somebody works: it is made exclusively, and a thread renews
its time. A claim whose process is gone, or that nobody has renewed for long, is taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from TransferRiskLib.discarding import is_alive

RENEW_SECONDS = 15.0
STALE_SECONDS = 300.0
"""A claim that old belongs to a machine that is gone: many renewals were missed."""


class Claims:
    """Claims in one folder.

    Args:
        folder: Where the files lie, on a disk that all processes share.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Yield whether the claim is ours; it is given back when the block ends.

        Example:
            >>> with Claims(folder).claimed("cell") as ours:  # doctest: +SKIP
            ...     if ours:
            ...         work()
        """
        token = uuid.uuid4().hex
        file = self.folder / f"{name}.claim"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not _made(file, token) and not _taken_over(file, token):
            yield False
            return
        done = threading.Event()
        renewing = threading.Thread(target=_renew, args=(file, done), daemon=True)
        renewing.start()
        try:
            yield True
        finally:
            done.set()
            renewing.join()
            if _token(file) == token:
                file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def waiting(self, name: str, check: Callable[[], None], seconds: float = 0.2) -> Iterator[None]:
        """The claim, as soon as nobody else has it; `check` may raise to give up."""
        while True:
            with self.claimed(name) as ours:
                if ours:
                    yield
                    return
            check()
            time.sleep(seconds)

    def taken(self, name: str) -> bool:
        """Whether somebody works on it now."""
        file = self.folder / f"{name}.claim"
        return file.exists() and not _stale(file)


def _made(file: Path, token: str) -> bool:
    """Whether the file could be made; its content is there from the first moment."""
    scratch = file.with_name(f".{file.name}-{token}")
    scratch.write_text(
        json.dumps({"token": token, "pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8"
    )
    try:
        os.link(scratch, file)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        return _made_exclusively(file, scratch)
    finally:
        scratch.unlink(missing_ok=True)
    return True


def _made_exclusively(file: Path, scratch: Path) -> bool:
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(scratch.read_text(encoding="utf-8"))
    except FileExistsError:
        return False
    return True


def _taken_over(file: Path, token: str) -> bool:
    """Whether a stale claim is ours now. Who takes over holds a second claim meanwhile: otherwise one
    process could remove what another has just made in place of the stale one."""
    if not _stale(file):
        return False
    guard = file.with_name(f"{file.name}.takeover")
    if not _made(guard, token):
        if _stale(guard):  # its process died within the few milliseconds of a takeover
            guard.unlink(missing_ok=True)
        return False
    try:
        if not _stale(file):
            return False
        file.unlink(missing_ok=True)
        return _made(file, token)
    finally:
        guard.unlink(missing_ok=True)


def _stale(file: Path) -> bool:
    try:
        age = time.time() - file.stat().st_mtime
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False  # given back a moment ago
    except ValueError:
        return age > STALE_SECONDS  # being written, or its process died doing so
    if age > STALE_SECONDS:
        return True
    return content.get("host") == socket.gethostname() and not is_alive(int(content.get("pid", 0)))


def _renew(file: Path, done: threading.Event) -> None:
    while not done.wait(RENEW_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(file)


def _token(file: Path) -> str | None:
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("token"))
    except (OSError, ValueError):
        return None
