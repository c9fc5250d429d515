"""An experiment's file: what is refused, and what the message says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_study import TINY, tiny

from experiments.checks import parse_experiment, read_document
from experiments.methods import layered, settings_of, trainings
from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.errors import SettingsError


def with_method(**method: Any) -> dict[str, Any]:
    return tiny(methods={**TINY["methods"], "new": method})


def with_source(**changes: Any) -> dict[str, Any]:
    return tiny(sources={"whole": {**TINY["sources"]["whole"], **changes}})


def with_scenario(**changes: Any) -> dict[str, Any]:
    return tiny(scenarios=[{**TINY["scenarios"][0], **changes}])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (tiny(stepz=1), "stepz"),
        (tiny(seeds=[]), "seeds"),
        (tiny(seeds=[1, 1]), "seeds"),
        (tiny(k=[0]), "experiment.k"),
        (tiny(methods={}), "methods"),
        (tiny(name=3), "experiment.name"),
        (tiny(budget={"stepz": 3}), "stepz"),
        (tiny(budget={"steps": "many"}), "steps must be a whole number"),
        (tiny(tuned=True), "tuning"),
        (tiny(baseline=["nobody"]), "nobody"),
        (with_scenario(source="nobody"), "nobody"),
        (with_scenario(channels=["T1", "T2"]), "2 channels"),
        (with_scenario(name="a/b"), "a/b"),
        (with_scenario(test=0), "test"),
        (with_scenario(subjects="fold"), "fold"),
        (with_scenario(methods=["plain-eep"]), "plain-eep"),
        (with_source(patch=[16, 16, 18]), "multiple of 4"),
        (with_source(patch=[8, 8, 8]), "at least 3 levels"),
        (with_source(patch=[16, 16]), "patch"),
        (with_source(network={"kind": "definition"}), "sources.whole.*needs one"),
        (with_source(network={"kind": "magic"}), "magic"),
        (with_source(settings={"stepz": 1}), "stepz"),
        (with_method(kind="magic"), "methods.new.kind"),
        (with_method(kind="adapt", settings={"preset": "magic"}), "magic"),
        (with_method(kind="adapt", settings={"augmentation": "wild"}), "wild"),
        (with_method(kind="adapt", settings={"augmentation": {"twist": 3}}), "twist"),
        (with_method(kind="adapt", share=0.5), "share"),
        (with_method(kind="eep", settings={"steps": 3}), "settings"),
        (with_method(kind="ensemble", of="plain"), "members"),
        (with_method(kind="ensemble", of="eep", members=2), "new.of"),
        (with_method(kind="ensemble", of="plain", members=0), "members"),
        (with_method(kind="mix", of="plain", share=0.5), "with"),
        (with_method(kind="mix", of="plain", partner="eep", share=0.5), "partner"),
        (with_method(kind="mix", of="plain", share=1.5, **{"with": "eep"}), "share"),
        (with_method(kind="mix", of="plain", share=0.5, **{"with": "none"}), "none"),
        (tiny(tuning={"grid": {"learning_rate": []}}), "grid"),
        (tiny(tuning={"grid": {"lr": [1]}}), "lr"),
        (tiny(tuning={"grid": {"learning_rate": [1.0]}, "grids": {"eep": {}}}), "eep"),
    ],
)
def test_a_wrong_experiment_is_refused_with_the_place(document: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_experiment(document, Path("x.json"))


def test_grids_of_another_size_are_refused() -> None:
    methods = {**TINY["methods"], "other": {"kind": "adapt"}}
    tuning = {"grid": {"learning_rate": [0.1, 0.2]}, "grids": {"other": {"learning_rate": [0.1]}}}
    with pytest.raises(SettingsError, match="as large a grid"):
        parse_experiment(tiny(methods=methods, tuning=tuning))


def test_errors_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("[", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"x\.json.*no JSON"):
        read_document(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(SettingsError, match="JSON object"):
        read_document(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_document(tmp_path / "absent.json")
    with pytest.raises(SettingsError, match=r"x\.json"):
        parse_experiment(tiny(seeds=[]), file)


def test_later_layers_win_and_the_preset_is_underneath() -> None:
    settings = layered({"steps": 7, "learning_rate": 0.5}, {"preset": "paper", "learning_rate": 0.25})
    expected = preset_settings("paper", steps=7, learning_rate=0.25)
    assert settings == expected
    assert settings.loss == "ce", "the published loss comes from the preset"


def test_augmentation_is_named_or_changed_in_parts() -> None:
    assert layered({"augmentation": "off"}).augmentation == AugmentationSettings.off()
    assert layered({"augmentation": "strong"}).augmentation == AugmentationSettings.strong()
    changed = layered({"augmentation": {"rotation": 3.0}}).augmentation
    assert changed == AugmentationSettings(rotation=3.0)


def test_an_ensemble_has_the_settings_of_its_method() -> None:
    experiment = parse_experiment(tiny())
    assert settings_of(experiment, "plain-twice") == settings_of(experiment, "plain")
    assert settings_of(experiment, "plain", {"learning_rate": 0.5}).learning_rate == 0.5


@pytest.mark.parametrize(("subjects", "expected"), [(1, 1), (2, 3), (5, 6), (6, 6)])
def test_as_folds_counts_the_final_training_and_the_folds(subjects: int, expected: int) -> None:
    """Leave-one-out up to five subjects, then five folds; one subject has none."""
    methods = {**TINY["methods"], "new": {"kind": "ensemble", "of": "plain", "members": "as-folds"}}
    experiment = parse_experiment(tiny(methods=methods))
    assert trainings(experiment, "new", [f"s{n}" for n in range(subjects)], 0) == expected


def test_trainings_of_an_audit_count_twice_a_fold() -> None:
    new = {"kind": "adapt", "settings": {"preset": "recommended", "folds": 2, "audit": True}}
    experiment = parse_experiment(with_method(**new))
    assert trainings(experiment, "new", ["a", "b"], 0) == 1 + 2 + 2
    assert trainings(experiment, "plain", ["a", "b"], 0) == 1
    assert trainings(experiment, "plain-eep", ["a", "b"], 0) == 0


def test_a_document_survives_json() -> None:
    assert parse_experiment(json.loads(json.dumps(tiny()))) == parse_experiment(tiny())
