"""The demonstration, shortened: every part runs and the report can be made of what it found."""

from __future__ import annotations

import pytest

from TransferRiskLib.progress import Progress
from TransferRiskLib.reports.demo_report import write_demo_report
from TransferRiskLib.reports.findings import read_findings
from TransferRiskLib.tasks.demo import LABELLED, METHODS, SCANS, demo
from TransferRiskLib.tasks.requests import DemoRequest


@pytest.mark.slow
def test_the_demonstration_runs_to_its_report(tmp_path):
    result = demo(DemoRequest(tmp_path, quick=True), Progress())
    findings = read_findings(result.findings)
    assert [score.model for score in findings.ranking] == ["tissue-t1w", "lesion-flair"]
    assert findings.ranking[0].normalised > 0.5 > 0.05 > findings.ranking[1].normalised
    labels = {"CSF", "GM", "WM", "lesion"}
    assert len(findings.scores) == len(METHODS) * SCANS * len(labels)
    assert len({row.case for row in findings.risk}) == LABELLED
    mean_risk = {row.label: row.mean for row in findings.risk if row.case == findings.risk[0].case}
    assert mean_risk["lesion"] > 2 * mean_risk["GM"], "the source never saw a lesion"
    assert result.dice["source"] > 0.4 and set(result.dice) == set(METHODS)
    write_demo_report(findings, tmp_path / "report.html")
    assert "simulated" in (tmp_path / "report.html").read_text(encoding="utf-8")
