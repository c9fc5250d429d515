"""A folder that may not be looked into, also for root, as whom tests run in containers."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let what Python asks of the folder's contents end in "Permission denied"; the folder."""

    def refuse(path: Any, itself: bool) -> None:
        if isinstance(path, (str, Path)) and (
            folder in Path(path).parents or (itself and Path(path) == folder)
        ):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def guard(owner: Any, name: str, itself: bool) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def guarded(path: Any = ".", *arguments: Any, **named: Any) -> Any:
            refuse(path, itself)
            return real(path, *arguments, **named)

        monkeypatch.setattr(owner, name, guarded)

    for owner, name, itself in (
        (os, "stat", False), (os, "scandir", True), (os, "listdir", True),
        (Path, "stat", False), (Path, "iterdir", True), (Path, "open", False),
    ):  # fmt: skip
        guard(owner, name, itself)
    return folder
