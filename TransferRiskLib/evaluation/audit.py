"""The negative-transfer audit: did starting from the source model help, and where did it hurt?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from TransferRiskLib.errors import SettingsError

Verdict = Literal["helped", "hurt", "unclear", "missed"]
CLEAR_DIFFERENCE = 0.01
"""Two trainings that differ in nothing but their seed are 0.003 to 0.005 of Dice apart
(`experiments/LOG.md`): less than this is no finding."""
CLEAR_MAJORITY = 0.8
"""Share of the held-out cases that must agree."""
FOUND = 0.05
"""Mean Dice below which a label was not found at all."""


@dataclass(frozen=True)
class AuditRow:
    """Transferred against trained from scratch with the same budget on the same folds, one label.

    Attributes:
        label: Name of the label.
        transferred, scratch: Validation Dice, 0 to 1, mean over the held-out cases that have the label.
        cases: How many those are.
        better, worse: In how many of them transfer was above, and below. All three are 0 in a record that
            knows the means alone.
    """

    label: str
    transferred: float
    scratch: float
    cases: int = 0
    better: int = 0
    worse: int = 0

    @property
    def difference(self) -> float:
        """`transferred − scratch`; positive where transfer helped."""
        return self.transferred - self.scratch

    @property
    def verdict(self) -> Verdict:
        """What may be said: only differences of a point or more, on which nearly all cases agree, count.
        Where neither training finds the label there is nothing to compare."""
        if max(self.transferred, self.scratch) < FOUND:
            return "missed"
        agreeing = self.better if self.difference > 0 else self.worse
        if abs(self.difference) < CLEAR_DIFFERENCE or agreeing < CLEAR_MAJORITY * self.cases:
            return "unclear"
        return "helped" if self.difference > 0 else "hurt"


def audit_rows(
    transferred: Mapping[str, Sequence[float]], scratch: Mapping[str, Sequence[float]]
) -> tuple[AuditRow, ...]:
    """One row a label, in the order of `transferred`.

    Args:
        transferred: Label name to validation Dice of every held-out case, of the model adapted from the
            source.
        scratch: The same of the model trained from scratch, case by case.

    Raises:
        SettingsError: labels or numbers of cases that differ, or no cases: the audit is a paired one.
    """
    if set(transferred) != set(scratch):
        raise SettingsError("The audit compares the same labels on both sides.")
    rows = []
    for label, values in transferred.items():
        if len(values) != len(scratch[label]) or not values:
            raise SettingsError(
                f"The audit of {label!r} has {len(values)} and {len(scratch[label])} cases.",
                hint="Train both models on the same folds, at least one.",
            )
        pairs = list(zip(values, scratch[label], strict=True))
        better, worse = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
        rows.append(AuditRow(label, fmean(values), fmean(scratch[label]), len(pairs), better, worse))
    return tuple(rows)


def audit_sentence(rows: Sequence[AuditRow]) -> str:
    """The audit in plain words, differences in Dice points (hundredths), the largest first.

    Example:
        `Transfer helped GM (+3.1 Dice points) and hurt lesion (-1.2); it made no clear difference to WM.
        Neither training finds vessel.`
    """
    if not rows:
        return "Transfer was not audited."
    ordered = sorted(rows, key=lambda row: -abs(row.difference))
    groups = [(v, [row for row in ordered if row.verdict == v]) for v in ("helped", "hurt")]
    groups = [(verb, group) for verb, group in groups if group]
    unclear = [row.label for row in rows if row.verdict == "unclear"]
    missed = [row.label for row in rows if row.verdict == "missed"]
    more = f"Neither training finds {_listed(missed)}." if missed else ""
    if not groups:
        first = f"Transfer made no clear difference to {_listed(unclear)}." if unclear else ""
        return " ".join(filter(None, (first, more)))
    parts = [
        f"{verb} {_listed([_points(row, unit=row is groups[0][1][0]) for row in group])}"
        for verb, group in groups
    ]
    tail = f"; it made no clear difference to {_listed(unclear)}" if unclear else ""
    return " ".join(filter(None, (f"Transfer {' and '.join(parts)}{tail}.", more)))


def _points(row: AuditRow, unit: bool) -> str:
    return f"{row.label} ({100 * row.difference:+.1f}{' Dice points' if unit else ''})"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
