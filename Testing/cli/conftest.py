"""Stand-ins for what the command line calls: tasks that record their request, cohorts, model cards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.records import to_json

TaskFunction = Callable[[Any, Any], Any]


@pytest.fixture
def replace_task(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, TaskFunction], None]:
    """Replace a task (`rank:rank`) before the command line imports it."""

    def replace(task: str, function: TaskFunction) -> None:
        module_name, _, function_name = task.partition(":")
        module = ModuleType(f"TransferRiskLib.tasks.{module_name}")
        setattr(module, function_name, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        if module_name == "demo":  # what shows a demonstration's findings has none to show
            shower = ModuleType("TransferRiskLib.reports.demo_presentation")
            setattr(shower, "present_demo", lambda result, progress: None)  # noqa: B010
            monkeypatch.setitem(sys.modules, shower.__name__, shower)

    return replace


@pytest.fixture
def cohort() -> Cohort:
    """Two labelled T2 scans."""
    cases = tuple(
        Case(
            name,
            {"T2": ChannelFile(Path("cases") / name / "T2.nii.gz")},
            Path("cases") / name / "labels.nii.gz",
        )
        for name in ("anna", "bert")
    )
    return Cohort(cases, LabelScheme.of("lesion"), "cases")


@pytest.fixture
def cohort_calls(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace `read_cohort` by one that gives `cohort`; the arguments of its calls."""
    calls: list[dict[str, Any]] = []

    def read_cohort(path: Path, *, channels: Any = None, labels: Path | None = None) -> Cohort:
        calls.append({"path": path, "channels": channels, "labels": labels})
        return cohort

    module = ModuleType("TransferRiskLib.cases.cohorts")
    module.read_cohort = read_cohort  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the cards of `t1_model` and `two_model` (T1 and FLAIR)."""
    monkeypatch.chdir(tmp_path)
    for name, channels in (("t1_model", ("T1",)), ("two_model", ("T1", "FLAIR"))):
        card = ModelCard(name, channels, LabelScheme.of("lesion"))
        write_json(tmp_path / name / "configs" / "card.json", to_json(card))
    return tmp_path
