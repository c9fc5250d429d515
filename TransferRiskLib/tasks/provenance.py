"""What a result was made from, so that it can be made again."""

from __future__ import annotations

import datetime
import hmac
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

import TransferRiskLib
from TransferRiskLib.cases.load import LoadedCase
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


def fingerprint(case: LoadedCase, key: str) -> str:
    """What stands for a case's images where its name must not: 16 hexadecimal digits.

    It is the beginning of the HMAC-SHA-256 over shape and values of the channels. Without the key
    nobody can try out which images a model was made from; with it, the same images give the same
    digits whatever their files are called.

    Args:
        case: The case with its images.
        key: Secret of the run, text of any length.
    """
    images = np.ascontiguousarray(case.images, dtype="<f4")
    digest = hmac.new(key.encode(), str(images.shape).encode(), "sha256")
    digest.update(images.tobytes())
    return digest.hexdigest()[:16]


def without_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A record of an adaptation for what may leave the house: fingerprints instead of the cases' names, and
    no keys of those before it.

    Args:
        facts: As `provenance` gives it, with the cases as a mapping of name to fingerprint, and with what
            `ancestry` tells.
    """
    ancestors = [{k: v for k, v in run.items() if k != "fingerprint_key"} for run in facts["ancestors"]]
    return {**facts, "cases": sorted(facts["cases"].values()), "ancestors": ancestors}


def provenance(
    task: str,
    models: Sequence[SourceModel],
    cases: Sequence[str] | Mapping[str, str],
    settings: Any,
    **more: Any,
) -> dict[str, Any]:
    """A JSON record of how a result came to be.

    Args:
        task: Name of the task.
        models: Models that took part; name and weights' SHA-256 are noted, never a path.
        cases: Names of the cases, or name to fingerprint.
        settings: JSON form of the settings.
        more: Further JSON values.
    """
    return {
        "task": task,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "models": [{"name": model.card.name, "sha256": model.digest} for model in models],
        "cases": dict(cases) if isinstance(cases, Mapping) else list(cases),
        "settings": settings,
        "versions": versions(),
        "platform": platform.platform(),
        **more,
    }
