from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import to_json
from TransferRiskLib.reports.demo_report import NOTICE, demo_sections, write_demo_report
from TransferRiskLib.reports.figures import Overlay, montage
from TransferRiskLib.reports.findings import (
    CaseScore,
    DemoFindings,
    RiskHistogram,
    TrainingHistory,
    read_findings,
)
from TransferRiskLib.reports.tables import Spread


def test_the_report_begins_by_saying_that_the_images_are_simulated(tmp_path, findings, read):
    write_demo_report(findings, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    first = text[text.index("<p") : text.index("</p>")]
    assert NOTICE.split(".")[0] in first
    assert "simulated" in first
    read(text)


def test_findings_come_back_from_json_with_renders_beside_the_file(tmp_path, findings_with_renders):
    findings = findings_with_renders({"Axial": Path("renders/axial.png")})
    path = tmp_path / "findings.json"
    path.write_text(json.dumps(to_json(findings)), encoding="utf-8")
    again = read_findings(path)
    assert again.renders == {"Axial": tmp_path / "renders" / "axial.png"}
    assert again.scores == findings.scores
    assert again.histogram == findings.histogram
    assert [row.difference for row in again.audit] == [row.difference for row in findings.audit]


@pytest.mark.parametrize("text", ["{", '{"ranking": []}', '{"ranking": [], "scores": [], "more": 1}'])
def test_a_file_that_is_no_record_is_refused(tmp_path, text):
    (tmp_path / "findings.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="findings"):
        read_findings(tmp_path / "findings.json")


def test_records_that_do_not_fit_together_are_refused():
    with pytest.raises(SettingsError, match="'plain'"):
        TrainingHistory("plain", (1, 2), (0.5,))
    with pytest.raises(SettingsError, match="2 bins"):
        RiskHistogram((0.0, 1.0, 2.0), {"lesion": (1,)})


def test_renders_are_embedded_and_missing_ones_named(tmp_path, findings_with_renders):
    (tmp_path / "axial.png").write_bytes(montage([[Overlay("image", np.eye(8))]]))
    findings = findings_with_renders({"Axial": tmp_path / "axial.png", "3-D": tmp_path / "absent.png"})
    section = next(s for s in demo_sections(findings) if s.title == "Pictures")
    assert [figure.alt for figure in section.figures] == ["Axial"]
    assert section.paragraphs[-1] == "Not rendered: 3-D."


def test_differences_are_paired_by_case():
    scores = [
        CaseScore("plain", "1", "x", 0.50), CaseScore("plain", "1", "y", 0.70),
        CaseScore("plain", "2", "x", 0.80), CaseScore("plain", "3", "x", 0.10),
        CaseScore("new", "1", "x", 0.60), CaseScore("new", "1", "y", 0.80),
        CaseScore("new", "2", "x", 0.78),
    ]  # fmt: skip
    sections = demo_sections(DemoFindings((), tuple(scores)))
    table = sections[-1].tables[-1]
    row = table.rows[0]
    assert row["wins"] == "1 of 2"
    difference = row["difference"]
    assert isinstance(difference, Spread)
    assert (difference.mean, difference.count) == (pytest.approx(4.0), 2)  # +10 and −2 points
    assert difference.sd == pytest.approx(72**0.5)


def test_the_audit_names_the_labels_that_transfer_hurt(findings):
    section = next(s for s in demo_sections(findings) if "audit" in s.title)
    assert section.paragraphs[0].startswith("Transfer helped CSF (+9.0 Dice points) and hurt lesion (-3.0).")


def test_sections_without_findings_are_left_out():
    assert [section.title for section in demo_sections(DemoFindings((), ()))] == ["Summary"]
