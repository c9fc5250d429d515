"""`transferrisk map`: where, voxel by voxel, a source model will not transfer."""

from __future__ import annotations

import argparse
import typing
from pathlib import Path

from TransferRiskLib.cli.cohort_options import add_cohort, cohort_input
from TransferRiskLib.cli.command import Command, Given, add_model, add_output
from TransferRiskLib.cli.prediction_options import add_prediction, prediction_settings
from TransferRiskLib.cli.tables import table, unnamed_lines
from TransferRiskLib.tasks.requests import MapKind, MapRequest
from TransferRiskLib.tasks.results import MapResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    add_model(parser, required)
    add_output(parser, required, "maps, statistics and summary")
    parser.add_argument(
        "--maps", nargs="+", choices=typing.get_args(MapKind), default=argparse.SUPPRESS,
        help="which volumes to write (default all)",
    )  # fmt: skip
    parser.add_argument(
        "--statistics", type=Path, metavar="FILE", default=argparse.SUPPRESS,
        help="joint statistics of an earlier run (statistics.json); needed when no case has labels",
    )  # fmt: skip
    add_cohort(parser, required)
    add_prediction(parser)


def _request(given: Given) -> MapRequest:
    return MapRequest(
        model=given["model"],
        target=cohort_input(given, [given["model"]]),
        output=given["output"],
        maps=tuple(given.get("maps", MapRequest.maps)),
        statistics=given.get("statistics"),
        prediction=prediction_settings(given),
    )


def _show(result: MapResult) -> list[str]:
    lines = []
    if result.score is not None:
        score = result.score
        lines.append(f"{score.model}: score {score.normalised:.3f} of 1, LEEP {score.leep:.3f} nats")
        if not score.informs:
            lines.append("too little to find its errors by: maps follow how common labels are")
        lines += [*unnamed_lines(score), ""]
    if result.risk:
        rows = [
            [row.case, row.label, row.mean, row.median, row.q95, row.negative_share] for row in result.risk
        ]
        lines += [*table(["case", "label", "mean risk", "median", "95 %", "misled share"], rows), ""]
    lines += [f"{case.case}: {kind}: {path}" for case in result.cases for kind, path in case.maps.items()]
    return [*lines, f"statistics: {result.statistics}", f"summary: {result.summary}"]


COMMAND = Command(
    name="map",
    help="transfer risk maps of labelled cases, expected risk of others",
    description="Writes volumes on the grid of each case's first image. With labels: risk (-log EEP, in "
    "nats), relative risk, and transfer gain, which is negative where the model misleads. Without labels: "
    "expected risk, and the segmentation that the translated source outputs give with no training.",
    examples="""examples:
  transferrisk map model --cases labelled --output maps
  transferrisk map model --cases labelled --merge Anterior=hippocampus --merge Posterior=hippocampus -o maps
  transferrisk map model --cases new_scans --statistics maps/statistics.json -o new_maps""",
    task="TransferRiskLib.tasks.map:map_risk",
    request_type=MapRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
)
