"""Errors from floors that know no files get the file they are about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from TransferRiskLib.errors import TransferRiskError


@contextlib.contextmanager
def about(file: Path) -> Iterator[None]:
    """Add `file` to typed errors that name none; their type, message and hint stay.

    Example:
        >>> from TransferRiskLib.errors import LabelError
        >>> try:
        ...     with about(Path("a.json")):
        ...         raise LabelError("Two labels share a name.")
        ... except LabelError as error:
        ...     print(error)
        a.json: Two labels share a name.
    """
    try:
        yield
    except TransferRiskError as error:
        if error.file is not None:
            raise
        raise type(error)(error.message, file=file, hint=error.hint) from error
