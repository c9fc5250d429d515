"""The adaptations that a model has behind it: its own, its source's, and so on.

A model that may leave the house carries fingerprints of the cases of all of them, which tell nothing without
their keys. The keys are in the record of the last run, `result.json` beside the model, as far as they were in
the records of the runs before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from TransferRiskLib.models.provenance_files import read_object, read_provenance
from TransferRiskLib.models.source_model import SourceModel


@dataclass(frozen=True)
class Run:
    """One adaptation.

    Attributes:
        cases: Fingerprints of its cases. No two runs have the same, since each has a key of its own.
        name: Of the model that it made, where that has become another one's source.
        sha256: Of that model's weights.
        key: Of the fingerprints; None where no record that has it is at hand.
    """

    cases: frozenset[str]
    name: str = ""
    sha256: str = ""
    key: str | None = None


@dataclass(frozen=True)
class History:
    """What a model tells of the adaptations behind it.

    Attributes:
        runs: Its own first; none for a model that was not adapted.
        unknown: SHA-256 of models on the way of which nobody noted whether they were adapted themselves.
    """

    runs: tuple[Run, ...] = ()
    unknown: frozenset[str] = frozenset()


def read_history(path: Path, digest: str) -> History:
    """The history of a model, with the keys of the records that lie beside it.

    Args:
        path: The model, in any form that opens.
        digest: SHA-256 of its weights.
    """
    told = read_provenance(path)
    history = History(unknown=frozenset((digest,))) if told is None else _history(told)
    if not history.runs:
        return history
    # beside a bundle or what was packed from it, or above a script within the bundle
    beside = (read_object(folder / "result.json") for folder in Path(path).resolve().parents[:3])
    return _with_keys(history, known_keys(_history(_part(record, "provenance")) for record in beside))


def known_keys(histories: Iterable[History]) -> dict[frozenset[str], str]:
    """The keys that some of these histories know, by fingerprints."""
    return {run.cases: run.key for history in histories for run in history.runs if run.key is not None}


def ancestry(source: SourceModel, path: Path, learnt: bool) -> dict[str, Any]:
    """What the provenance of an adapted model says of the runs before its own, with the keys.

    Args:
        source: The model that it was adapted from.
        path: That model's file.
        learnt: Whether anything of that model is in the adapted one: not with a training from scratch.
    """
    history = read_history(path, source.digest) if learnt else History()
    own = [replace(run, name=source.card.name, sha256=source.digest) for run in history.runs[:1]]
    return {
        "ancestors": [
            {
                "name": run.name,
                "sha256": run.sha256,
                "cases": sorted(run.cases),
                **({} if run.key is None else {"fingerprint_key": run.key}),
            }
            for run in (*own, *history.runs[1:])
        ],
        "unknown_ancestors": sorted(history.unknown),
    }


def _history(record: Mapping[str, Any]) -> History:
    """The history in a model's record of provenance, or in that of its run."""
    own = _run(record)
    if record.get("task") != "adapt" or own is None:
        return History()
    ancestors, unknown = record.get("ancestors"), record.get("unknown_ancestors")
    if not isinstance(ancestors, list) or not isinstance(unknown, list):  # of an earlier version
        models = record.get("models")
        sources = [model.get("sha256", "") for model in _objects(models)]
        return History((own,), frozenset(map(str, sources)))
    before = (_run(ancestor) for ancestor in _objects(ancestors))
    return History((own, *(run for run in before if run is not None)), frozenset(map(str, unknown)))


def _run(record: Mapping[str, Any]) -> Run | None:
    cases, key = record.get("cases"), record.get("fingerprint_key")
    if isinstance(cases, dict):  # by name, in the record of the run
        cases = list(cases.values())
    if not isinstance(cases, list):
        return None
    told = frozenset(map(str, cases))
    name, sha256 = (str(record.get(part, "")) for part in ("name", "sha256"))
    return Run(told, name, sha256, key if isinstance(key, str) else None)


def _with_keys(history: History, keys: Mapping[frozenset[str], str]) -> History:
    return replace(history, runs=tuple(replace(run, key=keys.get(run.cases)) for run in history.runs))


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}
