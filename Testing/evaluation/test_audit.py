from __future__ import annotations

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import AuditRow, audit_rows, audit_sentence


def row(label, points, cases=3, agreeing=3):
    """A row on whose sign `agreeing` of the cases agree; the others are against it."""
    better, worse = (agreeing, cases - agreeing) if points > 0 else (cases - agreeing, agreeing)
    return AuditRow(label, 0.5 + points / 100, 0.5, cases, better, worse)


def test_rows_hold_means_over_cases_and_count_them():
    (found,) = audit_rows({"gm": [0.8, 0.6, 0.4]}, {"gm": [0.5, 0.7, 0.4]})
    assert (found.label, found.cases, found.better, found.worse) == ("gm", 3, 1, 1)
    assert (found.transferred, found.scratch) == pytest.approx((0.6, 1.6 / 3))
    assert found.difference == pytest.approx(0.2 / 3)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row("a", 3), "helped"), (row("a", -3), "hurt"),
        (row("a", 0.9), "unclear"), (row("a", -0.9), "unclear"), (row("a", 0), "unclear"),
        (row("a", 30, 3, 2), "unclear"), (row("a", -30, 3, 2), "unclear"),
        (row("a", 3, 5, 4), "helped"), (row("a", -3, 10, 8), "hurt"), (row("a", -3, 10, 7), "unclear"),
        (AuditRow("a", 0.6, 0.5), "helped"),
        (AuditRow("a", 0.04, 0.0, 3, 3, 0), "missed"), (AuditRow("a", 0.0, 0.0, 3), "missed"),
        (AuditRow("a", 0.06, 0.0, 3, 3, 0), "helped"), (AuditRow("a", 0.0, 0.06, 3, 0, 3), "hurt"),
    ],
)  # fmt: skip
def test_only_what_is_large_and_agreed_on_is_called_help_or_harm(found, verdict):
    assert found.verdict == verdict


def test_the_sentence_says_where_transfer_helped_and_where_it_hurt():
    sentence = audit_sentence([row("lesion", -1.2), row("GM", 3.1)])
    assert sentence == "Transfer helped GM (+3.1 Dice points) and hurt lesion (-1.2)."


def test_the_sentence_orders_by_size_and_names_what_is_not_clear():
    sentence = audit_sentence([row("a", 1.5), row("b", 2), row("c", 0.01), row("d", 1.1), row("e", 9, 3, 2)])
    assert sentence == (
        "Transfer helped b (+2.0 Dice points), a (+1.5) and d (+1.1); it made no clear difference to c and e."
    )


def test_a_sentence_of_harm_only_and_of_nothing():
    assert audit_sentence([row("a", -4)]) == "Transfer hurt a (-4.0 Dice points)."
    assert audit_sentence([row("a", 0), row("b", 0)]) == "Transfer made no clear difference to a and b."
    assert audit_sentence([]) == "Transfer was not audited."


def test_the_sentence_names_labels_that_nothing_finds():
    missed = [AuditRow("a", 0.0, 0.0, 3), AuditRow("b", 0.01, 0.03, 3, 0, 3)]
    assert audit_sentence(missed) == "Neither training finds a and b."
    assert audit_sentence([row("c", 2), missed[0]]) == (
        "Transfer helped c (+2.0 Dice points). Neither training finds a."
    )


@pytest.mark.parametrize("scratch", [{"wm": [0.5]}, {"gm": [0.5, 0.5]}])
def test_an_audit_that_is_not_paired_is_refused(scratch):
    with pytest.raises(SettingsError):
        audit_rows({"gm": [0.5]}, scratch)


def test_an_audit_without_folds_is_refused():
    with pytest.raises(SettingsError, match="0 and 0 cases"):
        audit_rows({"gm": []}, {"gm": []})
