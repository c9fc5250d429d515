"""From the findings of a demonstration to its pictures, Slicer scenes and report."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from TransferRiskLib.atomic import write_json
from TransferRiskLib.progress import Progress
from TransferRiskLib.reports.demo_pictures import demo_pictures
from TransferRiskLib.reports.demo_report import write_demo_report
from TransferRiskLib.reports.findings import read_findings
from TransferRiskLib.tasks.results import DemoResult


def present_demo(result: DemoResult, progress: Progress) -> Path:
    """Render the pictures, save the scenes, and write `report.html` beside the findings.

    Returns:
        The report.
    """
    output = result.findings.parent
    started = time.monotonic()
    record = json.loads(result.findings.read_text(encoding="utf-8"))
    pictures = demo_pictures(output, record["methods"], progress)
    record["renders"] = {
        title: Path(os.path.relpath(picture, output)).as_posix() for title, picture in pictures.items()
    }
    record["timings"]["Rendering"] = round(time.monotonic() - started, 1)
    write_json(result.findings, record)
    report = output / "report.html"
    write_demo_report(read_findings(result.findings), report)
    progress.artifact(report, "report")
    return report
