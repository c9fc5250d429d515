"""Nothing that tests ever trains, tunes or makes a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_study import TINY, WHOLE, tiny_study

from experiments.config import ScenarioSpec
from experiments.splits import draw, split
from experiments.tune import trials
from TransferRiskLib.cases.case import Case
from TransferRiskLib.errors import LabelError, SettingsError, TransferRiskError

SUBJECTS = tuple(f"s{n}" for n in range(10))


def scenario(test: Any = 4, **changes: Any) -> ScenarioSpec:
    return ScenarioSpec("x", "source", "cohort", ("T1",), test, **changes)


def pairs(subjects: tuple[str, ...] = SUBJECTS) -> list[Case]:
    """A left and a right case of every subject."""
    return [Case(f"{s}_{side}", {}, Path(f"{s}_{side}"), subject=s) for s in subjects for side in "LR"]


def test_a_fixed_split_is_the_same_for_the_same_seed_only() -> None:
    (fold,) = split(scenario(), SUBJECTS)
    assert len(fold.test) == 4
    assert set(fold.test) | set(fold.pool) == set(SUBJECTS)
    assert not set(fold.test) & set(fold.pool)
    assert split(scenario(), tuple(reversed(SUBJECTS))) == (fold,), "the order of the cases says nothing"
    assert split(scenario(split_seed=1), SUBJECTS) != (fold,)


def test_leave_one_out_tests_every_subject_once() -> None:
    folds = split(scenario("leave-one-out"), SUBJECTS)
    assert [fold.number for fold in folds] == list(range(10))
    assert sorted(name for fold in folds for name in fold.test) == sorted(SUBJECTS)
    assert all(set(fold.pool) == set(SUBJECTS) - set(fold.test) for fold in folds)


@pytest.mark.parametrize("test", [10, 11])
def test_a_split_that_leaves_nothing_is_refused(test: int) -> None:
    with pytest.raises(SettingsError, match="leave none"):
        split(scenario(test), SUBJECTS)
    with pytest.raises(SettingsError, match="one subject"):
        split(scenario("leave-one-out"), ("alone",))


def test_one_case_of_every_drawn_subject() -> None:
    drawn = draw(SUBJECTS, pairs(), 3, seed=1)
    assert len({case.group for case in drawn.train}) == len(drawn.train) == 3
    assert {case.name[-1] for case in drawn.train} == {"R"}, "an odd seed takes the second case"
    assert not {c.group for c in drawn.train} & {c.group for c in drawn.spare}
    assert len({c.group for c in drawn.spare}) == 7
    assert {case.name[-1] for case in draw(SUBJECTS, pairs(), 3, seed=2).train} == {"L"}


def test_left_and_right_stay_together_when_all_cases_count() -> None:
    drawn = draw(SUBJECTS, pairs(), 3, seed=0, one_case_per_subject=False)
    first, second, third = drawn.train
    assert first.group == second.group != third.group
    assert third.group not in {case.group for case in drawn.spare}, "its other side is given up"
    assert len(drawn.spare) == 2 * 8


def test_draws_depend_on_seed_and_k() -> None:
    names = {
        tuple(c.name for c in draw(SUBJECTS, pairs(), k, seed).train) for k in (1, 2) for seed in (0, 2, 4)
    }
    assert len(names) > 4
    assert draw(SUBJECTS, pairs(), 2, 0) == draw(SUBJECTS, pairs(), 2, 0)


def test_unusable_cases_are_passed_over_and_too_few_are_refused() -> None:
    drawn = draw(SUBJECTS, pairs(), 5, 0, usable=lambda case: case.group not in ("s0", "s1", "s2"))
    assert len(drawn.train) == 5
    assert not {case.group for case in drawn.train} & {"s0", "s1", "s2"}
    with pytest.raises(SettingsError, match="fewer than k = 11"):
        draw(SUBJECTS, pairs(), 11, 0)


def test_the_source_of_a_fold_never_sees_its_test_subject(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, scenarios=[{**TINY["scenarios"][0], "test": "leave-one-out"}])
    spec = study.experiment.scenarios[0]
    folders = set()
    for fold in study.folds("contrast"):
        groups = {case.group for case in study.source_cases(spec, fold)}
        assert groups == {f"s{n}" for n in range(1, 7)} - set(fold.test)
        folders.add(study.source_folder(spec, fold))
    assert len(folders) == 6, "every fold has a source of its own"


def test_fixed_source_subjects_are_no_targets(tmp_path: Path) -> None:
    sources = {"whole": {**TINY["sources"]["whole"], "subjects": 2}}
    study = tiny_study(tmp_path, sources=sources)
    (fold,) = study.folds("contrast")
    assert {*fold.test, *fold.pool} == {"s3", "s4", "s5", "s6"}
    assert [c.group for c in study.source_cases(study.experiment.scenarios[0], fold)] == ["s1", "s2"]


def test_fixed_source_subjects_are_no_targets_under_another_name_either(tmp_path: Path) -> None:
    """The same files as a second cohort are still the same people."""
    cohorts = {name: {"kind": "folder", "path": "balls"} for name in ("balls", "again")}
    sources = {"whole": {**TINY["sources"]["whole"], "subjects": ["s4"]}}
    scenarios = [{**TINY["scenarios"][0], "cohort": "again"}]
    study = tiny_study(tmp_path, cohorts=cohorts, sources=sources, scenarios=scenarios)
    (fold,) = study.folds("contrast")
    assert {*fold.test, *fold.pool} == {"s1", "s2", "s3", "s5", "s6"}


def test_scenarios_with_the_same_source_and_test_subjects_share_it(tmp_path: Path) -> None:
    both = [TINY["scenarios"][0], {**TINY["scenarios"][0], "name": "same", "channels": ["T1"]}]
    study = tiny_study(tmp_path, scenarios=[*both, {**both[1], "name": "other", "split_seed": 3}])
    first, same, other = (study.source_folder(s, study.folds(s.name)[0]) for s in study.experiment.scenarios)
    assert first == same != other


def test_a_choice_for_all_is_refused_where_it_would_see_a_test_case(tmp_path: Path) -> None:
    scenarios = [{**TINY["scenarios"][0], "test": "leave-one-out"}]
    tuning = {"grid": {"learning_rate": [0.1]}, "k": 2, "shared": True}
    with pytest.raises(SettingsError, match="tests elsewhere"):
        trials(tiny_study(tmp_path, scenarios=scenarios, tuning=tuning))
    alone = tiny_study(tmp_path, scenarios=scenarios, tuning={**tuning, "shared": False})
    assert len(trials(alone)) == 6
    assert len(trials(tiny_study(tmp_path, tuning=tuning))) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"k": [5]}, SettingsError, "k = 5"),
        ({"scenarios": [{**TINY["scenarios"][0], "k": [9]}]}, SettingsError, "k = 9"),
        ({"scenarios": [{**TINY["scenarios"][0], "cohort": "nowhere"}]}, SettingsError, "nowhere"),
        ({"scenarios": [{**TINY["scenarios"][0], "channels": ["CT"]}]}, TransferRiskError, "CT"),
        ({"scenarios": [{**TINY["scenarios"][0], "merge": {"lower": "ball"}}]}, LabelError, "upper"),
        ({"scenarios": [{**TINY["scenarios"][0], "merge": {**WHOLE, "tail": None}}]}, LabelError, "tail"),
        ({"scenarios": [{**TINY["scenarios"][0], "subjects": ["s9"]}]}, SettingsError, "s9"),
        (
            {"scenarios": [{**TINY["scenarios"][0], "subjects": {"institutions": ["1"]}}]},
            SettingsError,
            "institution",
        ),
        (
            {"sources": {"whole": {**TINY["sources"]["whole"], "subjects": "all"}}},
            SettingsError,
            "all of its",
        ),
        ({"sources": {"whole": {**TINY["sources"]["whole"], "subjects": 7}}}, SettingsError, "6 subjects"),
        ({"cohorts": {"balls": {"kind": "folder", "path": "gone"}}}, TransferRiskError, "gone"),
        ({"cohorts": {"balls": {"kind": "folder", "options": {"a": 1}}}}, SettingsError, "options"),
    ],
)
def test_what_the_data_do_not_have_is_refused_before_any_work(
    tmp_path: Path, changes: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        tiny_study(tmp_path, **changes)
    assert not (tmp_path / "run").exists()


def test_the_source_alone_is_tried_only_where_it_has_the_labels(tmp_path: Path) -> None:
    scenarios = [TINY["scenarios"][0], {**TINY["scenarios"][0], "name": "parts", "merge": None}]
    study = tiny_study(tmp_path, scenarios=scenarios)
    tried = [(cell.scenario, cell.method) for cell in study.cells]
    assert ("contrast", "source") in tried
    assert ("parts", "source") not in tried
    assert ("parts", "eep") in tried
    narrowed = [{**TINY["scenarios"][0], "methods": ["eep"]}]
    assert [cell.method for cell in tiny_study(tmp_path, scenarios=narrowed).cells] == ["eep"]
