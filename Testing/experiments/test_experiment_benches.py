"""What the methods of a comparison share, and the trained networks that mixes use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import TINY, cells_of, engine_of, rows_of, tiny_study

from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.inference.predict import predict_states


def test_a_mix_alone_brings_its_training_along(trained: Path) -> None:
    study = tiny_study(trained)
    engine_of(study)[0].run(cells_of(study, "plain-eep"))
    assert [study.done(cell) for cell in cells_of(study, "plain", "plain-eep")] == [True, True]
    assert not list(study.output.glob("cells/*/adapted.pt")), "nobody needs it any more"


def test_a_training_is_kept_until_the_last_mix(trained: Path) -> None:
    methods = {
        **TINY["methods"],
        "plain-source": {"kind": "mix", "of": "plain", "with": "source", "share": 0.5},
    }
    study = tiny_study(trained, methods=methods)
    kept = study.cell_folder(cells_of(study, "plain")[0]) / "adapted.pt"
    for method, there in (("plain", True), ("plain-eep", True), ("plain-source", False)):
        engine_of(study)[0].run(cells_of(study, method))
        assert kept.exists() is there, method


def test_a_mix_that_is_added_later_leaves_the_rows_alone(trained: Path) -> None:
    alone = {"plain": TINY["methods"]["plain"]}
    first = tiny_study(trained, methods=alone)
    engine_of(first)[0].run(first.cells)
    before = first.rows_file(first.cells[0]).stat().st_mtime_ns
    more = tiny_study(trained, methods={**alone, "plain-eep": TINY["methods"]["plain-eep"]})
    engine_of(more)[0].run(more.cells)
    assert more.done(cells_of(more, "plain-eep")[0])
    assert more.rows_file(more.cells[0]).stat().st_mtime_ns == before


def test_a_mix_without_the_eep_is_the_trained_network_itself(trained: Path) -> None:
    """`plain` takes no share of the EEP, so that what is left is the very same prediction."""
    mix = {"kind": "mix", "of": "plain", "with": "none", "share": 0}
    study = tiny_study(trained, methods={**TINY["methods"], "alone": mix})
    engine_of(study)[0].run(cells_of(study, "plain", "alone"))
    one, other = rows_of(study, "plain"), rows_of(study, "alone")
    assert [row["dice"] for row in one] == [row["dice"] for row in other]


def test_a_source_alone_and_its_eep_share_their_states(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(trained)
    calls: list[str] = []

    def counted(model: Any, loaded: LoadedCase, *rest: Any) -> np.ndarray:
        calls.append(loaded.name)
        return predict_states(model, loaded, *rest)

    monkeypatch.setattr("experiments.bench.predict_states", counted)
    engine_of(study)[0].run(cells_of(study, "source", "eep"))
    assert len(calls) == 2, "once a test case"


def test_test_cases_and_training_cases_are_what_the_split_says(trained: Path) -> None:
    study = tiny_study(trained, seeds=[0, 1, 2])
    (fold,) = study.folds("contrast")
    engine = engine_of(study)[0]
    drawn = set()
    for seed in (0, 1, 2):
        bench = engine.bench(("contrast", 0, 2, seed))
        assert {case.group for case in bench.test} == set(fold.test)
        groups = {case.group for case in bench.train}
        assert len(groups) == 2
        assert groups <= set(fold.pool)
        assert {case.group for case in bench.spare} == set(fold.pool) - groups
        drawn.add(frozenset(groups))
    assert len(drawn) > 1, "the seed draws"


def test_a_probe_comes_out_of_the_budget(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of which one is the probe of the new head; a kept head needs none."""
    seen: dict[str, tuple[int, int]] = {}
    train = Trainer.train

    def noted(trainer: Trainer) -> Any:
        seen[trainer.plan.folder.parts[-3]] = (trainer.plan.probe_steps, trainer.settings.steps)
        return train(trainer)

    monkeypatch.setattr(Trainer, "train", noted)
    scenarios = [TINY["scenarios"][0], {**TINY["scenarios"][0], "name": "parts", "merge": None}]
    study = tiny_study(trained, scenarios=scenarios)
    engine_of(study)[0].run(cells_of(study, "plain"))
    assert seen["contrast-f0-k2-s0-plain"] == (0, 3)
    assert seen["parts-f0-k2-s0-plain"] == (1, 2)
