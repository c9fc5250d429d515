"""Is the map right as a diagnostic?

B="--source runs/hippocampus/sources/NAME/bundle --cohort oasis_hippocampus_crops"
python -m experiments.diagnostics train $B --k 3 --presets plain recommended --output runs/adapted
A="--adapted plain=runs/adapted/plain --adapted recommended=runs/adapted/recommended"
python -m experiments.diagnostics maps $B $A --output runs/maps
python -m experiments.diagnostics calibration $B $A --output runs/maps
python -m experiments.diagnostics correlation runs/*/cells.csv --output runs/correlation
python -m experiments.diagnostics suggest $B --unit cases --output runs/suggest-cases
python -m experiments.diagnostics suggest $B --unit slices --per-round 3 --output runs/suggest-slices
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from experiments.diagnostics.calibration_report import write_calibration
from experiments.diagnostics.correlation import write_correlation
from experiments.diagnostics.inputs import Target, materials
from experiments.diagnostics.maps import write_maps
from experiments.diagnostics.suggest import Plan, Simulation
from experiments.diagnostics.training import preset, write_adapted
from TransferRiskLib.adaptation.settings import PRESETS
from TransferRiskLib.errors import SettingsError, TransferRiskError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        for path in given.command(given):
            print(path)
    except TransferRiskError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.diagnostics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    train = _command(commands, "train", _train, "adapt with some presets to the same few cases")
    train.add_argument("--presets", nargs="+", choices=PRESETS, default=["plain", "recommended"])
    train.add_argument("--k", type=int, default=3, help="annotated cases")
    train.add_argument("--seed", type=int, default=0, help="draws them")
    for name, command, words in (
        ("maps", _maps, "AUROC of the maps against the errors"),
        ("calibration", _calibration, "whether the probabilities mean what they say"),
    ):
        each = _command(commands, name, command, words)
        each.add_argument("--adapted", action="append", default=[], metavar="NAME=BUNDLE", type=_pair)
        each.add_argument(
            "--annotated", nargs="+", default=[], metavar="CASE", help="where the adapted bundles do not tell"
        )
    ranks = commands.add_parser("correlation", help="normalised score against Dice")
    ranks.add_argument("cells", nargs="+", type=Path, help="cells.csv of reports")
    ranks.add_argument("--methods", nargs="+", default=[])
    ranks.add_argument("--output", type=Path, required=True)
    ranks.set_defaults(command=_correlation)
    suggest = _command(commands, "suggest", _suggest, "simulate the order of annotation")
    suggest.add_argument("--unit", choices=("cases", "slices"), default="cases")
    suggest.add_argument("--per-round", type=int, default=1)
    suggest.add_argument("--rounds", type=int, default=3)
    suggest.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    suggest.add_argument("--preset", choices=PRESETS, default="plain")
    for each in (train, suggest):
        each.add_argument("--test", type=int, default=6, help="test subjects")
        each.add_argument("--steps", type=int, default=150)
        each.add_argument("--learning-rate", type=float, default=3e-3)
    return parser


def _command(commands, name: str, command, words: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words)
    parser.add_argument("--source", type=Path, required=True, help="bundle of the source model")
    parser.add_argument("--cohort", required=True, help="registered cohort, or a folder of cases")
    parser.add_argument("--data", type=Path, help="folder of the cohorts' folders (TRANSFERRISK_DATA)")
    parser.add_argument("--channels", nargs="+", default=[], help="in place of the source's, in its order")
    parser.add_argument("--merge", nargs="+", default=[], metavar="LABEL=NEW", type=_pair)
    parser.add_argument("--contrast", choices=("none", "remap"), default="none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--output", type=Path, required=True)
    parser.set_defaults(command=command)
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


def _target(given: argparse.Namespace) -> Target:
    torch.set_num_threads(given.threads)
    merge, channels = dict(given.merge) or None, tuple(given.channels)
    return Target.named(given.cohort, given.data, channels=channels, merge=merge, contrast=given.contrast)


def _prediction(given: argparse.Namespace) -> PredictionSettings:
    return PredictionSettings(given.device, overlap=0.25)


def _train(given: argparse.Namespace) -> Sequence[Path]:
    settings = [preset(name, given.steps, given.learning_rate, given.seed) for name in given.presets]
    source, prediction = open_model(given.source), _prediction(given)
    return write_adapted(source, _target(given), settings, given.k, given.test, prediction, given.output)


def _materials(given: argparse.Namespace):
    models = {name: open_model(Path(bundle)) for name, bundle in given.adapted}
    return materials(open_model(given.source), _target(given), models, given.annotated, _prediction(given))


def _maps(given: argparse.Namespace) -> Sequence[Path]:
    return [write_maps(_materials(given), given.output)]


def _calibration(given: argparse.Namespace) -> Sequence[Path]:
    return [write_calibration(_materials(given), given.output)]


def _correlation(given: argparse.Namespace) -> Sequence[Path]:
    return [write_correlation(given.cells, given.output, given.methods)]


def _suggest(given: argparse.Namespace) -> Sequence[Path]:
    if min(given.rounds, given.per_round) < 1:
        raise SettingsError("There must be at least one round, and one case or slice in each.")
    plan = Plan(given.unit, given.per_round, given.rounds, tuple(given.seeds), given.test)
    settings = preset(given.preset, given.steps, given.learning_rate, 0)
    simulation = Simulation(
        open_model(given.source), _target(given), plan, settings, _prediction(given), given.output, _say
    )
    return [simulation.run()]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
