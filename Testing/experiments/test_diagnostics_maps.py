from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from diagnosed import diagnosed

from experiments.diagnostics.inputs import material, renaming
from experiments.diagnostics.maps import AurocRow, auroc_rows, auroc_table, write_maps
from experiments.diagnostics.means import mean_over_cases
from experiments.diagnostics.regions import AROUND, BOUNDARY, WHOLE, regions
from experiments.summary.bootstrap import Bootstrap
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.transfer.statistics import JointStatistics
from TransferRiskLib.volumes.geometry import Geometry

QUICK = Bootstrap(2000)


def line(*labels: int) -> np.ndarray:
    return np.array(labels).reshape(1, 1, -1)


def test_regions_of_a_line_of_voxels():
    #              0  1  2  3  4  5  6  7  8  9 10 11 12
    labels = line(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, -1)
    found = {name: np.flatnonzero(mask) for name, mask in regions(labels).items()}
    np.testing.assert_array_equal(found[WHOLE], range(12))
    np.testing.assert_array_equal(found[BOUNDARY], [6, 7, 8, 9])
    np.testing.assert_array_equal(found[AROUND], range(3, 12))


def test_unlabelled_voxels_make_no_boundary_and_a_lone_class_has_none():
    labels = line(0, -1, -1, -1, 1, 1)
    found = regions(labels)
    assert not found[BOUNDARY].any()
    assert not regions(line(0, 0, 0))[BOUNDARY].any()
    assert not regions(line(0, 0, 0))[AROUND].any()


def test_two_foreground_classes_have_a_boundary_between_them():
    labels = line(1, 1, 1, 1, 2, 2, 2, 2)
    np.testing.assert_array_equal(np.flatnonzero(regions(labels)[BOUNDARY]), [2, 3, 4, 5])


def loaded(labels: np.ndarray) -> LoadedCase:
    size = labels.shape[::-1]
    grid = Geometry(size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    images = np.zeros((1, *labels.shape), np.float32)
    return LoadedCase("c", ("T1",), images, grid, labels, LabelScheme.of("organ"), "p", None)  # type: ignore[arg-type]


def test_the_material_of_a_case_follows_the_definitions():
    # P(y|z): state 0 is background in 8 of 10, state 1 is organ in 3 of 4; P(organ) = 5 / 14
    joint = np.array([[8.0, 1.0], [2.0, 3.0]])
    statistics = JointStatistics(joint, np.array([9, 5]), ("background", "organ"), ("dark", "bright"))
    labels = line(0, 1, 1)
    states = np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]], np.float32).reshape(2, 1, 1, 3)
    own = np.array([[0.9, 0.9, 0.1], [0.1, 0.1, 0.9]], np.float32).reshape(2, 1, 1, 3)
    made = material(loaded(labels), states, statistics, {"adapted": own})
    eep = np.array([0.2, 0.2 / 2 + 0.75 / 2, 0.75])
    np.testing.assert_allclose(made.probabilities["EEP"][1].ravel(), eep, rtol=1e-6)
    np.testing.assert_allclose(made.probabilities["source"][1].ravel(), [0, 0.5, 1], atol=1e-7)
    risk = [-math.log(0.8), -math.log(eep[1]), -math.log(0.75)]
    np.testing.assert_allclose(made.scores["risk"].ravel(), risk, rtol=1e-5)
    surprise = [-math.log(9 / 14), -math.log(5 / 14), -math.log(5 / 14)]
    negated_gain = [r - s for r, s in zip(risk, surprise, strict=True)]
    np.testing.assert_allclose(made.scores["negated gain"].ravel(), negated_gain, rtol=1e-5)
    np.testing.assert_allclose(made.scores["source entropy"].ravel(), [0, math.log(2), 0], atol=1e-6)
    binary = [-p * math.log(p) - (1 - p) * math.log(1 - p) for p in eep]
    np.testing.assert_allclose(made.scores["expected risk"].ravel(), binary, rtol=1e-5)
    np.testing.assert_array_equal(made.errors["adapted"].ravel(), [False, True, False])
    np.testing.assert_array_equal(made.errors["EEP"].ravel(), [False, True, False])
    assert set(made.scores_for("adapted")) - set(made.scores_for("EEP")) == {"own entropy"}


