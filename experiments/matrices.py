"""Matrices: every item taken as a source to every item taken as a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json


@dataclass(frozen=True)
class MatrixSpec:
    """Sources and scenarios that differ in one thing.

    Attributes:
        items: Name to what the item changes, in a source and in a scenario alike: its channels
            (cross-modality) or its merge (cross-task).
        source: Everything else of the sources.
        scenario: Everything else of the scenarios; name and source are made.
        name: Put before the names that are made, with a hyphen.
        same: Also from every item to itself.
        pairs: Only these (source, target) pairs.
    """

    items: dict[str, dict[str, Any]]
    source: dict[str, Any]
    scenario: dict[str, Any]
    name: str = ""
    same: bool = False
    pairs: tuple[tuple[str, str], ...] = field(default=())


def expanded(document: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's document with every matrix replaced by its sources and scenarios.

    The source of item A is named `A`, the scenario from A to B `A-to-B`.

    Raises:
        SettingsError: a matrix that makes no sense, or a name that is there already.

    Example:
        >>> matrix = {"items": {"A": {}, "B": {}}, "source": {}, "scenario": {}}
        >>> [s["name"] for s in expanded({"matrix": [matrix]})["scenarios"]]
        ['A-to-B', 'B-to-A']
    """
    result = {key: value for key, value in document.items() if key != "matrix"}
    matrices = from_json(tuple[MatrixSpec, ...], document.get("matrix", []), "matrix")
    sources, scenarios = dict(result.get("sources", {})), list(result.get("scenarios", []))
    for matrix in matrices:
        for name, changes in matrix.items.items():
            _add(sources, _named(matrix, name), {**matrix.source, **changes})
        for start, end in _pairs(matrix):
            scenarios.append(
                {
                    **matrix.scenario,
                    **matrix.items[end],
                    "name": _named(matrix, f"{start}-to-{end}"),
                    "source": _named(matrix, start),
                }
            )
    return {**result, "sources": sources, "scenarios": scenarios}


def _pairs(matrix: MatrixSpec) -> list[tuple[str, str]]:
    known = set(matrix.items)
    strangers = [name for pair in matrix.pairs for name in pair if name not in known]
    if strangers:
        raise SettingsError(f"matrix.pairs names {strangers[0]!r}, which is no item.")
    if matrix.pairs:
        return list(matrix.pairs)
    return [(a, b) for a in matrix.items for b in matrix.items if matrix.same or a != b]


def _named(matrix: MatrixSpec, name: str) -> str:
    return f"{matrix.name}-{name}" if matrix.name else name


def _add(sources: dict[str, Any], name: str, source: dict[str, Any]) -> None:
    if name in sources:
        raise SettingsError(f"A matrix makes the source {name!r}, which is there already.")
    sources[name] = source
