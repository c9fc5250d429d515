"""Tables of numbers as HTML and Markdown, formatted in one way everywhere."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

MISSING = "–"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `count` values; `sd` is None for a single value."""

    mean: float
    sd: float | None
    count: int


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: Of the rows' dicts.
        title: Shown in the head; units belong here.
        digits: Decimals of numbers.
        best: Whether the highest or the lowest number is set in bold; None for neither.
        signed: Show a plus sign before positive numbers (differences).
    """

    key: str
    title: str
    digits: int = 2
    best: Literal["high", "low"] | None = None
    signed: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption; `rows` map column keys to text, numbers, `Spread` or None."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and sample standard deviation of the finite values; None when there are none.

    Example:
        >>> spread([1.0, 3.0])
        Spread(mean=2.0, sd=1.4142135623730951, count=2)
    """
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def format_number(value: float, digits: int = 2, signed: bool = False) -> str:
    """A number with fixed decimals and a true minus sign; never "-0.00"."""
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    sign = "−" if value < 0 else "+" if signed else ""
    return sign + text


def format_cell(value: object, digits: int = 2, signed: bool = False) -> str:
    """The text of a table cell, not yet escaped."""
    if value is None:
        return MISSING
    if isinstance(value, Spread):
        mean = format_number(value.mean, digits, signed)
        return mean if value.sd is None else f"{mean} ± {format_number(value.sd, digits)}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return ("−" if value < 0 else "+" if signed and value > 0 else "") + f"{abs(value):,}"
    if isinstance(value, float):
        return format_number(value, digits, signed)
    return str(value)


def to_html(table: Table) -> str:
    """An accessible `<table>`: caption, column and row heads with their scope."""
    numeric = {column.key: _is_numeric(table, column) for column in table.columns}
    best = {column.key: _best_rows(table, column) for column in table.columns}
    head = "".join(
        f'<th scope="col"{_class(numeric[column.key])}>{escape(column.title)}</th>'
        for column in table.columns
    )
    lines = ["<table>", f"<caption>{escape(table.caption)}</caption>", f"<thead><tr>{head}</tr></thead>"]
    lines.append("<tbody>")
    for number, row in enumerate(table.rows):
        cells = []
        for position, column in enumerate(table.columns):
            text = escape(format_cell(row.get(column.key), column.digits, column.signed))
            if number in best[column.key]:
                text = f"<strong>{text}</strong>"
            tag, scope = ("th", ' scope="row"') if position == 0 else ("td", "")
            cells.append(f"<{tag}{scope}{_class(numeric[column.key])}>{text}</{tag}>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(lines)


def to_markdown(table: Table) -> str:
    """The same table in GitHub's Markdown, caption first."""
    best = {column.key: _best_rows(table, column) for column in table.columns}
    lines = [f"**{_plain(table.caption)}**", ""]
    lines.append("| " + " | ".join(_plain(column.title) for column in table.columns) + " |")
    lines.append(
        "|" + "|".join("---:" if _is_numeric(table, column) else ":---" for column in table.columns) + "|"
    )
    for number, row in enumerate(table.rows):
        cells = []
        for column in table.columns:
            text = _plain(format_cell(row.get(column.key), column.digits, column.signed))
            cells.append(f"**{text}**" if number in best[column.key] else text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _plain(text: str) -> str:
    escaped = escape(text, quote=False).replace("\\", "\\\\")
    for character in "|*_`":
        escaped = escaped.replace(character, "\\" + character)
    return " ".join(escaped.split())


def _number(value: object) -> float | None:
    if isinstance(value, Spread):
        return value.mean
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _is_numeric(table: Table, column: Column) -> bool:
    values = [row.get(column.key) for row in table.rows]
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(v, (int, float, Spread)) for v in known)


def _best_rows(table: Table, column: Column) -> set[int]:
    """Rows whose number, as it is shown, equals the best; empty where all are alike."""
    if column.best is None:
        return set()
    numbers = {
        index: round(number, column.digits)
        for index, row in enumerate(table.rows)
        if (number := _number(row.get(column.key))) is not None
    }
    if len(set(numbers.values())) < 2:
        return set()
    target = max(numbers.values()) if column.best == "high" else min(numbers.values())
    return {index for index, number in numbers.items() if number == target}
