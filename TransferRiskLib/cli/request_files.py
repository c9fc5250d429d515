"""Requests kept in files: run the same thing again, elsewhere, or from a script."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cli.command import Given
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json, to_json


def read_request(kind: type, path: Path, given: Given) -> Any:
    """The request in a JSON file; `output` among the given options replaces its folder.

    Raises:
        SettingsError: the file cannot be read, does not describe such a request, or comes with
            further options that it would have to give way to.
    """
    others = sorted(set(given) - {"output"})
    if others:
        raise SettingsError(
            f"--request already says everything; {', '.join(others)} cannot be given beside it.",
            hint="Only --output may be. Change the file for anything else.",
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"No request can be read ({error}).", file=path) from error
    request: Any
    try:
        request = from_json(kind, document)
    except SettingsError as error:
        raise SettingsError(error.message, file=path, hint=error.hint) from error
    return replace(request, output=given["output"]) if "output" in given else request


def save_request(request: Any, path: Path) -> None:
    """Write a request as JSON that `read_request` reads."""
    write_json(path, to_json(request))
