"""Folders of images that go: out of the way at once, off the disk beside whoever asked."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

_PREFIX, _GOING = "transferrisk-", ".transferrisk-going-"
_TEMPORARY = re.compile(rf"{_PREFIX}(\d+)-[a-z0-9_]{{8}}")
_LEFT = re.compile(rf"{re.escape(_GOING)}(\d+)-\d+")
"""Names that are made here, the process's number in them; what somebody else calls `transferrisk-2024-...`
is none, for `tempfile` ends a name with eight characters."""
_ATTEMPTS, _PAUSE_SECONDS = 20, 0.5
_AT_EXIT_SECONDS = 5.0

_removals: set[threading.Thread] = set()


def temporary_prefix() -> str:
    """For `tempfile`: a folder that `remove_orphans` takes away once this process is gone."""
    return f"{_PREFIX}{os.getpid()}-"


def discard(folder: Path) -> None:
    """Remove a folder with everything in it. Gigabytes take seconds to remove, so only its name goes now.

    Whoever still writes into it finds it gone, and cannot make it anew (see `volumes.io.write_volume`, which
    makes no folder where it is told so). Where open files hold a folder in its place (Windows), removal is
    tried until they are closed. What a process leaves that ends meanwhile is found by the next `discard`
    beside it. A folder that is not there is no error.
    """
    going = folder.with_name(f"{_GOING}{os.getpid()}-{time.monotonic_ns()}")
    try:
        folder.rename(going)
    except FileNotFoundError:
        return
    except OSError:
        going = folder
    _beside(_remove, going)


def remove_orphans(parent: Path) -> None:
    """Remove, beside the caller, what processes of this user that are gone have left in the folder of
    temporary files."""
    _beside(lambda folder: _remove_left(folder, _TEMPORARY, _LEFT), parent)


def wait_for_removals(seconds: float) -> None:
    """Wait until everything is off the disk, at most so long."""
    end = time.monotonic() + seconds
    for thread in tuple(_removals):
        thread.join(max(0.0, end - time.monotonic()))


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; true where that cannot be told."""
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    # os.kill would end it. See OpenProcess and GetExitCodeProcess in Microsoft's documentation.
    import ctypes

    query_limited_information, still_active, invalid_parameter = 0x1000, 259, 87
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return ctypes.get_last_error() != invalid_parameter  # type: ignore[attr-defined,unused-ignore]
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return not known or code.value == still_active


def _remove(folder: Path) -> None:
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(_PAUSE_SECONDS)
    _remove_left(folder.parent, _LEFT)  # the folder may be the user's own: only what was being removed


def _remove_left(parent: Path, *names: re.Pattern[str]) -> None:
    """Remove folders of such names whose process is gone, this user's."""
    with contextlib.suppress(OSError):
        for folder in tuple(parent.iterdir()):
            match = next(filter(None, (name.fullmatch(folder.name) for name in names)), None)
            if match and _is_ours(folder) and not is_alive(int(match[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    if sys.platform == "win32":
        return True  # the temporary folder is the user's own
    with contextlib.suppress(OSError):
        return folder.stat(follow_symlinks=False).st_uid == os.getuid()
    return False


def _beside(work: Callable[[Path], None], folder: Path) -> None:
    def run() -> None:
        try:
            work(folder)
        finally:
            _removals.discard(threading.current_thread())

    thread = threading.Thread(target=run, name="transferrisk-removal", daemon=True)
    _removals.add(thread)
    thread.start()


atexit.register(wait_for_removals, _AT_EXIT_SECONDS)
