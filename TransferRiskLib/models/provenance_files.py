"""What a model's file tells of how the model came about, whatever its form. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.models.bundle_text import SAVED_HERE
from TransferRiskLib.models.card_files import bundle_folder, torchscript_extras
from TransferRiskLib.models.packed import is_packed, unpacked

FILE = "provenance.json"
"""Name of the record among the `configs/` of a bundle."""

EXTRA_FILE = f"transferrisk_{FILE}"
"""Name of the record among the extra files of a TorchScript archive."""

_LARGEST = 16 * 2**20


def read_provenance(path: Path) -> dict[str, Any] | None:
    """The record that `save_bundle` gave a model; a file that cannot be read has none.

    Args:
        path: A bundle's folder (or its metadata.json or weights file), a packed bundle, or a TorchScript
            file. It is read as JSON, of at most 16 MiB.

    Returns:
        The record, empty for a model that does not come from this library; None where one is missing: an
        earlier version left it out of TorchScript, or somebody has taken it away.
    """
    path = Path(path)
    try:
        folder = bundle_folder(path)
        if folder is None and is_packed(path):
            with unpacked(path, weights=False) as scratch:
                return _of_bundle(scratch)
        return _of_torchscript(path) if folder is None else _of_bundle(folder)
    except (OSError, TransferRiskError):
        return {}


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file of at most 16 MiB; empty where there is none that can be read."""
    try:
        return _object(file.read_bytes()) if file.stat().st_size <= _LARGEST else {}
    except OSError:
        return {}


def _of_bundle(folder: Path) -> dict[str, Any] | None:
    configs = folder / "configs"
    return _record(lambda name: read_object(configs / name), FILE)


def _of_torchscript(path: Path) -> dict[str, Any] | None:
    extras = torchscript_extras(path)
    return _record(lambda name: _object(extras.get(name, "")), EXTRA_FILE)


def _record(read: Callable[[str], dict[str, Any]], name: str) -> dict[str, Any] | None:
    """The record of this name, with what reads an object by name; None where a model of ours has none."""
    found = read(name)
    changes = read("metadata.json").get("changelog")
    ours = isinstance(changes, dict) and SAVED_HERE in changes.values()
    return None if ours and not found else found


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
