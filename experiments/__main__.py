"""Run, tune and tabulate experiments; see README.md beside this file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from experiments.checks import parse_experiment, read_document
from experiments.claims import Claims
from experiments.cohorts import data_folder
from experiments.engine import Engine
from experiments.provenance import record
from experiments.rows import gather
from experiments.selection import described, parse_only, selected
from experiments.study import Study
from experiments.tune import tune, tuned_settings
from TransferRiskLib.cli.exit_codes import SOME_FAILED
from TransferRiskLib.cli.interrupts import stop_on_signals
from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.progress import Progress


class _Lines(Progress):
    """Messages as lines; everything else is silent."""

    def message(self, text: str, level: str = "info") -> None:
        _say(text if level == "info" else f"{level}: {text}")


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given))
    except TransferRiskError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run the cells that are not done")
    run.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="scenario, fold, k, seed and method of the cells; a repeated key means either value",
    )
    run.add_argument("--dry-run", action="store_true", help="list the cells and what they take")
    run.set_defaults(command=_run)
    tuning = commands.add_parser("tune", help="choose settings on training subjects")
    tuning.set_defaults(command=_tune)
    for each in (run, tuning):
        each.add_argument("config", type=Path)
        each.add_argument("--output", type=Path, required=True)
        each.add_argument("--data", type=Path, help="folder of the cohorts' folders (TRANSFERRISK_DATA)")
        each.add_argument("--device", default="auto")
        each.add_argument("--threads", type=int, default=1, help="of the CPU")
    table = commands.add_parser("table", help="write the report of a folder of results")
    table.add_argument("folder", type=Path)
    table.set_defaults(command=_table)
    return parser


def _study(given: argparse.Namespace) -> tuple[Study, dict]:
    document = read_document(given.config)
    experiment = parse_experiment(document, given.config)
    return Study(experiment, given.output, data_folder(given.data), given.device), document


def _engine(study: Study, given: argparse.Namespace, document: dict, progress: Progress) -> Engine:
    torch.set_num_threads(given.threads)
    with Claims(study.output / "claims").waiting("record", progress.check):
        record(document, study.output, given.device, given.threads)
    return Engine(study, progress, _say)


def _run(given: argparse.Namespace) -> int:
    study, document = _study(given)
    cells = selected(study.cells, parse_only(given.only))
    if given.dry_run:
        _say("\n".join(described(study, cells)))
        return 0
    tuned = tuned_settings(study)
    with stop_on_signals() as is_cancelled:
        engine = _engine(study, given, document, _Lines(is_cancelled))
        engine.tuned = tuned
        outcome = engine.run(cells)
    gather(study.output)
    _say(f"{len(outcome.run)} cells run, {sum(map(study.done, cells))} of {len(cells)} done")
    return SOME_FAILED if outcome.failed else 0


def _tune(given: argparse.Namespace) -> int:
    study, document = _study(given)
    with stop_on_signals() as is_cancelled:
        _say(str(tune(_engine(study, given, document, _Lines(is_cancelled)))))
    return 0


def _table(given: argparse.Namespace) -> int:
    from experiments.summary.report import write_report  # draws figures, which takes a while to import

    gather(given.folder)
    write_report(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
