from __future__ import annotations

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import AuditEntry, audit_rows, audit_sentence


def entry(label, points):
    return AuditEntry(label, 0.5 + points / 100, 0.5, 3, points / 100)


def test_rows_hold_means_over_folds():
    (row,) = audit_rows({"gm": [0.8, 0.6]}, {"gm": [0.5, 0.7]})
    assert (row.label, row.folds) == ("gm", 2)
    assert (row.transferred, row.scratch) == pytest.approx((0.7, 0.6))
    assert row.difference == pytest.approx(0.1)


def test_the_sentence_says_where_transfer_helped_and_where_it_hurt():
    sentence = audit_sentence([entry("lesion", -1.2), entry("GM", 3.1)])
    assert sentence == "Transfer helped GM (+3.1 Dice points) and hurt lesion (-1.2)."


def test_the_sentence_orders_by_size_and_names_what_did_not_change():
    sentence = audit_sentence([entry("a", 0.5), entry("b", 2), entry("c", 0.01), entry("d", 1)])
    assert (
        sentence == "Transfer helped b (+2.0 Dice points), d (+1.0) and a (+0.5); it made no difference to c."
    )


def test_a_sentence_of_harm_only_and_of_nothing():
    assert audit_sentence([entry("a", -4)]) == "Transfer hurt a (-4.0 Dice points)."
    assert audit_sentence([entry("a", 0), entry("b", 0)]) == "Transfer made no difference to a and b."
    assert audit_sentence([]) == "Transfer was not audited."


@pytest.mark.parametrize("scratch", [{"wm": [0.5]}, {"gm": [0.5, 0.5]}])
def test_an_audit_that_is_not_paired_is_refused(scratch):
    with pytest.raises(SettingsError):
        audit_rows({"gm": [0.5]}, scratch)


def test_an_audit_without_folds_is_refused():
    with pytest.raises(SettingsError, match="0 and 0 folds"):
        audit_rows({"gm": []}, {"gm": []})