def test_states_are_renamed_by_name_or_else_by_majority():
    joint = np.array([[8.0, 1.0], [2.0, 3.0]])
    counts = np.array([9, 5])
    crossed = JointStatistics(joint, counts, ("background", "organ"), ("organ", "background"))
    np.testing.assert_array_equal(renaming(crossed), [[0, 1], [1, 0]])
    others = JointStatistics(joint, counts, ("background", "organ"), ("a", "b"))
    np.testing.assert_array_equal(renaming(others), [[1, 0], [0, 1]])
    rare = JointStatistics(np.array([[8.0, 3.0], [2.0, 1.0]]), np.array([11, 3]), ("b", "o"), ("a", "c"))
    np.testing.assert_array_equal(renaming(rare), [[1, 1], [0, 0]])


def test_auroc_in_every_region_with_undefined_ones():
    labels = line(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, -1)
    wrong = np.zeros(labels.shape)
    wrong[..., 8:10] = 1.0  # right: both organ voxels
    wrong[..., 0] = 0.8  # an error far away
    wrong[..., 7] = 0.8  # an error at the boundary
    risk = np.zeros(labels.shape, np.float32)
    risk[..., 7], risk[..., 8], risk[..., 0] = 2.0, 1.0, 0.5
    made = diagnosed(labels, {"source": wrong, "EEP": labels == 1}, {"risk": risk})
    rows = {(row.errors_of, row.score, row.region): row for row in auroc_rows(made)}
    # errors score 2 and 0.5; eight right voxels score 0 but one, which scores 1
    assert rows["source", "risk", WHOLE].auroc == pytest.approx((8 + 7) / 16)
    assert (rows["source", "risk", WHOLE].voxels, rows["source", "risk", WHOLE].errors) == (10, 2)
    assert rows["source", "risk", BOUNDARY].auroc == 1.0
    assert rows["source", "expected risk", BOUNDARY].auroc == 0.5
    assert rows["EEP", "risk", WHOLE].auroc is None and rows["EEP", "risk", WHOLE].errors == 0


def test_means_leave_out_undefined_cases_and_resample_subjects():
    found = mean_over_cases([0.6, 0.8, None, 1.0], ["p", "p", "q", "r"], QUICK)
    assert found is not None
    assert (found.mean, found.cases) == (pytest.approx(0.8), 3)
    assert found.interval == (pytest.approx(0.7), pytest.approx(1.0))
    assert found.text() == "0.80 [0.70, 1.00]"
    assert mean_over_cases([None], ["p"], QUICK) is None
    lone = mean_over_cases([0.5, 0.7], ["p", "p"], QUICK)
    assert lone is not None and lone.interval is None and lone.text() == "0.60"


def test_the_table_gives_means_by_region():
    rows = [
        AurocRow(f"c{n}", f"p{n}", "source", "risk", region, value, 10, 1)
        for region, values in ((WHOLE, (0.9, 0.9)), (BOUNDARY, (0.5, 0.7)), (AROUND, (None, None)))
        for n, value in enumerate(values)
    ]
    (one,) = auroc_table(rows, QUICK).rows
    assert one[WHOLE] == "0.90 [0.90, 0.90]"
    assert one[BOUNDARY] == "0.60 [0.50, 0.70]"
    assert one[AROUND] == "–"
    assert one["cases"] == 2


def test_files_are_written(tmp_path):
    rng = np.random.default_rng(0)
    cases = []
    for number in range(2):
        labels = np.zeros((6, 6, 6), int)
        labels[2:5, 2:5, 2:5] = 1
        names = ("source", "EEP", "plain")
        noisy = {name: np.clip(labels + rng.normal(0, 0.4, labels.shape), 0, 1) for name in names}
        scores = {"risk": rng.random(labels.shape)}
        cases.append(diagnosed(labels, noisy, scores, f"c{number}", f"p{number}"))
    made = write_maps(cases, tmp_path, QUICK)
    with (tmp_path / "auroc.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    # 3 regions; 4 maps for source and EEP, 5 for the adapted model
    assert len(rows) == 2 * 3 * (4 + 4 + 5)
    assert {row["score"] for row in rows if row["errors_of"] == "plain"} >= {"own entropy", "risk"}
    assert "own entropy" in made.read_text()
    assert (tmp_path / "auroc.png").read_bytes().startswith(b"\x89PNG")
