"""Files appear whole or not at all: write beside, then replace."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import StorageError

_MASK = threading.Lock()


@contextlib.contextmanager
def atomic_path(target: Path, make_folder: bool = True) -> Iterator[Path]:
    """Yield a scratch path beside `target` that replaces it when the block ends without error.

    The scratch file keeps the target's name behind its random prefix, so that writers which choose
    a format by file ending (SimpleITK) see the right one. A block that fails leaves nothing behind.

    Args:
        target: The file.
        make_folder: Make its folder where that is missing.

    Raises:
        StorageError: no space or no permission, or no folder.
    """
    target = Path(target)
    scratch: Path | None = None
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix="-" + target.name, dir=target.parent)
        os.close(handle)
        scratch = Path(name)
        yield scratch
        os.chmod(scratch, 0o666 & ~_umask())  # scratch files are private, results are not
        os.replace(scratch, target)
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's errors while something is written below `target` into a StorageError."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, target) from error


def made_folder(folder: Path) -> Path:
    """The folder, made with its parents where it is missing.

    Raises:
        StorageError: it cannot be made, or a file has its name.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Like `atomic_path` for a folder: an older `target` is replaced as a whole."""
    target = Path(target)
    scratch: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", suffix="-" + target.name, dir=target.parent))
        yield scratch
        os.chmod(scratch, 0o777 & ~_umask())
        old = scratch.with_name(scratch.name + "-old")
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(scratch, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold a folder for this run; the system lets go of it when the process ends, however it ends.

    Raises:
        StorageError: another run holds it, or it cannot be written.
    """
    marker = made_folder(folder) / ".running"
    with writing(marker):
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, folder)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                marker.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return  # some network drives know no locks
        raise StorageError(
            "is in use: another run is writing into it.",
            file=folder,
            hint="Wait until that run has ended, or choose another output folder.",
        ) from error


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(target) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write JSON atomically, readable by people; not-a-number values are refused."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def storage_error(error: OSError, target: Path) -> StorageError:
    """The typed error for a failed write to `target`."""
    full = "The disk is full: free some space or choose another output folder."
    if error.errno is None and "writ" in str(error):  # NumPy's own error for an array written in part
        return StorageError("cannot be written to the end.", file=target, hint=full)
    hints = {
        errno.ENOSPC: full,
        errno.EDQUOT if hasattr(errno, "EDQUOT") else -1: "The disk quota is used up.",
        errno.EACCES: "Choose an output folder that you may write to.",
        errno.EROFS: "The disk is read-only: choose another output folder.",
        errno.EEXIST: "A file has the name of the output folder: choose another one.",
        errno.ENOTDIR: "A file stands where the output folder should be: choose another one.",
        errno.ENAMETOOLONG: "The name is too long: choose a shorter one.",
    }
    hint = hints.get(error.errno or 0, "Check the output folder.")
    return StorageError(f"cannot be written ({error.strerror or error}).", file=target, hint=hint)


def _umask() -> int:
    with _MASK:  # it is read by setting it: a thread in between would read, and set back, none at all
        mask = os.umask(0)
        os.umask(mask)
    return mask
