"""A worker process with threads at its pipes, so that nobody ever waits for it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.commands import Command, encode_command
from TransferRiskLib.jobs.events import Event, Message, Started, decode_event
from TransferRiskLib.jobs.lines import LineSplitter, Tail

_CHUNK = 65536
_SHOWN = 2000
_DRAIN_SECONDS = 1.0


class WorkerProcess:
    """A running worker: commands go in, events come out of `events`, the log's tail is kept.

    Args:
        command: Program and arguments.
        environment: Of the process.

    Raises:
        SettingsError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=dict(environment),
                **_own_group(),
            )
        except OSError as error:
            raise SettingsError(
                f"The worker's Python cannot be started ({error.strerror or error}).",
                file=command[0],
                hint="Choose another interpreter in the settings.",
            ) from error
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.log = Tail()
        self.pid: int | None = None
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended_at: float | None = None
        self._stdout = self._thread(self._read_events)
        self._stderr = self._thread(self._read_log)
        self._thread(self._write)

    @property
    def exit_code(self) -> int | None:
        """As `Popen.returncode`; None while it runs."""
        return self._process.poll()

    @property
    def ended(self) -> bool:
        """Whether the process ended and all it said has been read.

        A grandchild can hold the pipes open: what has not come a second after the end is given up.
        """
        if self._process.poll() is None:
            return False
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        if not (self._stdout.is_alive() or self._stderr.is_alive()):
            return True
        return time.monotonic() - self._ended_at > _DRAIN_SECONDS

    def send(self, command: Command) -> None:
        """Hand over a command without waiting for the worker to read it."""
        self._outgoing.put(encode_command(command))

    def close_input(self) -> None:
        """Tell the worker to stop its jobs and end."""
        self._outgoing.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def end_tree(self) -> None:
        """End the process and all its children at once.

        A launcher stands between us and the real Python in Slicer, so both its group and the process
        that the worker itself reported are ended.
        """
        known = {self._process.pid, self.pid or self._process.pid}
        if sys.platform == "win32":
            for pid in known:
                with contextlib.suppress(OSError):
                    subprocess.Popen(
                        ["taskkill", "/F", "/T", "/PID", str(pid)],
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        creationflags=subprocess.CREATE_NO_WINDOW,
                    )
            return
        for pid in known:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                # The leader of our own making keeps its group's number even after it ended. Any other
                # process must be of our session: within a container a worker reports a number that out
                # here is somebody else's, and numbers are given again.
                if pid == self._process.pid:
                    os.killpg(pid, signal.SIGKILL)
                elif os.getsid(pid) == self._process.pid:
                    os.killpg(os.getpgid(pid), signal.SIGKILL)

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"worker-{target.__name__}", daemon=True)
        thread.start()
        return thread

    def _read_events(self) -> None:
        splitter = LineSplitter()
        while chunk := self._read(self._process.stdout):
            for line in splitter.feed(chunk):
                self._take(line)
        self._take(splitter.rest())
        self._close(self._process.stdout)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            event = decode_event(line)
        except SettingsError:
            # Anything else on the protocol's pipe was printed by mistake: it belongs to the log.
            text = line[:_SHOWN].decode("utf-8", errors="replace")
            event = Event(None, Message(text, "warning"))
        if isinstance(event.body, Started):
            self.pid = event.body.pid
        self.events.put(event)

    def _read_log(self) -> None:
        while chunk := self._read(self._process.stderr):
            self.log.feed(chunk)
        self._close(self._process.stderr)

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # the worker is gone; its end is noticed elsewhere
            while (line := self._outgoing.get()) is not None:
                view = memoryview(line)
                while view:
                    view = view[stdin.write(view) :]
        self._close(stdin)

    @staticmethod
    def _read(pipe: IO[bytes] | None) -> bytes:
        assert pipe is not None  # all three were asked for
        try:
            return os.read(pipe.fileno(), _CHUNK)
        except OSError:
            return b""

    @staticmethod
    def _close(pipe: IO[bytes] | None) -> None:
        with contextlib.suppress(OSError):  # closing flushes, and the other end may be gone
            if pipe is not None:
                pipe.close()


def _own_group() -> dict[str, Any]:
    """A group of its own: ended as a whole, and a Ctrl-C in the terminal does not reach it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
