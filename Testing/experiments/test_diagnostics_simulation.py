from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tiny_study import write_balls
from tiny_training import tiny_model

from experiments.diagnostics.__main__ import main
from experiments.diagnostics.inputs import Target, materials, split_cases, trained_on
from experiments.diagnostics.suggest import Plan, Simulation
from experiments.diagnostics.training import preset, write_adapted
from TransferRiskLib.adaptation.settings import AugmentationSettings
from TransferRiskLib.errors import ModelError, SettingsError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle

CPU = PredictionSettings("cpu", overlap=0.25)
WHOLE = {"lower": "ball", "upper": "ball"}
SETTINGS = preset("plain", 2, 1e-3, 0)


@pytest.fixture(scope="module")
def balls(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_balls(folder)
    return folder / "balls"


@pytest.fixture
def target(balls) -> Target:
    return Target.named(str(balls), merge=WHOLE)


@pytest.fixture(scope="module")
def source_bundle(tmp_path_factory) -> Path:
    """A source that trained on the first subject."""
    model = tiny_model("ball")
    folder = tmp_path_factory.mktemp("source") / "bundle"
    return save_bundle(folder, model.card, model.network, model.config, provenance={"cases": ["s1"]})


@pytest.fixture
def source(source_bundle):
    return open_model(source_bundle)


def test_what_the_source_saw_takes_no_part_and_subjects_stay_on_one_side(source, target):
    cases = target.unseen(source)
    assert trained_on(source) == ("s1",)
    assert [case.name for case in cases] == ["s2", "s3", "s4", "s5", "s6"]
    test, pool = split_cases(cases, 2)
    assert len(test) == 2 and len(pool) == 3 and not {c.group for c in test} & {c.group for c in pool}
    assert split_cases(cases, 2) == (test, pool)
    for wrong in (0, 5):
        with pytest.raises(SettingsError, match="leave one side"):
            split_cases(cases, wrong)


def test_presets_train_once(source):
    settings = preset("recommended", 7, None, 3)
    assert (settings.steps, settings.folds, settings.audit, settings.seed) == (7, 0, False, 3)
    assert settings.learning_rate is None  # the library's own
    assert isinstance(settings.augmentation, AugmentationSettings)


def test_adapted_bundles_tell_their_cases_and_the_others_test(source, target, tmp_path):
    (bundle,) = write_adapted(source, target, [SETTINGS], 2, 2, CPU, tmp_path)
    adapted = open_model(bundle)
    annotated = set(trained_on(adapted))
    test, _ = split_cases(target.unseen(source), 2)
    assert len(annotated) == 2 and not annotated & {case.name for case in test}
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    made = list(materials(source, target, {"plain": adapted}, [], CPU))
    assert {one.case for one in made} == {"s2", "s3", "s4", "s5", "s6"} - annotated
    assert set(made[0].probabilities) == {"source", "EEP", "plain"}
    for probabilities in made[0].probabilities.values():
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    # the source's labels are the target's, so its own segmentation is what is judged
    assert made[0].probabilities["source"].shape == (2, 16, 16, 16)


def test_models_of_other_labels_and_missing_annotations_are_refused(source, target):
    with pytest.raises(SettingsError, match="No case is annotated"):
        next(materials(source, target, {}, [], CPU))
    with pytest.raises(SettingsError, match="none to test on"):
        next(materials(source, target, {}, [f"s{n}" for n in range(2, 7)], CPU))
    with pytest.raises(ModelError, match=r"lower.*ball"):
        next(materials(source, target, {"other": tiny_model("lower", "upper")}, ["s2"], CPU))


def simulation(source, target, output, **changes):
    plan = {"unit": "slices", "per_round": 2, "rounds": 1, "seeds": (0,), "test": 2, **changes}
    said: list[str] = []
    return Simulation(source, target, Plan(**plan), SETTINGS, CPU, output, said.append), said


def rows_of(output: Path) -> list[dict[str, str]]:
    rows = []
    for file in sorted(output.glob("cells/*/rows.csv")):
        with file.open(newline="") as handle:
            rows += list(csv.DictReader(handle))
    return rows


def test_strategies_are_tried_at_equal_effort_from_the_same_start(source, target, tmp_path):
    first, said = simulation(source, target, tmp_path)
    tables = first.run()
    rows = rows_of(tmp_path)
    # four trainings, two test cases with one label each
    assert len(said) == 4 and len(rows) == 8
    assert {(row["method"], row["k"]) for row in rows} == {
        ("start", "2"), ("suggested", "4"), ("uncertain", "4"), ("random", "4"),
    }  # fmt: skip
    test = {row["case"] for row in rows}
    assert len(test) == 2
    after = json.loads((tmp_path / "cells" / "slices-f0-k2-s0-start" / "next.json").read_text())
    (started,) = (
        after["random"].keys()
        & after["suggested"].keys()
        & after["uncertain"].keys()
        - {name for plan in after.values() for name, slices in plan.items() if len(slices) == 1}
    )
    for annotated in after.values():
        assert sum(map(len, annotated.values())) == 4
        assert len(annotated[started]) == 2 and not test & set(annotated)
    assert "## Against random" in tables.read_text()


def test_a_simulation_continues_and_takes_more_seeds_but_is_no_other(source, target, tmp_path):
    first, _ = simulation(source, target, tmp_path, unit="cases", per_round=1)
    first.run()
    rows = rows_of(tmp_path)
    again, repeated = simulation(source, target, tmp_path, unit="cases", per_round=1)
    again.run()
    assert repeated == [] and rows_of(tmp_path) == rows
    more, further = simulation(source, target, tmp_path, unit="cases", per_round=1, seeds=(0, 1))
    more._claim()
    assert further == []
    other, _ = simulation(source, target, tmp_path, unit="cases", per_round=2)
    with pytest.raises(SettingsError, match="another simulation"):
        other.run()
    assert next(row for row in rows if row["method"] == "start")["k"] == "1"


def test_only_the_annotated_slices_are_labelled(source, target, tmp_path):
    made, _ = simulation(source, target, tmp_path)
    name = next(iter(made.pool))
    labels = made._annotated(name, [3, 5]).labels
    assert set(np.flatnonzero((labels >= 0).all(axis=(1, 2)))) == {3, 5}
    assert (labels[[0, 4, 15]] == -1).all()
    np.testing.assert_array_equal(labels[3], made.pool[name].labels[3])
    assert made._annotated(name, None) is made.pool[name]


def test_too_large_a_plan_is_refused(source, target, tmp_path):
    with pytest.raises(SettingsError, match="4 cases of a pool of 3"):
        simulation(source, target, tmp_path, unit="cases", per_round=3)


def test_the_commands_go_from_bundles_to_tables(source_bundle, balls, tmp_path, capsys):
    common = ["--source", str(source_bundle), "--cohort", str(balls), "--device", "cpu"]
    common += ["--merge", "lower=ball", "upper=ball"]
    adapted = ["--steps", "2", "--k", "1", "--test", "2", "--presets", "plain", "--output", str(tmp_path)]
    assert main(["train", *common, *adapted]) == 0
    given = [*common, "--adapted", f"plain={tmp_path / 'plain'}", "--output", str(tmp_path / "out")]
    assert main(["maps", *given]) == 0
    assert main(["calibration", *given]) == 0
    assert {"auroc.md", "auroc.csv", "auroc.png", "calibration.md", "tenths.csv"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert "| plain | own entropy |" in (tmp_path / "out" / "auroc.md").read_text()
    capsys.readouterr()
    assert main(["suggest", *common, "--test", "2", "--rounds", "0", "--output", str(tmp_path)]) == 2
    assert "at least one round" in capsys.readouterr().err
