"""`transferrisk adapt`: fit a source model to a few labelled cases."""

from __future__ import annotations

import argparse
import shlex

from TransferRiskLib.cli.cohort_options import add_cohort, cohort_input
from TransferRiskLib.cli.command import Command, Given, add_model, add_output
from TransferRiskLib.cli.prediction_options import add_prediction, prediction_settings
from TransferRiskLib.cli.settings_options import adaptation_settings, add_settings, settings_help
from TransferRiskLib.cli.tables import table
from TransferRiskLib.tasks.requests import AdaptRequest
from TransferRiskLib.tasks.results import AdaptResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    add_model(parser, required)
    add_output(parser, required, "the adapted model, checkpoints and tables")
    parser.add_argument("--name", metavar="NAME", default=argparse.SUPPRESS, help="name of the adapted model")
    parser.add_argument(
        "--restart", action="store_true", default=argparse.SUPPRESS,
        help="begin anew where the output folder holds another run",
    )  # fmt: skip
    add_settings(parser)
    add_cohort(parser, required)
    add_prediction(parser)


def _request(given: Given) -> AdaptRequest:
    return AdaptRequest(
        model=given["model"],
        target=cohort_input(given, [given["model"]]),
        output=given["output"],
        settings=adaptation_settings(given),
        prediction=prediction_settings(given),
        name=given.get("name", ""),
        restart=given.get("restart", False),
    )


def _show(result: AdaptResult) -> list[str]:
    lines = []
    if result.validation:
        rows = [[label, dice] for label, dice in result.validation.items()]
        lines += [*table(["label", "validation Dice"], rows), ""]
    if result.audit:
        rows = [
            [row.label, row.transferred, row.scratch, row.difference, f"{row.better} of {row.cases}"]
            for row in result.audit
        ]
        lines += [*table(["label", "transferred", "from scratch", "difference", "better in"], rows), ""]
    lines.append(f"share of the translated source in the prediction: {result.eep_weight:g}")
    if result.score_without_curves is not None:
        lines.append(
            "intensity curves raised the normalised score of the source from "
            f"{result.score_without_curves:.2f} to {result.normalised_score:.2f}"
        )
    if result.keep_largest:
        lines.append(f"largest component kept: {', '.join(result.keep_largest)}")
    channels = [f"--channel {shlex.quote(f'{name}={other}')}" for name, other in result.channels.items()]
    model = shlex.quote(str(result.bundle))
    return [
        *lines,
        f"history: {result.history}",
        f"model: {result.bundle}",
        f"next: {' '.join(['transferrisk segment', model, '--cases SCANS', *channels, '--output DIR'])}",
    ]


COMMAND = Command(
    name="adapt",
    help="adapt a source model to a few labelled cases",
    description="Trains on the labelled cases, chooses on validation folds, and writes a MONAI bundle. "
    "An interrupted run continues when the same command is given again.",
    examples=f"""examples:
  transferrisk adapt model --cases labelled --output adapted
  transferrisk adapt model --cases labelled --preset paper --steps 1000 --folds 0 -o published
  transferrisk adapt model --cases labelled --set weights=gain --set augmentation.noise=0 -o custom

{settings_help()}""",
    task="TransferRiskLib.tasks.adapt:adapt",
    request_type=AdaptRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
    resumes=True,
)
