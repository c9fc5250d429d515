"""Registered cohorts, and the experiments that come with the code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from experiments.checks import parse_experiment, read_document
from experiments.cohorts import REGISTERED, data_folder, resolve_cohort
from experiments.config import CohortSpec, Institutions
from experiments.methods import settings_of
from experiments.networks import plan_network
from experiments.store import scheme_of
from experiments.study import Study
from TransferRiskLib.cases.simulated_layouts import simulate_iseg
from TransferRiskLib.errors import CaseError, SettingsError

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "experiments" / "configs").glob("*.json"))
REAL = data_folder()
COUNTS = {"oasis_hippocampus_crops": (24, 12), "lesion_flair_t1ce": (5, 5), "oasis_t1_tissue": (4, 4)}
WITH_FOLDS = ("recommended-folds", "recommended-shipped")
"""The preset as users get it; its table counts the trainings."""


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_the_experiments_that_come_with_the_code_are_valid(file: Path) -> None:
    experiment = parse_experiment(read_document(file), file)
    for name, source in experiment.sources.items():
        config, divisible = plan_network(source.network, source.patch, source.spacing, 1, 2)
        assert not any(edge % divisible for edge in source.patch), name
        assert config["_target_"]
    for name, method in experiment.methods.items():
        if method.kind == "adapt":
            folds = None if name in WITH_FOLDS else 0
            assert settings_of(experiment, name).folds == folds, "one training a method, or costs differ"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_they_fit_the_real_images(file: Path, tmp_path: Path) -> None:
    experiment = parse_experiment(read_document(file), file)
    wanted = {s.cohort for s in (*experiment.scenarios, *experiment.sources.values())}
    if not wanted <= set(REGISTERED) - {"fets2021", "iseg2019"}:
        pytest.skip("on data that need a registration, or simulated")
    if not (REAL / "msd_hippocampus").is_dir():
        pytest.skip(f"no real images in {REAL}")
    assert Study(experiment, tmp_path / "run", REAL).cells
    assert not (tmp_path / "run").exists(), "looking makes nothing"


@pytest.mark.parametrize("name", COUNTS)
def test_real_cohorts_are_complete(name: str) -> None:
    if not (REAL / "oasis_t1_tissue").is_dir():
        pytest.skip(f"no real images in {REAL}")
    cohort = REGISTERED[name](REAL)
    assert (len(cohort.cohort.cases), len(cohort.subjects)) == COUNTS[name]
    for case in cohort.cohort.cases:
        assert case.labels is not None
        assert case.labels.is_file()
        assert all(file.path.is_file() for file in case.images.values())
    assert all(file.is_file() for file in cohort.masks.values())


def test_left_and_right_share_a_subject() -> None:
    if not (REAL / "oasis_hippocampus_crops").is_dir():
        pytest.skip(f"no real images in {REAL}")
    cohort = REGISTERED["oasis_hippocampus_crops"](REAL)
    for subject in cohort.subjects:
        assert [case.name for case in cohort.cases_of(subject)] == [f"{subject}_L", f"{subject}_R"]


def test_every_lesion_is_one_label() -> None:
    if not (REAL / "brats2013_flair_t1c").is_dir():
        pytest.skip(f"no real images in {REAL}")
    assert scheme_of(REGISTERED["lesion_flair_t1ce"](REAL), None).names == ("background", "lesion")


def fets_names(folder: Path, cases: int, institutions: int) -> None:
    """The files of FeTS 2021, empty: nothing of a study's set-up reads an image."""
    folder.mkdir(parents=True)
    rows = ["Partition_ID,Subject_ID"]
    for number in range(1, cases + 1):
        name = f"FeTS21_Training_{number:03d}"
        (folder / name).mkdir()
        for part in ("t1", "t1ce", "t2", "flair", "seg"):
            (folder / name / f"{name}_{part}.nii.gz").touch()
        rows.append(f"{(number - 1) * institutions // cases + 1},{name}")
    (folder / "partitioning_1.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("config", "scenarios", "train", "pool"),
    [("fets_modality", 12, 100, 20), ("fets_task", 6, 100, 20), ("fets_fewshot", 2, 80, 40)],
)
def test_the_fets_experiments_fit_the_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, scenarios: int, train: int, pool: int
) -> None:
    monkeypatch.setenv("TRANSFERRISK_FETS2021", str(tmp_path / "data"))
    fets_names(tmp_path / "data", 160, institutions=2)
    file = next(file for file in CONFIGS if file.stem == config)
    study = Study(parse_experiment(read_document(file), file), tmp_path / "run", tmp_path)
    assert len(study.experiment.scenarios) == scenarios
    for scenario in study.experiment.scenarios:
        (fold,) = study.folds(scenario.name)
        assert (len(fold.test), len(fold.pool)) == (40, pool)
        assert len(study.source_cases(scenario, fold)) == train
        assert not {c.group for c in study.source_cases(scenario, fold)} & {*fold.test, *fold.pool}


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("fets2021", "iseg2019", "msd_hippocampus"):
        with pytest.raises(CaseError, match=rf"{name}.*does not exist"):
            resolve_cohort(name, {}, tmp_path, tmp_path)


def test_institutions_choose_subjects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFERRISK_FETS2021", str(tmp_path / "data"))
    fets_names(tmp_path / "data", 4, institutions=2)
    cohort = resolve_cohort("fets2021", {}, tmp_path, tmp_path)
    chosen = cohort.chosen(Institutions(("2",)), "here")
    assert chosen == ("FeTS21_Training_003", "FeTS21_Training_004")
    with pytest.raises(SettingsError, match="no institution '3'"):
        cohort.chosen(Institutions(("3",)), "here")


def test_simulated_cohorts_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def counted(folder: Path, *args: Any, **options: Any) -> object:
        made.append(folder)
        return simulate_iseg(folder, *args, **options)

    monkeypatch.setattr("experiments.challenge_cohorts.simulate_iseg", counted)
    specs = {"sim": CohortSpec("simulated-iseg", options={"count": 1, "seed": 3, "spacing": 4.0})}
    cohort = resolve_cohort("sim", specs, tmp_path, tmp_path / "run")
    again = resolve_cohort("sim", specs, tmp_path, tmp_path / "run")
    assert len(made) == 1
    assert cohort.subjects == again.subjects == ("subject-1",)
    assert scheme_of(cohort, None).names == ("background", "CSF", "GM", "WM")
    assert os.listdir(tmp_path / "run" / "data") == ["sim"]


def test_options_that_a_cohort_does_not_have_are_refused(tmp_path: Path) -> None:
    specs = {"sim": CohortSpec("simulated-iseg", options={"counts": [1]})}
    with pytest.raises(SettingsError, match="counts"):
        resolve_cohort("sim", specs, tmp_path, tmp_path / "run")
