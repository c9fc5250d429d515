from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon
from study_rows import row, write_study

from experiments.summary.paired import compare, compare_pairs, dice, differences, hd95, holm, wilcoxon_p
from experiments.summary.read import read_results
from experiments.summary.results import Cell


def results_of(tmp_path, rows, methods=("plain", "new")):
    return read_results([write_study(tmp_path, rows, list(methods))], ["plain"])


def test_differences_are_means_over_the_cases_and_labels_of_a_cell(tmp_path):
    rows = [
        row("plain", 0.50, subject="p1", label="a"),
        row("plain", 0.60, subject="p1", label="b"),
        row("plain", 0.70, subject="p2", label="a"),
        row("new", 0.52, subject="p1", label="a"),
        row("new", 0.60, subject="p1", label="b"),
        row("new", 0.80, subject="p2", label="a"),
        row("plain", 0.40, k=3),
        row("new", 0.30, k=3),
        row("new", 0.99, k=6),  # no baseline there
    ]
    found = differences(results_of(tmp_path, rows), "new", "plain", dice())
    assert found.by_cell() == {
        Cell("site", 0, 1, 0): pytest.approx((2 + 0 + 10) / 3),
        Cell("site", 0, 3, 0): pytest.approx(-10),
    }
    assert found.by_scenario() == {"site": pytest.approx((4 - 10) / 2)}


def test_a_comparison_worked_out_by_hand(tmp_path):
    # cells: +2, −1, 0 (tie) in A; +4 in B
    gains = {("A", 0): 0.02, ("A", 1): -0.01, ("A", 2): 0.0, ("B", 0): 0.04}
    rows = []
    for (scenario, seed), gain in gains.items():
        for subject in ("p1", "p2"):
            place = {"scenario": scenario, "seed": seed, "subject": subject}
            rows += [row("plain", 0.5, **place), row("new", 0.5 + gain, **place)]
    made = compare(results_of(tmp_path, rows), "new", "plain", dice())
    assert made is not None
    assert (made.cells, made.subjects) == (4, 2)
    assert made.mean == pytest.approx((1 / 3 + 4) / 2)
    assert made.median == pytest.approx(1.0)
    assert made.sd == pytest.approx(np.std([2, -1, 0, 4], ddof=1))
    assert (made.wins, made.ties) == (2, 1)
    assert made.win_share == 0.5
    assert made.worst == ("A", pytest.approx(1 / 3))


def test_lower_is_better_for_distances(tmp_path):
    rows = []
    for scenario, change in (("A", -1.0), ("B", 2.0)):
        for method, value in (("plain", 5.0), ("new", 5.0 + change)):
            rows.append(row(method, 0.5, scenario=scenario, hd95=value))
    made = compare(results_of(tmp_path, rows), "new", "plain", hd95())
    assert made is not None
    assert (made.wins, made.cells) == (1, 2)
    assert made.worst == ("B", pytest.approx(2.0))


def test_undefined_distances_leave_both_methods_and_are_counted(tmp_path):
    rows = [
        row("plain", 0.5, subject="p1", hd95=4.0),
        row("new", 0.5, subject="p1", hd95=3.0),
        row("plain", 0.5, subject="p2", hd95=None),
        row("new", 0.5, subject="p2", hd95=90.0),
        row("plain", 0.5, subject="p3", hd95=90.0),
        row("new", 0.0, subject="p3", hd95=None),
        row("plain", 0.5, k=3, hd95=None),
        row("new", 0.5, k=3, hd95=None),
    ]
    results = results_of(tmp_path, rows)
    made = compare(results, "new", "plain", hd95())
    assert made is not None
    assert (made.mean, made.cells, made.subjects, made.left_out) == (-1.0, 1, 1, 3)
    assert made.interval is None
    overlap = compare(results, "new", "plain", dice())
    assert overlap is not None and overlap.left_out == 0 and overlap.cells == 2


def test_methods_that_never_meet_are_not_compared(tmp_path):
    results = results_of(tmp_path, [row("plain", 0.5), row("new", 0.6, k=3)])
    assert compare(results, "new", "plain", dice()) is None
    assert compare(results, "unknown", "plain", dice()) is None


def test_wilcoxon_is_scipys_on_the_subjects_means(tmp_path):
    rng = np.random.default_rng(0)
    rows, gains = [], {}
    for number in range(9):
        for seed in (0, 1):
            gain = float(rng.normal(0.02, 0.03))
            gains.setdefault(number, []).append(100 * gain)
            place = {"subject": f"p{number}", "seed": seed}
            rows += [row("plain", 0.5, **place), row("new", 0.5 + gain, **place)]
    made = compare(results_of(tmp_path, rows), "new", "plain", dice())
    means = np.array([np.mean(values) for values in gains.values()])
    assert made is not None
    assert made.p == pytest.approx(wilcoxon(means).pvalue, rel=1e-9)
    assert made.p < 0.5


def test_wilcoxon_by_counting_the_signs():
    # three positive ranks: the most extreme of the 2^3 sign patterns on either side
    assert wilcoxon_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert wilcoxon_p(np.array([1.0, 2.0, 3.0, 0.0, 1e-15])) == pytest.approx(2 / 8)
    assert wilcoxon_p(np.zeros(4)) == 1.0


def test_holm_on_known_p_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_counts_the_methods_of_the_table(tmp_path):
    rng = np.random.default_rng(1)
    rows = []
    for number in range(8):
        rows.append(row("plain", 0.5, subject=f"p{number}"))
        rows.append(row("good", 0.55 + 0.001 * number, subject=f"p{number}"))
        rows.append(row("same", 0.5 + float(rng.normal(0, 0.01)), subject=f"p{number}"))
    results = results_of(tmp_path, rows, ("plain", "good", "same"))
    good, same = compare_pairs(results, [("good", "plain"), ("same", "plain")], dice())
    assert good.p == pytest.approx(2 / 2**8)
    assert good.p_holm == pytest.approx(2 * good.p)
    assert same.p_holm == pytest.approx(same.p)
