"""`transferrisk demo`: the whole job on simulated images."""

from __future__ import annotations

import argparse

from TransferRiskLib.cli.command import Command, Given, add_output
from TransferRiskLib.cli.tables import table
from TransferRiskLib.tasks.requests import DemoRequest
from TransferRiskLib.tasks.results import DemoResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    add_output(parser, required, "the report, maps, adapted model and scene")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=argparse.SUPPRESS, help="of everything random"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        default=argparse.SUPPRESS,
        help="shorter training, to see that it runs",
    )


def _request(given: Given) -> DemoRequest:
    return DemoRequest(**{name: given[name] for name in ("output", "seed", "quick") if name in given})


def _show(result: DemoResult) -> list[str]:
    rows = [[method, dice] for method, dice in result.dice.items()]
    return [
        *table(["method", "mean Dice"], rows),
        "",
        f"report (of simulated images): {result.findings.with_name('report.html')}",
    ]


COMMAND = Command(
    name="demo",
    help="the whole job on simulated images, with a report",
    description="Ranks two source models on simulated brains, maps the risk, adapts the better one on "
    "three labelled cases, segments four new scans and compares methods. It ends in report.html.",
    examples="""examples:
  transferrisk demo --output demo-output""",
    task="TransferRiskLib.tasks.demo:demo",
    request_type=DemoRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
    present="TransferRiskLib.reports.demo_presentation:present_demo",
    resumes=True,
)
