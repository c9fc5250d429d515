"""The nodes that a state speaks of: which they are, other IDs for them, and those that are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from TransferRiskLib.session.state import CaseRow, MappedCase, MapRun, ScanRow, SessionState

GONE = "(removed)"
"""Stands for a node that is not in the scene any more. Its ID would not do: MRML gives it to another node
once the scene was opened anew, or when another scene is added to it. No node has this one."""

New = Callable[[str], str]
AnyRow = TypeVar("AnyRow", CaseRow, ScanRow)


def node_ids(state: SessionState) -> set[str]:
    """The ID of every node that a state speaks of; `GONE` among them when one is gone."""
    found: set[str] = set()

    def note(identity: str) -> str:
        found.add(identity)
        return identity

    with_node_ids(state, note)
    return found


def without_removed(state: SessionState, present: Callable[[str], bool]) -> SessionState:
    """The state with `GONE` in place of the nodes that are not present; the very same one when all are."""
    gone = {identity for identity in node_ids(state) if identity != GONE and not present(identity)}
    if not gone:
        return state
    return with_node_ids(state, lambda identity: GONE if identity in gone else identity)


def with_node_ids(state: SessionState, new: New) -> SessionState:
    """The state with other node IDs.

    Args:
        state: The state.
        new: Gives the ID that takes the place of another.
    """
    return replace(
        state,
        cases=tuple(_case(row, new) for row in state.cases),
        ranked=tuple(_case(row, new) for row in state.ranked),
        scans=tuple(
            replace(
                _channels(row, new),
                uncertainty=_maybe(row.uncertainty, new),
                probabilities=tuple(new(identity) for identity in row.probabilities),
            )
            for row in state.scans
        ),
        runs=tuple(_run(run, new) for run in state.runs),
        suggested=replace(
            state.suggested,
            scans=tuple(
                replace(scan, volumes={channel: new(identity) for channel, identity in scan.volumes.items()})
                for scan in state.suggested.scans
            ),
        ),
    )


def _case(row: CaseRow, new: New) -> CaseRow:
    return replace(_channels(row, new), roi=_maybe(row.roi, new))


def _channels(row: AnyRow, new: New) -> AnyRow:
    channels = {channel: new(identity) for channel, identity in row.channels.items()}
    return replace(row, channels=channels, segmentation=_maybe(row.segmentation, new))


def _run(run: MapRun, new: New) -> MapRun:
    return replace(run, cases=tuple(_mapped(case, new) for case in run.cases))


def _mapped(case: MappedCase, new: New) -> MappedCase:
    return replace(
        case,
        scan=new(case.scan),
        maps={kind: new(identity) for kind, identity in case.maps.items()},
        segmentations={kind: new(identity) for kind, identity in case.segmentations.items()},
    )


def _maybe(identity: str | None, new: New) -> str | None:
    return new(identity) if identity else None
