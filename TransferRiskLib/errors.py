"""Errors that say what is wrong, with which file, and what to do about it."""

from __future__ import annotations

import errno
from os import PathLike

LOW_MEMORY_HINT = "Close other programs, choose a smaller patch or fewer cases, or use another device."
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "seems to be oom",
    "not enough memory",
    "status_alloc_failed",
)
_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class TransferRiskError(Exception):
    """Base of every error that this library raises on purpose.

    Args:
        message: What is wrong, one sentence.
        file: The file or folder it is about.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, file: str | PathLike[str] | None = None, hint: str | None = None
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message if self.file is None else f"{self.file}: {self.message}"]
        if self.hint:
            parts.append(self.hint)
        return " ".join(parts)

    def __reduce__(self):  # keyword-only arguments would be lost by the default pickling
        return (_rebuild, (type(self), self.message, self.file, self.hint))


def _rebuild(kind: type[TransferRiskError], message: str, file: str | None, hint: str | None):
    return kind(message, file=file, hint=hint)


class SettingsError(TransferRiskError):
    """A request or an option that makes no sense."""

    exit_code = 2


class ImageError(TransferRiskError):
    """An image file that cannot be read or used: truncated, 2-D, NaN, constant."""

    exit_code = 3


class GeometryError(ImageError):
    """Images that should share a grid do not, or a grid that is degenerate."""


class LabelError(TransferRiskError):
    """Labels that the scheme does not know, or an empty or contradictory annotation."""

    exit_code = 4


class CaseError(TransferRiskError):
    """A case or cohort that is incomplete: missing channel, missing file, no cases."""

    exit_code = 5


class ModelError(TransferRiskError):
    """A model file that cannot be used: missing parts, weights that do not fit, wrong channels."""

    exit_code = 6


class UntrustedModelError(ModelError):
    """A model file that asks to run code of its own; it is refused."""


class DeviceError(TransferRiskError):
    """The requested device is not there or gave up."""

    exit_code = 7


class StorageError(TransferRiskError):
    """The output folder cannot be written: no space, no permission."""

    exit_code = 8


class DivergedError(TransferRiskError):
    """Training kept producing not-a-number losses after every rescue."""

    exit_code = 9


class Cancelled(TransferRiskError):
    """The user stopped the work; what was saved can be resumed."""

    exit_code = 130


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what caused it, says that a device or the computer lacks memory.

    Apple's mps and the CPU have no exception class of their own: their RuntimeErrors are told by
    their words.
    """
    seen: BaseException | None = error
    while seen is not None:
        # torch's own class by its name: this module goes without torch
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, RuntimeError) and any(sign in str(seen).lower() for sign in _NO_MEMORY):
            return True
        seen = seen.__cause__
    return False


def known_error(error: BaseException) -> TransferRiskError | None:
    """A typed error for one that Python, torch or the system raised and that any work can end in: no
    memory, no space. None for any other; a typed error is its own."""
    if isinstance(error, TransferRiskError):
        return error
    if is_out_of_memory(error):
        return DeviceError("There was not enough memory.", hint=LOW_MEMORY_HINT)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return StorageError(
            "The disk is full.",
            file=error.filename,
            hint="Free some space or choose another output folder.",
        )
    return None
