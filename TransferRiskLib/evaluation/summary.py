"""Metrics of many cases: means, tables, files."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from TransferRiskLib.atomic import write_json, write_text
from TransferRiskLib.evaluation.metrics import MetricRow
from TransferRiskLib.records import to_json

OVERALL = "all"
METRICS = tuple(f.name for f in fields(MetricRow) if f.name != "label")


@dataclass(frozen=True)
class CaseMetrics:
    """The metrics of one case, a row a foreground label."""

    case: str
    rows: tuple[MetricRow, ...]


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one label over the cases.

    Attributes:
        label: Name of the label; `all` for the mean over the labels of each case.
        metric: Field of `MetricRow`.
        cases: Cases in which the metric is defined; mean, sd and median are over these.
        undefined: Cases in which it is not (one of the masks is empty); a good mean says little
            where these are many.
        mean, median: None when it is defined nowhere.
        sd: Standard deviation of the sample (n − 1); None with fewer than two cases.
    """

    label: str
    metric: str
    cases: int
    undefined: int
    mean: float | None
    sd: float | None
    median: float | None


def overall_row(rows: Sequence[MetricRow]) -> MetricRow:
    """The mean over the labels of one case, each metric over the labels in which it is defined."""
    means: dict[str, Any] = {metric: _mean(_defined(rows, metric)) for metric in METRICS}
    return MetricRow(OVERALL, **means)


def summarise(cases: Sequence[CaseMetrics]) -> tuple[SummaryRow, ...]:
    """Mean, deviation and median of every metric: a row a label and metric, then those of `all`."""
    by_label: dict[str, list[MetricRow]] = {}
    for case in cases:
        for row in case.rows:
            by_label.setdefault(row.label, []).append(row)
    by_label[OVERALL] = [overall_row(case.rows) for case in cases if case.rows]
    return tuple(
        _summary(label, metric, rows) for label, rows in by_label.items() if rows for metric in METRICS
    )


def mean_dice(cases: Sequence[CaseMetrics]) -> dict[str, float]:
    """Mean Dice over the cases of every label, and of `all`."""
    return {row.label: row.mean for row in summarise(cases) if row.metric == "dice" and row.mean is not None}


def write_metrics(cases: Sequence[CaseMetrics], folder: Path) -> Path:
    """Write `metrics.csv`, `summary.csv` and `metrics.json` into `folder`.

    - `metrics.csv`: a row a case and label, then the case's mean as label `all`; columns `case`,
      `label`, `dice`, `hd95_mm`, `assd_mm`, `volume_error_percent`, `reference_ml`, `predicted_ml`
      as in `MetricRow`.
    - `summary.csv`: a row a label and metric; columns `label`, `metric`, `cases`, `undefined`,
      `mean`, `sd`, `median` as in `SummaryRow`.
    - `metrics.json`: both, as `{"cases": [...], "summary": [...]}`.

    Undefined values are empty cells in CSV and null in JSON.

    Returns:
        The path of `metrics.csv`.
    """
    summary = summarise(cases)
    rows = [
        {"case": case.case, **asdict(row)}
        for case in cases
        for row in (*case.rows, *([overall_row(case.rows)] if case.rows else []))
    ]
    write_text(folder / "metrics.csv", _csv(("case", "label", *METRICS), rows))
    columns = tuple(f.name for f in fields(SummaryRow))
    write_text(folder / "summary.csv", _csv(columns, [asdict(row) for row in summary]))
    write_json(folder / "metrics.json", {"cases": to_json(list(cases)), "summary": to_json(summary)})
    return folder / "metrics.csv"


def _summary(label: str, metric: str, rows: Sequence[MetricRow]) -> SummaryRow:
    values = _defined(rows, metric)
    return SummaryRow(
        label,
        metric,
        len(values),
        len(rows) - len(values),
        _mean(values),
        statistics.stdev(values) if len(values) > 1 else None,
        statistics.median(values) if values else None,
    )


def _defined(rows: Iterable[MetricRow], metric: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, metric)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # None is written as an empty cell
    return text.getvalue()
