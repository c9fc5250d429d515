from __future__ import annotations

import csv
import io

import matplotlib.image
import numpy as np
import pytest
from study_rows import row, write_study

from experiments.summary import figures
from experiments.summary.__main__ import main
from experiments.summary.bootstrap import Bootstrap
from experiments.summary.paired import compare, dice, hd95
from experiments.summary.read import read_results
from experiments.summary.report import write_report
from experiments.summary.tables import ablation_table, k_table, losses_table, methods_table
from experiments.summary.verdict import Thresholds, verdict_table, verdicts
from TransferRiskLib.reports.tables import Spread

QUICK = Bootstrap(2000)
GAINS = {"plain": 0.0, "worse": -0.03, "better": 0.02}


def study(folder, baseline="plain"):
    """Two scenarios, k = 1 and 3, two seeds, three subjects; `worse` collapses in one cell."""
    rows = []
    for scenario in ("A-to-B", "B-to-A"):
        for k in (1, 3):
            for seed in (0, 1):
                for number in range(3):
                    for method, gain in GAINS.items():
                        value = 0.5 + 0.05 * k + 0.01 * number + gain
                        if method == "worse" and (scenario, k, seed) == ("A-to-B", 1, 1):
                            value = 0.1
                        place = {"scenario": scenario, "k": k, "seed": seed, "subject": f"p{number}"}
                        rows.append(row(method, value, **place))
    return write_study(folder, rows, list(GAINS), baseline)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return read_results([study(tmp_path_factory.mktemp("study"))])


def test_the_table_of_methods(results):
    table = methods_table(results, "plain", "_lc", "All", QUICK)
    by_name = {one["method"]: one for one in table.rows}
    assert list(by_name) == ["plain", "worse", "better"]
    better = by_name["better"]
    assert better["cells"] == 8
    assert better["dice"] == Spread(pytest.approx(63.0), pytest.approx(np.std([58, 68] * 4, ddof=1)), 8)
    assert better["dice_mean"].mean == pytest.approx(2.0)
    assert better["dice_interval"] == "[+2.0, +2.0]"
    assert better["dice_wins"] == "8/8"
    assert better["hd95_mean"].mean == pytest.approx(-0.2)
    assert "dice_mean" not in by_name["plain"]
    # three cells of −3 and one of 0.1 − 0.56 = −46 in A-to-B
    assert by_name["worse"]["dice_worst"] == "A-to-B −13.8"
    # three subjects, all of one sign: 2 / 2^3, twice for two methods
    assert better["dice_p"] == "0.500"


def test_one_scenario_has_no_worst_one(results):
    columns = [
        column.key for column in methods_table(results.select("B-to-A"), "plain", "", "B", QUICK).columns
    ]
    assert "dice_worst" not in columns and "dice_median" in columns


def test_differences_by_k(results):
    table = k_table(results, "plain", "", "By k", QUICK)
    rows = {one["method"]: one for one in table.rows}
    assert rows["better"] == {"method": "better", "k1": "+2.0 [+2.0, +2.0]", "k3": "+2.0 [+2.0, +2.0]"}
    assert rows["worse"]["k1"].startswith("−13.8 [")


def test_the_worst_losses_name_their_cells(results):
    rows = losses_table(results, "plain", "", "Losses", count=2).rows
    assert [one["method"] for one in rows] == ["worse", "worse"]
    first = rows[0]
    assert (first["scenario"], first["k"], first["seed"]) == ("A-to-B", 1, 1)
    assert first["difference"] == pytest.approx(10 - 56)
    assert first["dice"] == pytest.approx(10)
    assert rows[1]["difference"] == pytest.approx(-3)


def test_ablations_are_differences_of_pairs(results):
    (one,) = ablation_table(results, [("better", "worse"), ("better", "absent")], "", "A − B", QUICK).rows
    assert one["pair"] == "better − worse"
    assert one["dice_mean"].mean == pytest.approx((7 * 5 + 48) / 8)
    assert one["dice_wins"] == "8/8"


def test_verdicts_hold_or_fail_with_the_figure(results):
    better, worse = (
        verdicts(
            compare(results, name, "plain", dice(), QUICK),
            compare(results, name, "plain", hd95(), QUICK),
            Thresholds(gain=2.0 - 1e-9, wins=0.8, loss=1.0, hd95=0.0),
        )
        for name in ("better", "worse")
    )
    assert [verdict.holds for verdict in better] == [True, True, True, True]
    assert [verdict.holds for verdict in worse] == [False, False, False, False]
    assert better[0].measured == "+2.00 [+2.00, +2.00]"
    assert better[1].measured == "8/8 (100 %)"
    assert worse[2].measured == "A-to-B −13.75"
    strict = verdicts(compare(results, "better", "plain", dice(), QUICK), None, Thresholds(gain=2.1))
    assert [verdict.holds for verdict in strict] == [False, True, True, None]
    assert strict[3].text == "not measured"


