"""The child process: JSON lines in, tasks run one after the other, JSON lines out.

`python -m TransferRiskLib.jobs.worker` imports neither Slicer nor, until a task needs them, the
heavy libraries. It ends when its standard input closes, on `shutdown`, or after an idle time.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import NoReturn, TextIO

from TransferRiskLib.errors import Cancelled, SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.commands import Cancel, Command, Job, Release, Shutdown, decode_command
from TransferRiskLib.jobs.events import Body, Event, encode_event
from TransferRiskLib.jobs.failures import describe_exception, describe_import_failure
from TransferRiskLib.jobs.lines import LineSplitter
from TransferRiskLib.jobs.registry import TASKS, TaskEntry, find_task
from TransferRiskLib.jobs.reporting import EventProgress
from TransferRiskLib.records import from_json, to_json

ORPHAN_SECONDS = 30.0
"""How long a cancelled job may tidy up after the worker's input closed."""


class EventStream:
    """Writes events to the worker's real standard output, whole lines from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, identity: str | None, body: Body) -> None:
        """Write one event.

        Raises:
            SettingsError, TypeError, ValueError: a result that has no JSON form, or too much of it;
                nothing was written then.
        """
        line = encode_event(Event(identity, body))
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]


class Worker:
    """Runs jobs one after the other on the main thread while another thread reads commands."""

    def __init__(self, stream: EventStream, commands: int, registry: Mapping[str, TaskEntry]) -> None:
        self._stream = stream
        self._input = commands
        self._registry = registry
        self._waiting: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._cancels: dict[str, threading.Event] = {}

    def run(self, idle_seconds: float | None) -> None:
        """Work until input closes, `shutdown` comes, or nothing came for `idle_seconds`."""
        self._stream.send(None, events.Started(os.getpid(), versions()))
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        while True:
            try:
                command = self._waiting.get(timeout=idle_seconds)
            except queue.Empty:
                return
            if isinstance(command, Shutdown):
                return
            if isinstance(command, Release):
                self._stream.send(None, events.Released(release_memory()))
            elif isinstance(command, Job):
                self._run_job(command)

    def _read(self) -> None:
        splitter = LineSplitter()
        try:
            while chunk := os.read(self._input, 65536):
                for line in splitter.feed(chunk):
                    if line.strip():
                        self._accept(line)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Nobody listens any more: a job that went on would only hold the GPU."""
        for cancel in list(self._cancels.values()):
            cancel.set()
        self._waiting.put(Shutdown())
        timer = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
        timer.daemon = True
        timer.start()

    def _accept(self, line: bytes) -> None:
        try:
            command = decode_command(line)
        except SettingsError as error:
            self._stream.send(None, events.Message(str(error), "error"))
            return
        if isinstance(command, Cancel):
            if command.id in self._cancels:
                self._cancels[command.id].set()
            return
        if isinstance(command, Job):
            if command.id in self._cancels:
                problem = f"There is a job {command.id!r} already; this one is left out."
                self._stream.send(None, events.Message(problem, "error"))
                return
            self._cancels[command.id] = threading.Event()
        self._waiting.put(command)

    def _run_job(self, job: Job) -> None:
        self._stream.send(job.id, events.Started(os.getpid(), versions()))
        last = self._outcome(job)
        del self._cancels[job.id]
        try:
            self._stream.send(job.id, last)
        except (SettingsError, TypeError, ValueError) as error:
            self._stream.send(job.id, describe_exception(error))

    def _outcome(self, job: Job) -> Body:
        cancel = self._cancels[job.id]
        progress = EventProgress(lambda body: self._stream.send(job.id, body), cancel.is_set)
        try:
            entry = find_task(self._registry, job.task)
            progress.check()
            try:
                request_type, function = entry.request_type(), entry.load()
            except Exception as error:
                return describe_import_failure(error)
            progress.check()
            result = function(from_json(request_type, job.request, "request"), progress)
            return events.Done(to_json(result))
        except (Cancelled, KeyboardInterrupt) as error:
            return events.JobCancelled(str(error) or "The work was cancelled.")
        except BaseException as error:  # SystemExit of a library must not end a warm worker silently
            return describe_exception(error)
        finally:
            progress.flush()


def release_memory() -> int:
    """Give cached GPU memory back; the bytes that the allocator still holds.

    The driver's own context stays until the process ends.
    """
    import gc

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        return int(torch.cuda.memory_reserved())
    if hasattr(torch, "mps") and torch.backends.mps.is_available():
        torch.mps.empty_cache()
    return 0


def versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that results depend on; None where absent."""
    found: dict[str, str | None] = {"python": sys.version.split()[0]}
    for package in ("torch", "monai", "numpy", "SimpleITK"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def main(argv: Sequence[str] | None = None, registry: Mapping[str, TaskEntry] = TASKS) -> int:
    """Run a worker on standard input and output.

    Args:
        argv: Command line without the program's name.
        registry: The tasks it knows.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle-seconds", type=float, help="end after this time without a job")
    options = parser.parse_args(argv)
    commands, stream = _claim_standard_streams()
    faulthandler.enable()  # a crash inside a C library leaves its stack in the log
    try:
        Worker(stream, commands, registry).run(options.idle_seconds)
    except (BrokenPipeError, ConnectionResetError):
        return 1
    return 0


def _claim_standard_streams() -> tuple[int, EventStream]:
    """Private copies of input and output; what libraries print goes to the log from here on.

    The file descriptors themselves are redirected, so prints of C libraries and of child processes
    cannot land between the events either.
    """
    commands, output = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="replace", closefd=False)
    sys.stdout = _log_stream(1)
    sys.stderr = _log_stream(2)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (commands, output):  # text mode would change line ends
            msvcrt.setmode(descriptor, os.O_BINARY)
    return commands, EventStream(output)


def _log_stream(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def run() -> NoReturn:
    """Run a worker and end the process with it."""
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that libraries left behind must not keep the process


if __name__ == "__main__":
    run()
