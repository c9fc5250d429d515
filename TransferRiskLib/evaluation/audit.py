"""The negative-transfer audit: did starting from the source model help, and where did it hurt?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from TransferRiskLib.errors import SettingsError


@dataclass(frozen=True)
class AuditEntry:
    """Transferred against trained from scratch with the same budget on the same folds, one label.

    Attributes:
        label: Name of the label.
        transferred, scratch: Validation Dice, 0 to 1, mean over the folds.
        folds: How many folds the means are over.
        difference: `transferred − scratch`; positive where transfer helped.
    """

    label: str
    transferred: float
    scratch: float
    folds: int
    difference: float


def audit_rows(
    transferred: Mapping[str, Sequence[float]], scratch: Mapping[str, Sequence[float]]
) -> tuple[AuditEntry, ...]:
    """One entry a label, in the order of `transferred`.

    Args:
        transferred: Label name to validation Dice of every fold, of the model adapted from the source.
        scratch: The same of the model trained from scratch, fold by fold.

    Raises:
        SettingsError: labels or numbers of folds that differ, or no folds: the audit is a paired one.
    """
    if set(transferred) != set(scratch):
        raise SettingsError("The audit compares the same labels on both sides.")
    entries = []
    for label, values in transferred.items():
        if len(values) != len(scratch[label]) or not values:
            raise SettingsError(
                f"The audit of {label!r} has {len(values)} and {len(scratch[label])} folds.",
                hint="Train both models on the same folds, at least one.",
            )
        means = fmean(values), fmean(scratch[label])
        entries.append(AuditEntry(label, means[0], means[1], len(values), means[0] - means[1]))
    return tuple(entries)


def audit_sentence(entries: Sequence[AuditEntry]) -> str:
    """The audit in plain words, differences in Dice points (hundredths), the largest first.

    Example:
        `Transfer helped GM (+3.1 Dice points) and hurt lesion (-1.2); it made no difference to WM.`
    """
    if not entries:
        return "Transfer was not audited."
    ordered = sorted(entries, key=lambda entry: -abs(entry.difference))
    helped = [entry for entry in ordered if round(100 * entry.difference, 1) > 0]
    hurt = [entry for entry in ordered if round(100 * entry.difference, 1) < 0]
    same = [entry.label for entry in entries if entry not in helped and entry not in hurt]
    groups = [(verb, group) for verb, group in (("helped", helped), ("hurt", hurt)) if group]
    if not groups:
        return f"Transfer made no difference to {_listed(same)}."
    parts = [
        f"{verb} {_listed([_points(entry, unit=entry is groups[0][1][0]) for entry in group])}"
        for verb, group in groups
    ]
    tail = f"; it made no difference to {_listed(same)}" if same else ""
    return f"Transfer {' and '.join(parts)}{tail}."


def _points(entry: AuditEntry, unit: bool) -> str:
    return f"{entry.label} ({100 * entry.difference:+.1f}{' Dice points' if unit else ''})"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
