"""Exceptions and dead processes in words that a user can act on."""

from __future__ import annotations

import signal
import traceback

from TransferRiskLib.errors import LOW_MEMORY_HINT, TransferRiskError, known_error
from TransferRiskLib.jobs.events import Failed

_INSTALL = (
    "Install or repair it on the Environment panel (in Slicer), or with pip in the worker's Python; "
    "the log says what failed."
)
_LAUNCHER, _LAST_LINES = "exit abnormally", 3
_FATAL = "Fatal Python error: "
TOO_OLD = "TransferRisk needs Python 3.10 or later, not "
"""How a Python says that it cannot read the library, its version behind this."""
_REPORT = "Run it again; if it stays so, report it together with the log."


def describe_exception(error: BaseException) -> Failed:
    """The last record of a job that raised `error`."""
    log = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    kind = type(error).__name__
    known = known_error(error)
    if known is not None:
        return Failed(kind, known.message, known.hint, known.file, log)
    if isinstance(error, ImportError):
        missing = getattr(error, "name", None) or "A library"
        return Failed(kind, f"{missing} cannot be imported: {error}.", _INSTALL, None, log)
    if isinstance(error, OSError):
        return Failed(kind, f"{error.strerror or error}.", _REPORT, _file(error), log)
    return Failed(kind, f"The task failed unexpectedly: {error or kind}", _REPORT, None, log)


def describe_import_failure(error: BaseException) -> Failed:
    """The last record of a job whose libraries could not be imported (broken DLLs raise OSError)."""
    if isinstance(error, (ImportError, TransferRiskError)):
        return describe_exception(error)
    log = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Failed(type(error).__name__, f"A library cannot be imported: {error}.", _INSTALL, None, log)


def describe_exit(code: int | None, log_tail: str) -> Failed:
    """The last record of a job whose worker ended without one.

    Args:
        code: As `subprocess.Popen.returncode`: negative for a signal on POSIX, an NTSTATUS on
            Windows; None when it is not known.
        log_tail: The end of what the worker wrote to stderr.
    """
    missing = _missing_module(log_tail) if code == 1 else None  # what an uncaught exception ends with
    if missing:
        message = f"The worker process could not start: {missing} cannot be imported."
        return Failed("WorkerError", message, _INSTALL, None, log_tail)
    last = _last_line(log_tail)
    if code == 1 and last.startswith(TOO_OLD):
        message = f"The worker process could not start: {last}."
        return Failed("WorkerError", message, "Choose another interpreter in the settings.", None, log_tail)
    words, hint = _launched_exit(log_tail) or _exit_in_words(code)
    message = f"The worker process {words} before the job was finished."
    return Failed("WorkerError", message, hint, None, log_tail)


def _exit_in_words(code: int | None) -> tuple[str, str]:
    killed = getattr(signal, "SIGKILL", None)
    if code is None:
        return "ended", _REPORT
    if killed is not None and code in (-killed, 128 + killed):
        hint = f"Often the system does this when memory runs out. {LOW_MEMORY_HINT}"
        return "was killed (SIGKILL)", hint
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed ({name})", _REPORT
    if code == 0xC0000005:
        return "crashed (access violation)", _REPORT
    if code in (0xC0000017, 0xC000012D):
        return "was ended because memory ran out", LOW_MEMORY_HINT
    return f"ended with exit code {code}", _REPORT


def _launched_exit(log_tail: str) -> tuple[str, str] | None:
    """How the Python behind Slicer's launcher died; None where no launcher says that it did.

    CTKAppLauncher ends with the code 1 whatever ended the program that it started, and says "exit
    abnormally" where that was a crash or a signal: the signal itself is lost.
    """
    if not any(_LAUNCHER in line for line in log_tail.splitlines()[-_LAST_LINES:]):
        return None
    fatal = log_tail.rpartition(_FATAL)[2].splitlines()[0] if _FATAL in log_tail else ""
    if fatal:  # faulthandler could still write what it was
        return f"crashed ({fatal.strip()})", _REPORT
    return "was killed or crashed", f"Often the system does this when memory runs out. {LOW_MEMORY_HINT}"


def _missing_module(log_tail: str) -> str | None:
    """The module named by an uncaught ModuleNotFoundError, the last line of a log."""
    last = _last_line(log_tail)
    if last.startswith(("ModuleNotFoundError: No module named ", "ImportError: ")):
        return last.split(": ", 1)[1].removeprefix("No module named ").strip("'\" ")
    return None


def _last_line(log_tail: str) -> str:
    return next((line for line in reversed(log_tail.splitlines()) if line.strip()), "")


def _file(error: OSError) -> str | None:
    return None if error.filename is None else str(error.filename)
