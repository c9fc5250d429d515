"""The choices of a scene that is added to the one that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from TransferRiskLib.session.guessing import unique
from TransferRiskLib.session.state import (
    AdaptChoice,
    AdaptRun,
    CaseRow,
    MapDisplay,
    ScanRow,
    SegmentChoice,
    SessionState,
    SuggestedNext,
)

AnyRow = TypeVar("AnyRow", CaseRow, ScanRow)
AnyChoice = TypeVar("AnyChoice")


def joined(ours: SessionState, theirs: SessionState) -> SessionState:
    """The state of a session after another scene was added to its own.

    Rows and runs of the other scene come behind ours, with keys and names of their own. Of what there is
    only one, as the source model, ours stays where somebody chose it.

    Args:
        ours: The state of the session.
        theirs: What the added scene holds, with the node IDs that the nodes have now.

    Returns:
        The one state when the other one is empty.
    """
    keys = {row.key for row in ours.cases} | {row.key for row in ours.scans}
    names: dict[str, str] = {}
    runs = ours.runs
    for run in theirs.runs:
        names[run.name] = unique(run.name, (known.name for known in runs))
        runs = (*runs, replace(run, name=names[run.name]))
    cases = _appended(ours.cases, theirs.cases, keys)
    added = dict(zip((row.key for row in theirs.cases), cases[len(ours.cases) :], strict=True))
    return SessionState(
        model=ours.model or theirs.model,
        ranking=ours.ranking or theirs.ranking,
        ranked=ours.ranked if ours.ranking else _ranked(theirs, added),
        cases=cases,
        runs=runs,
        display=_display(ours, theirs, names),
        adapt=_chosen(ours.adapt, theirs.adapt, AdaptChoice()),
        adapted=_adapted(ours.adapted, theirs.adapted),
        scans=_appended(ours.scans, theirs.scans, keys),
        segment=_chosen(ours.segment, theirs.segment, SegmentChoice()),
        suggested=_suggested(ours, theirs, {key: row.key for key, row in added.items()}),
    )


def _appended(ours: tuple[AnyRow, ...], theirs: Sequence[AnyRow], keys: set[str]) -> tuple[AnyRow, ...]:
    rows = list(ours)
    for row in theirs:
        key = row.key if row.key not in keys else SessionState.new_key()
        name = unique(row.name, (known.name for known in rows))
        rows.append(replace(row, key=key, name=name))
    return tuple(rows)


def _display(ours: SessionState, theirs: SessionState, names: dict[str, str]) -> MapDisplay:
    run = theirs.shown_run()
    if ours.shown_run() is None and run is not None:
        return replace(theirs.display, run=names[run.name])
    return _chosen(ours.display, theirs.display, MapDisplay())


def _adapted(ours: AdaptRun, theirs: AdaptRun) -> AdaptRun:
    return ours if ours.status != "none" else _chosen(theirs, ours, AdaptRun())


def _ranked(theirs: SessionState, added: Mapping[str, CaseRow]) -> tuple[CaseRow, ...]:
    """Their ranked rows under the keys and names that those have now."""
    now = ((row, added.get(row.key, row)) for row in theirs.ranked)
    return tuple(replace(row, key=known.key, name=known.name) for row, known in now)


def _suggested(ours: SessionState, theirs: SessionState, keys: dict[str, str]) -> SuggestedNext:
    """An answer that ours has, else theirs under the keys that its rows have now."""
    scans = theirs.suggested.scans
    moved = tuple(replace(scan, key=keys[scan.key]) for scan in scans if scan.key in keys)
    return _chosen(ours.suggested, replace(theirs.suggested, scans=moved), SuggestedNext())


def _chosen(first: AnyChoice, second: AnyChoice, default: AnyChoice) -> AnyChoice:
    """The first unless nobody chose it."""
    return first if first != default else second
