from __future__ import annotations

import math

import pytest

from TransferRiskLib.reports.tables import Column, Spread, Table, format_cell, spread, to_html, to_markdown


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (None, 2, False, "–"),
        (math.nan, 2, False, "–"),
        (1.005, 1, False, "1.0"),
        (-0.25, 1, False, "−0.2"),
        (-0.04, 1, True, "0.0"),
        (3.14159, 2, True, "+3.14"),
        (1234567, 2, False, "1,234,567"),
        (True, 2, False, "yes"),
        (Spread(-1.25, 0.5, 3), 2, False, "−1.25 ± 0.50"),
        (Spread(2.0, None, 1), 1, False, "2.0"),
        ("lesion", 2, False, "lesion"),
    ],
)
def test_cells_are_formatted_alike(value, digits, signed, text):
    assert format_cell(value, digits, signed) == text


def test_spread_is_the_sample_standard_deviation_of_the_known_values():
    result = spread([1.0, None, 3.0, math.nan, 5.0])
    assert result == Spread(3.0, 2.0, 3)
    assert spread([None]) is None
    assert spread([4.0]) == Spread(4.0, None, 1)


def a_table(rows):
    return Table("Scores", [Column("method", "Method"), Column("dice", "Dice", 1, "high")], rows)


def test_the_best_value_is_bold_and_so_are_ties_as_shown():
    rows = [{"method": "a", "dice": 80.04}, {"method": "b", "dice": 80.01}, {"method": "c", "dice": 79.0}]
    text = to_html(a_table(rows))
    assert text.count("<strong>80.0</strong>") == 2
    assert "<strong>79.0</strong>" not in text


def test_the_lowest_is_best_where_the_column_says_so():
    columns = [Column("method", "Method"), Column("hd95", "HD95", 1, "low")]
    rows = [{"method": "a", "hd95": None}, {"method": "b", "hd95": 2.0}, {"method": "c", "hd95": 5.0}]
    assert "| b | **2.0** |" in to_markdown(Table("Surface", columns, rows))


def test_nothing_is_bold_when_all_are_alike():
    assert "<strong>" not in to_html(a_table([{"method": "a", "dice": 1.0}, {"method": "b", "dice": 1.0}]))


def test_html_is_escaped_everywhere():
    table = Table("<b>&", [Column("x", "<i>")], [{"x": "<script>alert(1)</script>"}])
    text = to_html(table)
    assert "<script>" not in text and "<i>" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_markdown_is_a_table_with_aligned_numbers():
    rows = [{"method": "a|b", "dice": Spread(80.0, 1.5, 3)}, {"method": "c"}]
    assert to_markdown(a_table(rows)).splitlines() == [
        "**Scores**",
        "",
        "| Method | Dice |",
        "|:---|---:|",
        "| a\\|b | 80.0 ± 1.5 |",
        "| c | – |",
    ]
