from __future__ import annotations

import numpy as np
import pytest
from diagnosed import diagnosed

from experiments.diagnostics.calibration import BINS, Calibration, Reliability, tenth_rows
from experiments.diagnostics.calibration_report import calibration_table, tenths_table, write_calibration
from experiments.diagnostics.regions import AROUND, WHOLE
from experiments.summary.bootstrap import Bootstrap

QUICK = Bootstrap(2000)


def two(foreground: list[float]) -> np.ndarray:
    values = np.array(foreground)
    return np.stack([1 - values, values])


def test_calibration_error_by_hand():
    # confidences 0.9, 0.9 (one right), 0.6, 0.6 (both right)
    sums = Reliability.of(two([0.9, 0.9, 0.4, 0.6]), np.array([1, 0, 0, 1]))
    assert sums.error == pytest.approx(0.5 * abs(0.5 - 0.9) + 0.5 * abs(1 - 0.6))
    assert sums.bias == pytest.approx((0.9 * 2 + 0.6 * 2 - 3) / 4)
    confidence, accuracy = sums.curve
    np.testing.assert_allclose(confidence, [0.6, 0.9])
    np.testing.assert_allclose(accuracy, [1.0, 0.5])


def test_bins_are_half_open_and_certainty_is_in_the_last():
    sums = Reliability.of(two([1.0, 9 / 15 + 1e-9, 9 / 15 - 1e-9]), np.array([1, 1, 1]))
    np.testing.assert_array_equal(np.flatnonzero(sums.count), [8, 9, BINS - 1])
    on_an_edge = Reliability.of(two([9 / 15]), np.array([1]))
    np.testing.assert_array_equal(np.flatnonzero(on_an_edge.count), [8])


def test_probabilities_that_are_drawn_from_are_calibrated():
    rng = np.random.default_rng(0)
    foreground = rng.random(200_000)
    labels = (rng.random(200_000) < foreground).astype(int)
    assert Reliability.of(two(list(foreground)), labels).error < 0.01
    sharpened = foreground**4 / (foreground**4 + (1 - foreground) ** 4)
    too_sure = Reliability.of(two(list(sharpened)), labels)
    assert too_sure.error > 0.1 and too_sure.bias == pytest.approx(too_sure.error, abs=0.01)


def test_sums_merge_and_nothing_has_no_error():
    rng = np.random.default_rng(1)
    foreground, labels = rng.random(60), rng.integers(0, 2, 60)
    whole = Reliability.of(two(list(foreground)), labels)
    parts = [Reliability.of(two(list(foreground[p])), labels[p]) for p in (slice(0, 20), slice(20, 60))]
    assert (parts[0] + parts[1]).error == pytest.approx(whole.error)
    empty = Reliability.of(np.zeros((2, 0)), np.zeros(0, int))
    assert empty.error is None and empty.bias is None


def graded(case: str = "c1", subject: str = "p1"):
    """Twenty organ voxels; the EEP's foreground falls and its expected risk rises along them."""
    labels = np.ones((1, 1, 20), int)
    eep = np.linspace(0.99, 0.6, 20).reshape(1, 1, 20)
    source = np.ones((1, 1, 20))
    source[..., -2:] = 0.0
    risk = np.linspace(0.1, 2.0, 20, dtype=np.float32).reshape(1, 1, 20)
    return diagnosed(labels, {"source": source, "EEP": eep}, {"expected risk": risk}, case, subject)


def test_errors_by_tenths_of_expected_risk():
    made = graded()
    rows = tenth_rows(made, np.ones(made.labels.shape, bool))
    source = [row for row in rows if row.errors_of == "source"]
    assert [row.tenth for row in source] == list(range(1, 11))
    assert [row.observed_error for row in source] == [0.0] * 9 + [1.0]
    assert [row.observed_error for row in rows if row.errors_of == "EEP"] == [0.0] * 10
    assert source[0].expected_risk == pytest.approx((0.1 + 0.2) / 2, rel=1e-5)
    eep = np.linspace(0.99, 0.6, 20)
    assert source[9].expected_error == pytest.approx(1 - eep[-2:].mean(), rel=1e-5)
    assert tenth_rows(made, np.zeros(made.labels.shape, bool)) == []


def test_tables_average_cases():
    made = Calibration.of([graded("c1", "p1"), graded("c2", "p2")])
    by_name = {row["of"]: row for row in calibration_table(made.rows, QUICK).rows}
    # the source is certain and wrong in 2 of 20
    assert by_name["source"][f"calibration_error {WHOLE}"] == "10.0 [10.0, 10.0]"
    assert by_name["source"][f"overconfidence {AROUND}"] == "10.0 [10.0, 10.0]"
    last = tenths_table(made.tenths).rows[-1]
    assert last["source"] == pytest.approx(100) and last["EEP"] == 0
    assert made.pooled["source", WHOLE].count.sum() == 40


def test_files_are_written(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.zeros((6, 6, 6), int)
    labels[2:5, 2:5, 2:5] = 1
    noisy = {name: np.clip(labels + rng.normal(0, 0.4, labels.shape), 0, 1) for name in ("source", "EEP")}
    made = write_calibration([diagnosed(labels, noisy)], tmp_path, QUICK)
    assert "expected errors" in made.read_text()
    assert (tmp_path / "tenths.csv").read_text().count("\n") == 1 + 10 * 2
    assert (tmp_path / "calibration.csv").read_text().count("\n") == 1 + 2 * 3
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")
