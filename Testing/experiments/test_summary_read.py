from __future__ import annotations

import json

import numpy as np
import pytest
from study_rows import row, write_study

from experiments.summary.pairs import transfer_pairs
from experiments.summary.read import read_results
from experiments.summary.results import Cell
from TransferRiskLib.errors import SettingsError


def test_rows_become_arrays_with_undefined_values_as_nan(tmp_path):
    rows = [
        row("plain", 0.8, subject="p1", case="p1_L"),
        row("plain", 0.6, subject="p1", case="p1_R", hd95=None),
        row("eep", 0.5, subject="p2", k=3, normalised_score=None, seconds=7.5, trainings=0),
    ]
    results = read_results([write_study(tmp_path, rows, ["plain", "eep"])])
    assert results.cells == (Cell("site", 0, 1, 0), Cell("site", 0, 3, 0))
    assert results.methods == ("plain", "eep")
    assert results.ks == (1, 3)
    ours = results.rows_of("plain")
    np.testing.assert_allclose(np.sort(results.values["dice"][ours]), [0.6, 0.8])
    assert np.isnan(results.values["hd95"][ours]).sum() == 1
    eep = results.rows_of("eep")[0]
    assert results.subjects[results.subject[eep]] == "p2"
    assert np.isnan(results.scores[eep])
    assert results.costs[(1, 1)] == (7.5, 0)


def test_order_and_baseline_come_from_the_study_and_unlisted_methods_follow(tmp_path):
    rows = [row(method, 0.5) for method in ("zeta", "plain", "alpha", "main")]
    folder = write_study(tmp_path, rows, ["plain", "main", "never-run"], baseline="main")
    results = read_results([folder])
    assert results.methods == ("plain", "main", "alpha", "zeta")
    assert results.baselines == ("main",)
    assert read_results([folder], ["alpha"]).baselines == ("alpha",)


def test_settings_under_config_and_several_baselines(tmp_path):
    folder = write_study(tmp_path, [row(name, 0.5) for name in "abc"])
    content = {"config": {"methods": [{"name": "c"}, {"name": "a"}], "baseline": ["a", "not-yet", "b"]}}
    (folder / "study.json").write_text(json.dumps(content))
    results = read_results([folder])
    assert results.methods == ("c", "a", "b")
    assert results.baselines == ("a", "b")


def test_selecting_keeps_only_what_is_asked_for(tmp_path):
    rows = [row("plain", 0.5, scenario=s, k=k) for s in ("site", "task") for k in (1, 3)]
    part = read_results([write_study(tmp_path, rows)]).select("task", 3)
    assert part.scenarios == ("task",) and part.ks == (3,)
    assert len(part.cell) == 1
    assert list(part.costs) == [(3, 0)]


def test_studies_merge_and_what_both_hold_is_taken_from_the_first_and_said(tmp_path):
    one = write_study(tmp_path / "a", [row("plain", 0.50), row("plain", 0.6, k=3)])
    two = write_study(tmp_path / "b", [row("plain", 0.53), row("eep", 0.7)])
    results = read_results([one, two])
    assert len(results.cell) == 3
    kept = [m for m, c in zip(results.method, results.cell, strict=True) if results.cells[c].k == 1]
    assert sorted(results.methods[m] for m in kept) == ["eep", "plain"]
    assert results.values["dice"][results.rows_of("plain")].min() == 0.5
    assert len(results.notes) == 1 and "1 rows of plain" in results.notes[0] and "3.00" in results.notes[0]


def test_what_cannot_be_read_is_refused_with_its_file(tmp_path):
    with pytest.raises(SettingsError, match="no rows"):
        read_results([tmp_path])
    folder = write_study(tmp_path / "a", [row("plain", 0.5)])
    with pytest.raises(SettingsError, match=r"'best'.*plain"):
        read_results([folder], ["best"])
    twice = write_study(tmp_path / "b", [row("plain", 0.5), row("plain", 0.6)])
    with pytest.raises(SettingsError, match=r"rows\.csv.*there already"):
        read_results([twice])
    unfinished = write_study(tmp_path / "d", [row("eep", 0.5)])
    with pytest.raises(SettingsError, match=r"'plain'.*eep"):
        read_results([unfinished])
    broken = write_study(tmp_path / "c", [row("plain", 0.5, k="many")])
    with pytest.raises(SettingsError, match=r"rows\.csv.*many"):
        read_results([broken])
    (folder / "study.json").write_text("[1")
    with pytest.raises(SettingsError, match=r"study\.json"):
        read_results([folder])


def test_scenario_names_tell_source_and_target():
    names = ["brats-T1-to-T2", "brats-T2-to-T1", "whole-to-parts", "site"]
    assert transfer_pairs(names) == {
        "brats": {"brats-T1-to-T2": ("T1", "T2"), "brats-T2-to-T1": ("T2", "T1")},
        "": {"whole-to-parts": ("whole", "parts")},
    }
    assert transfer_pairs(["T1-ce-to-B", "B-to-T1-ce"]) == {
        "": {"T1-ce-to-B": ("T1-ce", "B"), "B-to-T1-ce": ("B", "T1-ce")}
    }
