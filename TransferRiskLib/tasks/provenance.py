"""What a result was made from, so that it can be made again."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import TransferRiskLib
from TransferRiskLib.models.source_model import SourceModel

PACKAGES = ("torch", "monai", "numpy", "SimpleITK", "scipy")


def versions() -> dict[str, str]:
    """Versions of this library, Python and the packages that results depend on."""
    found = {"TransferRisk": TransferRiskLib.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # bundled by an application without its metadata
            found[package] = "unknown"
    return found


def provenance(
    task: str, models: Sequence[SourceModel], cases: Sequence[str], settings: Any, **more: Any
) -> dict[str, Any]:
    """A JSON record of how a result came to be.

    Args:
        task: Name of the task.
        models: Models that took part; name and weights' SHA-256 are noted, never a path.
        cases: Names of the cases.
        settings: JSON form of the settings.
        more: Further JSON values.
    """
    return {
        "task": task,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "models": [{"name": model.card.name, "sha256": model.digest} for model in models],
        "cases": list(cases),
        "settings": settings,
        "versions": versions(),
        "platform": platform.platform(),
        **more,
    }