def test_the_thresholds_of_wins_and_losses_are_inclusive(tmp_path):
    rows = []
    for seed, gain in enumerate([0.01, 0.01, 0.01, 0.01, -0.01]):
        rows += [row("plain", 0.5, seed=seed), row("new", 0.5 + gain, seed=seed)]
    few = read_results([write_study(tmp_path, rows)])
    made = compare(few, "new", "plain", dice(), QUICK)
    assert [v.holds for v in verdicts(made, None, Thresholds(gain=0.6 - 1e-9))][:2] == [True, True]
    assert verdicts(made, None, Thresholds(wins=0.81))[1].holds is False
    table = verdict_table(few, ["new"], "plain", "", "Asked", Thresholds(wins=0.81), QUICK)
    assert "fails: 4/5 (80 %)" in table.rows[0].values()


def test_the_report_holds_tables_cells_and_figures(tmp_path):
    folder = study(tmp_path / "study")
    (folder / "figures").mkdir()
    (folder / "figures" / "old.png").write_bytes(b"")
    made = write_report(folder, pairs=[("better", "worse")], bootstrap=QUICK)
    text = made.read_text()
    assert made == folder / "tables.md"
    # 8 cells, 3 methods: 24 times 36 seconds
    assert (
        "8 cells (2 scenarios; k = 1, 3; seeds 0, 1), 3 methods, 3 test subjects, 24 trainings, 0.2 hours"
        in text
    )
    for caption in (
        "All scenarios, after",
        "B-to-A, without",
        "by k",
        "What was asked",
        "Worst losses",
        "A − B",
    ):
        assert caption in text
    with (folder / "cells.csv").open(newline="") as handle:
        cells = list(csv.DictReader(handle))
    assert len(cells) == 24
    first = next(c for c in cells if c["method"] == "better" and c["scenario"] == "A-to-B" and c["k"] == "3")
    assert float(first["dice"]) == pytest.approx(0.68)
    assert (first["cases"], first["normalised_score"], first["hd95_undefined"]) == ("3", "0.5", "0")
    names = {file.stem for file in (folder / "figures").iterdir()}
    assert names == {
        "dice-by-k", "methods-against-plain", "worse-against-plain", "better-against-plain",
        "matrix-worse-against-plain", "matrix-better-against-plain",
    }  # fmt: skip


def test_the_command_merges_folders_and_takes_another_baseline(tmp_path, capsys):
    folder = study(tmp_path / "one")
    extra = [row("extra", 0.9, scenario="A-to-B", k=1, seed=0, subject=f"p{n}") for n in range(3)]
    more = write_study(tmp_path / "two", extra)
    main([str(folder), str(more), "--baseline", "better", "--resamples", "2000", "--gain", "7"])
    text = (folder / "tables.md").read_text()
    assert capsys.readouterr().out.strip() == str(folder / "tables.md")
    assert "## Against better" in text and "## Against plain" not in text
    # extra 0.90 against better 0.58 in the mean
    assert "holds: +32.00" in text


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def test_figures_show_their_data(results):
    plain = pixels(figures.differences_by_scenario(results, "better", "plain", "_lc", QUICK))
    worse = pixels(figures.differences_by_scenario(results, "worse", "plain", "_lc", QUICK))
    for image in (plain, worse, pixels(figures.dice_by_k(results, "_lc"))):
        assert (image.max(-1) - image.min(-1)).max() > 0.5  # series are in colour
    assert plain.shape != worse.shape or not np.array_equal(plain, worse)


def test_the_matrix_is_blue_for_gains_and_red_for_losses_and_grey_where_nothing_is():
    image = pixels(figures.transfer_matrix({("A", "B"): 3.0, ("B", "A"): -3.0}, "Dice"))
    red, green, blue = (image[..., n] for n in range(3))
    assert ((blue - red) > 0.2).sum() > 500 and ((red - blue) > 0.2).sum() > 500
    grey = np.isclose(red, 0.902, atol=0.01) & np.isclose(green, blue, atol=0.01)
    assert grey.sum() > 500
