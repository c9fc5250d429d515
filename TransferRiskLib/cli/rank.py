"""`transferrisk rank`: which of several source models tells most about the target's labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from TransferRiskLib.cli.cohort_options import add_cohort, cohort_input
from TransferRiskLib.cli.command import Command, Given, add_output
from TransferRiskLib.cli.exit_codes import SOME_FAILED
from TransferRiskLib.cli.prediction_options import add_prediction, prediction_settings
from TransferRiskLib.cli.tables import table, unnamed_lines
from TransferRiskLib.tasks.requests import RankRequest
from TransferRiskLib.tasks.results import ModelScore, RankResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        "models", type=Path, metavar="MODEL", nargs="+" if required else "*", default=argparse.SUPPRESS,
        help="MONAI bundles (folders) or TorchScript files with their cards",
    )  # fmt: skip
    add_output(parser, required, "the table of scores")
    add_cohort(parser, required)
    parser.add_argument(
        "--input-curves", choices=("auto", "off"), default=argparse.SUPPRESS,
        help="auto scores a model through intensity curves where they make it tell clearly more (scans of "
        "another contrast), as the recommended adaptation would use it; off as it is (default auto)",
    )  # fmt: skip
    add_prediction(parser)


def _request(given: Given) -> RankRequest:
    models = tuple(given["models"])
    return RankRequest(
        models, cohort_input(given, models), given["output"], prediction_settings(given),
        given.get("input_curves", "auto"),
    )  # fmt: skip


def _show(result: RankResult) -> list[str]:
    labels = list(dict.fromkeys(label for score in result.scores for label in score.per_class))
    curves = any(score.without_curves is not None for score in result.scores)
    rows = [
        [
            score.model,
            score.normalised,
            *([score.without_curves] if curves else []),
            score.leep,
            *(score.per_class.get(label) for label in labels),
        ]
        for score in result.scores
    ]
    header = ["model", "score", *(["without curves"] if curves else []), "LEEP", *labels]
    remarks = [line for score in result.scores for line in (*unnamed_lines(score), *_lineage_lines(score))]
    missed = [f"left out: {model.path}: {model.reason}" for model in result.left_out]
    return [*table(header, rows), "", *remarks, *missed, f"table: {result.table}"]


def _lineage_lines(score: ModelScore) -> list[str]:
    """What makes a score too good to be compared."""
    lineage, lines = score.lineage, []
    if lineage is not None and lineage.trained_on:
        count, names = len(lineage.trained_on), ", ".join(lineage.trained_on)
        lines.append(
            f"{score.model} was trained on {count} of these cases ({names}): it scores too well on them"
        )
    if lineage is not None and lineage.uncertain:
        more = "more of these cases" if lineage.trained_on else "these cases"
        known = (
            f"{score.model} is an adapted model, perhaps to {more}: no record of a run behind it is at hand"
        )
        unknown = f"{score.model} was perhaps adapted to {more}: it comes without a record of its training"
        lines.append(known if lineage.adapted else unknown)
    return lines


def _exit_code(result: RankResult) -> int:
    return SOME_FAILED if result.left_out else 0


COMMAND = Command(
    name="rank",
    help="compare source models on the same labelled cases",
    description="Runs every model over the labelled cases and ranks the models by how much their outputs "
    "tell about your labels: 0 says nothing, 1 says everything. No training is involved.",
    examples="""examples:
  transferrisk rank model_a model_b.ts --cases Task04_Hippocampus --output ranking
  transferrisk rank t1_model flair_model --cases scans --channel T1=T2 --channel FLAIR=T2 -o ranking""",
    task="TransferRiskLib.tasks.rank:rank",
    request_type=RankRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
    exit_code=_exit_code,
)
