from __future__ import annotations

import csv
import json

import pytest

from TransferRiskLib.evaluation.metrics import MetricRow
from TransferRiskLib.evaluation.summary import CaseMetrics, mean_dice, overall_row, summarise, write_metrics


def a_row(label, dice, hd95=1.0):
    return MetricRow(label, dice, hd95, hd95, 10.0, 2.0, 2.2)


CASES = (
    CaseMetrics("first", (a_row("csf", 0.5), a_row("lesion", 0.0, None))),
    CaseMetrics("second", (a_row("csf", 0.7), a_row("lesion", 0.8, 4.0))),
    CaseMetrics("third", (a_row("csf", 0.9), a_row("lesion", 0.4, 2.0))),
)


def find(rows, label, metric):
    return next(row for row in rows if (row.label, row.metric) == (label, metric))


def test_mean_deviation_and_median_by_hand():
    row = find(summarise(CASES), "csf", "dice")
    assert (row.cases, row.undefined) == (3, 0)
    assert row.mean == pytest.approx(0.7)
    assert row.sd == pytest.approx(0.2)
    assert row.median == pytest.approx(0.7)


def test_undefined_values_are_counted_apart():
    row = find(summarise(CASES), "lesion", "hd95_mm")
    assert (row.cases, row.undefined, row.mean) == (2, 1, 3.0)


def test_overall_is_the_mean_over_cases_of_the_mean_over_labels():
    row = find(summarise(CASES), "all", "dice")
    assert row.mean == pytest.approx((0.25 + 0.75 + 0.65) / 3)
    assert overall_row(CASES[0].rows).hd95_mm == 1.0
    assert mean_dice(CASES) == pytest.approx({"csf": 0.7, "lesion": 0.4, "all": 0.55})


def test_one_case_has_no_deviation():
    assert find(summarise(CASES[:1]), "csf", "dice").sd is None


def test_files_hold_every_case_and_no_nan(tmp_path):
    path = write_metrics(CASES, tmp_path)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["label"]) for row in rows[:3]] == [
        ("first", "csf"), ("first", "lesion"), ("first", "all"),
    ]  # fmt: skip
    assert rows[1]["hd95_mm"] == ""
    assert float(rows[0]["dice"]) == 0.5
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["cases"][0]["rows"][1]["hd95_mm"] is None
    assert (tmp_path / "summary.csv").read_text().startswith("label,metric,cases,undefined,mean,sd,median\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.csv", "metrics.json", "summary.csv"]
