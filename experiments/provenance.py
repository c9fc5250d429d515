"""The files that say what a folder of results is made of."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.checks import read_document
from TransferRiskLib.atomic import write_json
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.devices import describe_device, resolve_device
from TransferRiskLib.tasks.provenance import versions

STUDY_FILE = "study.json"
PROVENANCE_FILE = "provenance.json"
_FREE = ("description", "baseline")
"""Fields that no number depends on."""
_GROWING = ("seeds", "k", "sources", "scenarios", "matrix", "methods", "cohorts")
"""Fields to which more may be added: cells that are done stay what they are."""


def record(document: Mapping[str, Any], output: Path, device: str, threads: int) -> None:
    """Write the experiment and what it runs on into its folder.

    Raises:
        SettingsError: the folder holds results of another experiment. More seeds, k, sources,
            scenarios and methods are no other experiment.
    """
    file = output / STUDY_FILE
    if file.is_file():
        changed = difference(read_document(file).get("config", {}), document)
        if changed:
            raise SettingsError(
                f"holds an experiment with another {changed!r}.",
                file=file,
                hint="Choose another output folder, or undo the change; adding to seeds, k, sources, "
                "scenarios or methods is no change.",
            )
    write_json(file, {"config": dict(document)})
    runs = []
    provenance = output / PROVENANCE_FILE
    if provenance.is_file():
        runs = read_document(provenance).get("runs", [])
    write_json(provenance, {"runs": [*runs, _run(device, threads)]})


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first field that is another in the new document, or None where it only holds more.

    Example:
        >>> difference({"seeds": [0], "budget": {}}, {"seeds": [0, 1], "budget": {}})
        >>> difference({"methods": {"a": {"kind": "eep"}}}, {"methods": {"a": {"kind": "source"}}})
        'methods'
    """
    for key in sorted({*old, *new} - set(_FREE)):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key not in _GROWING or not _holds(after, before):
            return key
    return None


def _holds(more: Any, less: Any) -> bool:
    """Whether everything in `less` is unchanged in `more`."""
    if not less:
        return True
    if isinstance(more, Mapping) and isinstance(less, Mapping):
        return all(key in more and more[key] == value for key, value in less.items())
    return isinstance(more, list) and isinstance(less, list) and all(item in more for item in less)


def _run(device: str, threads: int) -> dict[str, Any]:
    described = describe_device(resolve_device(device))
    return {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": threads,
        "device": {key: described[key] for key in ("device", "name", "total_bytes")},
    }
