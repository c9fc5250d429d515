"""`transferrisk evaluate`: compare segmentations with labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from TransferRiskLib.cli.cohort_options import add_cohort, cohort_input
from TransferRiskLib.cli.command import Command, Given, add_output
from TransferRiskLib.cli.tables import table
from TransferRiskLib.tasks.requests import EvaluateRequest
from TransferRiskLib.tasks.results import EvaluateResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", nargs=None if required else "*",
        default=argparse.SUPPRESS,
        help="folder with one label map a case (NAME.nii.gz), or the output folder of `segment`",
    )  # fmt: skip
    add_output(parser, required, "the tables")
    add_cohort(parser, required)


def _request(given: Given) -> EvaluateRequest:
    return EvaluateRequest(given["predictions"], cohort_input(given, []), given["output"])


def _show(result: EvaluateResult) -> list[str]:
    rows = [[label, dice] for label, dice in result.dice.items()]
    return [*table(["label", "Dice"], rows), "", f"table: {result.table}"]


COMMAND = Command(
    name="evaluate",
    help="Dice, surface distances and volumes against labels",
    description="Compares label maps with the labels of cases: Dice, 95 % Hausdorff distance, average "
    "symmetric surface distance and volume error, per label, per case and overall, as CSV and JSON.",
    examples="""examples:
  transferrisk evaluate results --cases test_cases --output metrics
  transferrisk evaluate results --cases test_cases --select case_07 case_12 -o metrics""",
    task="TransferRiskLib.tasks.evaluate:evaluate",
    request_type=EvaluateRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
)
