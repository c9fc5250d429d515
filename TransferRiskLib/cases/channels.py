"""Which file of a case is which channel of a model, and whether they lie in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from TransferRiskLib.cases.case import Case, ChannelFile
from TransferRiskLib.errors import CaseError, GeometryError
from TransferRiskLib.volumes.geometry import Geometry

COVERED = 0.9
"""Share of the first channel's box that another channel must cover to be resampled onto it."""


def resolve_channels(
    case: Case, channels: Sequence[str], channel_map: Mapping[str, str] | None = None
) -> list[ChannelFile]:
    """The case's file for each channel of a card, by name, ignoring case.

    Raises:
        CaseError: a channel that is not there, or a mapping of a channel that nobody asked for.
    """
    given = {card.casefold(): name for card, name in (channel_map or {}).items()}
    there = {name.casefold(): file for name, file in case.images.items()}
    own_names = ", ".join(case.images) or "no images"
    hint = f"The case has: {own_names}. The model asks for: {', '.join(channels)}."
    asked = {name.casefold() for name in channels}
    unknown = [name for name in channel_map or {} if name.casefold() not in asked]
    if unknown:
        raise CaseError(f"The model has no channel {unknown[0]!r} to map.", hint=hint)
    wanted = {name: given.get(name.casefold(), name) for name in channels}
    missing = [name for name, own in wanted.items() if own.casefold() not in there]
    if missing:
        example = f"{missing[0]}={next(iter(case.images), 'NAME')}"
        raise CaseError(
            f"The case {case.name!r} has no channel {', '.join(repr(wanted[name]) for name in missing)}.",
            file=next(iter(case.images.values())).path if case.images else None,
            hint=f"{hint} If another channel is to take its place, map it: {example}.",
        )
    return [there[own.casefold()] for own in wanted.values()]


def check_covered(other: Geometry, path: Path, geometry: Geometry, first: Path) -> None:
    """Refuse a channel that lies elsewhere than the case's first one.

    Raises:
        GeometryError: less than `COVERED` of the first channel's box.
    """
    share = geometry.covered_by(other)
    if share < COVERED:
        raise GeometryError(
            f"covers {share:.0%} of the box of {first.name}; at least {COVERED:.0%} is needed. "
            f"This image: {other.describe()}. {first.name}: {geometry.describe()}.",
            file=path,
            hint="Register the channels of a case to one another first.",
        )
