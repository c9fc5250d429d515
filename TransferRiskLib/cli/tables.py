"""Plain text tables for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from TransferRiskLib.tasks.results import ModelScore


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table: text to the left, numbers to the right with three decimals; None is an empty cell.

    Example:
        >>> table(["label", "Dice"], [["tumour", 0.5]])
        ['label    Dice', 'tumour  0.500']
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(not isinstance(row[column], str) for row in rows) for column in range(len(header))]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]
    return [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in [list(header), *cells]
    ]


def unnamed_lines(score: ModelScore) -> list[str]:
    """A line on the labels that a model cannot name by itself; none where it has an output for each."""
    labels = ", ".join(score.unnamed)
    return [f"{score.model} has no output that stands for {labels}"] if labels else []


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
