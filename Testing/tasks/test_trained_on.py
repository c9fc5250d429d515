"""A ranking says which models were trained on its cases, as far as there is a record of it."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cli.rank import COMMAND
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import AdaptRequest, CohortInput, RankRequest
from TransferRiskLib.tasks.results import Lineage, RankResult
from TransferRiskLib.tasks.trained_on import training_record

CPU = PredictionSettings(device="cpu", overlap=0.0)


def part(cohort: Cohort, *numbers: int, prefix: str = "") -> CohortInput:
    cases = (cohort.cases[number] for number in numbers)
    renamed = tuple(dataclasses.replace(case, name=prefix + case.name) for case in cases)
    return CohortInput(dataclasses.replace(cohort, cases=renamed))


def trained(source: Path, target: CohortInput, output: Path, seed: int) -> Path:
    settings = preset_settings(
        "plain", steps=1, batch_size=1, augmentation=AugmentationSettings.off(), seed=seed
    )
    return adapt(AdaptRequest(source, target, output, settings, CPU, output.name), Progress()).bundle


@pytest.fixture(scope="module")
def adapted(bundle, cohort, tmp_path_factory) -> Path:
    """A model that was adapted to the first two of three cases."""
    return trained(bundle, part(cohort, 0, 1), tmp_path_factory.mktemp("runs") / "first", 1)


@pytest.fixture
def ranked(tmp_path):
    """Ranks models on cases; the result and what is known of each model by its path."""

    def run(target: CohortInput, *models: Path) -> tuple[RankResult, dict[Path, Lineage]]:
        request = RankRequest(models, target, tmp_path / "ranking", CPU, "off")
        result = rank(request, Progress())
        assert from_json(RankResult, json.loads(json.dumps(to_json(result)))) == result
        return result, {score.path: score.lineage for score in result.scores}

    return run


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


def test_what_the_source_was_trained_on_counts_too(adapted, cohort, ranked, tmp_path) -> None:
    second = trained(adapted, part(cohort, 2), tmp_path / "second", 2)
    names = [case.name for case in cohort.cases]
    for models in ((adapted, second), (second, adapted)):
        _, known = ranked(part(cohort, 0, 1, 2), *models)
        assert known == {adapted: Lineage(True, tuple(names[:2])), second: Lineage(True, tuple(names))}
    source = Path(shutil.copytree(adapted, tmp_path / "alone" / "mine"))
    _, known = ranked(part(cohort, 0, 2), source, second)
    assert known == {source: Lineage(True, (), True), second: Lineage(True, (names[2],), True)}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"task": "adapt"}', '{"task": "adapt", "cases": 3, "models": []}', '{"task": "map"}']
)
def test_a_model_without_a_usable_record_is_no_adapted_one(tmp_path, text) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "provenance.json").write_text(text)
    assert training_record(tmp_path) is None
    assert training_record(tmp_path / "model.ts") is None
