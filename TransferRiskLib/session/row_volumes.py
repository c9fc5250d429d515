"""Which volume of a row serves which channel of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from TransferRiskLib.cases.case_names import IMAGE
from TransferRiskLib.session.state import CaseRow, ScanRow


def volumes_for(row: CaseRow | ScanRow, channels: Sequence[str]) -> dict[str, str]:
    """Node ID of the volume for each of a model's channels that the row can serve.

    A channel takes the volume that was chosen under its name, ignoring case. A model's only channel
    takes the row's only volume, whatever that was chosen for: rows outlive the choice of a model, and
    whether another contrast will do is for rankings and maps to say.
    """
    return {channel: row.channels[name] for channel, name in _names(row, channels).items()}


def with_volume(
    row: CaseRow | ScanRow, channels: Sequence[str], channel: str, node_id: str | None
) -> Mapping[str, str]:
    """The row's volumes after somebody chose one for a channel, or none.

    What was chosen for a channel of another model stays, for when that model comes back; only a volume
    that nothing names makes room.
    """
    serving = _names(row, channels).get(channel)
    other = serving is not None and serving.casefold() not in (channel.casefold(), IMAGE)
    changed = dict(row.channels)
    if serving is not None and not (node_id and other):
        del changed[serving]
    if node_id:
        changed[channel] = node_id
    return changed


def _names(row: CaseRow | ScanRow, channels: Sequence[str]) -> dict[str, str]:
    """Channel to the name under which the row has its volume."""
    there = {name.casefold(): name for name in row.channels}
    found = {channel: there[channel.casefold()] for channel in channels if channel.casefold() in there}
    if not found and len(channels) == len(there) == 1:
        return {channels[0]: next(iter(there.values()))}
    return found
