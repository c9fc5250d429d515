"""Matrices of sources and targets."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_study import TINY, tiny

from experiments.checks import parse_experiment
from experiments.matrices import expanded
from TransferRiskLib.errors import SettingsError

TEMPLATE = {"cohort": "balls", "patch": [16, 16, 16]}
TARGET = {"cohort": "balls", "test": 2}
MODALITIES = {"T1": {"channels": ["T1"]}, "T2": {"channels": ["T2"]}, "PD": {"channels": ["PD"]}}


def matrix(**changes: Any) -> dict[str, Any]:
    return {"items": MODALITIES, "source": TEMPLATE, "scenario": TARGET, **changes}


def pairs(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(s["name"], s["source"]) for s in expanded(document)["scenarios"]]


def test_every_modality_goes_to_every_other() -> None:
    found = expanded({"matrix": [matrix()]})
    assert list(found["sources"]) == ["T1", "T2", "PD"]
    assert found["sources"]["T2"] == {**TEMPLATE, "channels": ["T2"]}
    names = [s["name"] for s in found["scenarios"]]
    assert names == ["T1-to-T2", "T1-to-PD", "T2-to-T1", "T2-to-PD", "PD-to-T1", "PD-to-T2"]
    first = found["scenarios"][0]
    assert first == {**TARGET, "channels": ["T2"], "name": "T1-to-T2", "source": "T1"}
    assert "matrix" not in found


def test_every_task_goes_to_every_other() -> None:
    tasks = {
        "upper": {"merge": {"lower": None, "upper": "upper"}},
        "whole": {"merge": {"lower": "ball", "upper": "ball"}},
    }
    found = expanded({"matrix": [matrix(items=tasks)]})
    assert found["sources"]["upper"]["merge"] == tasks["upper"]["merge"]
    assert [(s["source"], s["merge"]) for s in found["scenarios"]] == [
        ("upper", tasks["whole"]["merge"]),
        ("whole", tasks["upper"]["merge"]),
    ]


def test_same_pairs_and_prefixes() -> None:
    assert ("T1-to-T1", "T1") in pairs({"matrix": [matrix(same=True)]})
    assert len(pairs({"matrix": [matrix(same=True)]})) == 9
    assert pairs({"matrix": [matrix(pairs=[["PD", "T1"]], name="m")]}) == [("m-PD-to-T1", "m-PD")]


def test_what_stands_beside_a_matrix_stays() -> None:
    document = tiny(matrix=[matrix(items={k: MODALITIES[k] for k in ("T1", "T2")})])
    experiment = parse_experiment(document)
    assert [s.name for s in experiment.scenarios] == ["contrast", "T1-to-T2", "T2-to-T1"]
    assert set(experiment.sources) == {"whole", "T1", "T2"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"matrix": [matrix(pairs=[["T1", "CT"]])]}, "CT"),
        ({"matrix": [matrix(rows=3)]}, "rows"),
        ({"matrix": [matrix(), matrix()]}, "'T1'"),
        ({"sources": {"T1": TINY["sources"]["whole"]}, "matrix": [matrix()]}, "'T1'"),
    ],
)
def test_a_wrong_matrix_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        expanded(document)
