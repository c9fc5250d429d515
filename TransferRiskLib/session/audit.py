"""What came of an adaptation, for the window: sentences on audit and curves, and the audit's table."""

from __future__ import annotations

from collections.abc import Sequence

from TransferRiskLib.evaluation.audit import AuditRow, Verdict
from TransferRiskLib.tasks.results import AdaptResult
from TransferRiskLib.wording import wording

_ = wording(__name__)


def outcome_sentences(result: AdaptResult | None) -> str:
    """Audit and intensity curves in plain words, or that nothing was held out; empty without a result, or
    one of which there is no such thing to say.

    Example:
        `Transfer helped GM (+3.1 Dice points). The contrast was matched: intensity curves raised what
        the source tells about the labels from 2 % to 87 %.`
    """
    if result is None:
        return ""
    sentences = [audit_sentences(result.audit)]
    if not result.audit and not result.validation:  # validation gives every label of a held-out case a Dice
        text = _("Nothing was held out: neither validation nor an audit says how good the model is.")
        sentences.append(text)
    if result.score_without_curves is not None:
        text = _(
            "The contrast was matched: intensity curves raised what the source tells about the labels "
            "from {before} % to {after} %."
        )
        before, after = (round(100 * s) for s in (result.score_without_curves, result.normalised_score))
        sentences.append(text.format(before=before, after=after))
    return " ".join(filter(None, sentences))


def audit_sentences(rows: Sequence[AuditRow]) -> str:
    """The audit in plain words, differences in Dice points (hundredths), the largest first; empty
    without rows.

    Example:
        `Transfer helped GM (+3.1 Dice points). Transfer hurt lesion (-1.2 Dice points).`
    """
    ordered = sorted(rows, key=lambda row: -abs(row.difference))
    groups: tuple[tuple[Verdict, str], ...] = (
        ("helped", _("Transfer helped {labels}.")),
        ("hurt", _("Transfer hurt {labels}.")),
        ("unclear", _("Transfer made no clear difference to {labels}.")),
        ("missed", _("Neither training finds {labels}: annotate more of it, or train longer.")),
    )
    sentences = []
    for verdict, template in groups:
        found = [_label(row) for row in ordered if row.verdict == verdict]
        if found:
            sentences.append(template.format(labels=", ".join(found)))
    return " ".join(sentences)


def audit_table(rows: Sequence[AuditRow]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows (label, transferred, from scratch, difference, cases that agree)."""
    header = (_("Label"), _("Transferred"), _("From scratch"), _("Difference"), _("Better in"))
    of = _("{better} of {cases}")
    lines = (
        (
            row.label,
            f"{row.transferred:.3f}",
            f"{row.scratch:.3f}",
            f"{row.difference:+.3f}",
            of.format(better=row.better, cases=row.cases) if row.cases else "",
        )
        for row in rows
    )
    return header, tuple(lines)


def _label(row: AuditRow) -> str:
    if row.verdict not in ("helped", "hurt"):
        return row.label
    points = f"{100 * row.difference:+.1f}"
    return _("{label} ({difference} Dice points)").format(label=row.label, difference=points)
