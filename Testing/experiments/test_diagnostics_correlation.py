from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from study_rows import row, write_study

from experiments.diagnostics.__main__ import main
from experiments.diagnostics.correlation import PairRow, correlation, read_pairs, spearman, within_targets
from experiments.summary.bootstrap import Bootstrap
from experiments.summary.read import read_results
from experiments.summary.report import cells_csv
from TransferRiskLib.errors import SettingsError

QUICK = Bootstrap(2000)


def test_rank_correlation_is_scipys_with_and_without_ties():
    rng = np.random.default_rng(0)
    for levels in (3, 1000):
        x, y = rng.integers(0, levels, (2, 5, 12)).astype(float)
        expected = [spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(spearman(x, y), expected, rtol=1e-12)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_a_perfect_order_stays_perfect_in_every_resample():
    score = np.array([0.1, 0.2, 0.5, 0.9])
    found = correlation(score, score**2, QUICK)
    assert found is not None and found[0] == pytest.approx(1.0)
    assert found[1] == (pytest.approx(1.0), pytest.approx(1.0))


def test_three_pairs_have_the_interval_of_all_their_resamples():
    # of (1, 1), (2, 3), (3, 2): all three 0.5, two of them ±1; the extremes hold more than 2.5 % each
    found = correlation(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), Bootstrap(4000))
    assert found is not None
    assert found[0] == pytest.approx(0.5)
    assert found[1] == (pytest.approx(-1.0), pytest.approx(1.0))


def test_too_few_or_constant_pairs_have_none():
    assert correlation(np.array([1.0, 2]), np.array([1.0, 2]), QUICK) is None
    assert correlation(np.ones(4), np.arange(4.0), QUICK) is None


def pair(scenario: str, score: float, dice: float) -> PairRow:
    return PairRow(scenario, "new", 1, score, dice)


def test_within_targets_the_difficulty_of_a_target_plays_no_part():
    # C is easy and its sources score low; within C and within D the order is perfect and reversed
    rows = [
        pair("A-to-C", 0.1, 0.91), pair("B-to-C", 0.2, 0.92), pair("D-to-C", 0.3, 0.93),
        pair("A-to-D", 0.7, 0.33), pair("B-to-D", 0.8, 0.32), pair("C-to-D", 0.9, 0.31),
        pair("C-to-A", 0.5, 0.5),
    ]  # fmt: skip
    assert within_targets(rows[:3]) == (pytest.approx(1.0), 1)
    assert within_targets(rows) == (pytest.approx(0.0), 2)
    assert within_targets(rows[-1:]) is None
    assert spearman(*np.array([[r.score, r.dice] for r in rows[:6]]).T) < 0


def test_pairs_come_from_the_cells_of_reports(tmp_path, capsys):
    rows = []
    for number, scenario in enumerate(("A-to-B", "B-to-A", "A-to-C", "C-to-A")):
        for seed in (0, 1):
            place = {"scenario": scenario, "seed": seed, "normalised_score": 0.1 * number + 0.02 * seed}
            rows += [row("plain", 0.5 + 0.1 * number, **place), row("scratch", 0.5, **place)]
    rows.append(row("plain", 0.1, scenario="Z", normalised_score=None))
    folder = write_study(tmp_path / "study", rows, ["plain"])
    (folder / "cells.csv").write_text(cells_csv(read_results([folder])))
    found = {(r.scenario, r.method): r for r in read_pairs([folder / "cells.csv"])}
    assert len(found) == 8
    assert found["C-to-A", "plain"].score == pytest.approx(0.31)
    assert found["C-to-A", "plain"].dice == pytest.approx(0.8)
    assert found["C-to-A", "plain"].cells == 2
    output = tmp_path / "out"
    assert main(["correlation", str(folder / "cells.csv"), "--output", str(output)]) == 0
    assert capsys.readouterr().out.strip() == str(output / "correlation.md")
    text = (output / "correlation.md").read_text()
    assert "| plain | 4 | +1.00 | [+1.00, +1.00] |" in text
    assert "| scratch | 4 | – |" in text
    assert (output / "correlation.png").read_bytes().startswith(b"\x89PNG")


def test_scenarios_of_one_name_in_two_reports_are_two_pairs(tmp_path):
    header = "scenario,method,normalised_score,dice_lc\n"
    cells = {"brains": "site,plain,0.5,0.8\nage,plain,0.4,0.7\n", "hips": "site,plain,0.1,0.6\n"}
    for study, text in cells.items():
        (tmp_path / study).mkdir()
        (tmp_path / study / "cells.csv").write_text(header + text)
    found = read_pairs([tmp_path / study / "cells.csv" for study in cells])
    assert [(row.scenario, row.cells, row.score, row.dice) for row in found] == [
        ("brains: site", 1, 0.5, 0.8), ("age", 1, 0.4, 0.7), ("hips: site", 1, 0.1, 0.6),
    ]  # fmt: skip


def test_what_cannot_be_read_is_refused(tmp_path, capsys):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_pairs([tmp_path / "missing.csv"])
    (tmp_path / "cells.csv").write_text("normalised_score,dice_lc,scenario,method\n,0.5,A,plain\n")
    assert main(["correlation", str(tmp_path / "cells.csv"), "--output", str(tmp_path)]) == 2
    assert "No cell has a normalised score" in capsys.readouterr().err
