"""A ranking says which models were trained on its cases, as far as there is a record of it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from small_adaptations import part, trained

from TransferRiskLib.cli.rank import COMMAND
from TransferRiskLib.tasks.results import Lineage, ModelScore, RankResult


@pytest.fixture(scope="module")
def adapted(bundle, cohort, tmp_path_factory) -> Path:
    """A model that was adapted to the first two of three cases."""
    return trained(bundle, part(cohort, 0, 1), tmp_path_factory.mktemp("runs") / "first", 1)


def test_a_model_is_told_that_was_trained_on_some_of_the_cases(adapted, bundle, cohort, ranked) -> None:
    result, known = ranked(part(cohort, 1, 2, prefix="renamed "), adapted, bundle)
    name = f"renamed {cohort.cases[1].name}"
    assert known == {adapted: Lineage(True, (name,)), bundle: Lineage()}
    (line,) = [line for line in COMMAND.show(result) if "trained on" in line]
    assert line == f"first was trained on 1 of these cases ({name}): it scores too well on them"
    written = json.loads(result.table.with_suffix(".json").read_text())["scores"]
    assert [score["lineage"]["trained_on"] for score in written if score["lineage"]["adapted"]] == [[name]]
    with result.table.open() as handle:
        assert sorted(row["trained_on"] for row in csv.DictReader(handle)) == ["", "1"]


def test_a_model_that_was_trained_on_other_cases_is_as_good_as_any(adapted, cohort, ranked) -> None:
    result, known = ranked(part(cohort, 2), adapted)
    assert known == {adapted: Lineage(True)}
    assert not [line for line in COMMAND.show(result) if "trained on" in line or "perhaps" in line]


def test_a_copy_without_the_record_of_its_run_is_uncertain_unless_the_original_is_there(
    adapted, cohort, ranked, tmp_path
) -> None:
    copy = Path(shutil.copytree(adapted, tmp_path / "copies" / "mine"))
    result, known = ranked(part(cohort, 2), copy)
    assert known == {copy: Lineage(True, (), True)}
    assert any("perhaps to these cases" in line for line in COMMAND.show(result))
    with result.table.open() as handle:
        assert [row["trained_on"] for row in csv.DictReader(handle)] == [""]
    (copy.parent / "result.json").write_text('{"provenance": {"cases": {"x": "1"}, "fingerprint_key": "k"}}')
    assert ranked(part(cohort, 0, 2), copy)[1] == {copy: Lineage(True, (), True)}, "another run's record"
    both = Lineage(True, (cohort.cases[0].name,))
    assert ranked(part(cohort, 0, 2), copy, adapted)[1] == {copy: both, adapted: both}


@pytest.mark.parametrize(
    ("lineage", "lines"),
    [
        (Lineage(), []),
        (Lineage(True), []),
        (Lineage(True, ("a",)), ["m was trained on 1 of these cases (a): it scores too well on them"]),
        (Lineage(True, (), True), ["m is an adapted model, perhaps to these cases: "]),
        (Lineage(True, ("a",), True), ["m was trained on 1 ", "m is an adapted model, perhaps to more of "]),
        (Lineage(False, (), True), ["m was perhaps adapted to these cases: it comes without a record"]),
    ],
)
def test_the_command_says_what_is_known(lineage, lines) -> None:
    shown = COMMAND.show(
        RankResult((ModelScore("m", Path("m"), -1, 0.5, {}, lineage=lineage),), Path("ranking.csv"))
    )
    said = [line for line in shown if "trained on" in line or "adapted" in line]
    assert len(said) == len(lines) and all(map(str.startswith, said, lines))
