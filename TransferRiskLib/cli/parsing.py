"""The argument parser, put together from the commands."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib import __version__
from TransferRiskLib.cli import adapt, demo, evaluate, map, models, rank, segment
from TransferRiskLib.cli.exit_codes import exit_code_help

COMMANDS = tuple(module.COMMAND for module in (rank, map, adapt, segment, evaluate, demo))
COMMON = ("json", "quiet", "debug", "request", "save_request", "command", "models_command")
"""Options that are no part of a request."""

_DESCRIPTION = "See where a segmentation model transfers to your scans, adapt it, and segment the rest."
_EXAMPLES = """the main job, step by step:
  transferrisk rank model_a model_b --cases labelled --output ranking      which model to start from
  transferrisk map model_a --cases labelled --output maps                  where it will not transfer
  transferrisk adapt model_a --cases labelled --output adapted             adapt it
  transferrisk segment adapted/bundle --cases new_scans --output results   segment the rest
  transferrisk evaluate results --cases test_cases --output metrics        measure

`transferrisk COMMAND --help` explains a command. Progress goes to stderr, results to stdout.
Ctrl-C stops in order; an adaptation is continued by the same command."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The given options; only those given are attributes of the namespace.

    Bad usage ends the process with exit code 2, `--help` with 0, as argparse does.
    """
    from_file = any(text == "--request" or text.startswith("--request=") for text in arguments)
    return build_parser(required=not from_file).parse_args(arguments)


def build_parser(required: bool = True) -> argparse.ArgumentParser:
    """The parser; without `required` every option may be left out, as with a request from a file."""
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="transferrisk", description=_DESCRIPTION, parents=[common], allow_abbrev=False,
        epilog=f"{_EXAMPLES}\n\n{exit_code_help()}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"transferrisk {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        child = commands.add_parser(
            command.name, help=command.help, parents=[common],
            description=textwrap.fill(command.description, 100),
            epilog=f"{command.examples}\n\n{exit_code_help()}", allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.add_options(child, required)
        group = child.add_argument_group("requests in files", argument_default=argparse.SUPPRESS)
        group.add_argument(
            "--request", type=Path, metavar="FILE",
            help="take everything from a request saved as JSON; only --output may be given beside it",
        )  # fmt: skip
        group.add_argument(
            "--save-request", type=Path, metavar="FILE", help="save the request as JSON, then run it"
        )
    _add_models(commands, common)
    return parser


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="the result, or the error, as JSON on stdout")
    common.add_argument("--quiet", "-q", action="store_true", help="no progress, only warnings and errors")
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return common


def _add_models(commands: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser("models", help="look at model files", allow_abbrev=False)
    children = parser.add_subparsers(dest="models_command", metavar="show", required=True)
    show = children.add_parser(
        "show", help="what a model file says of itself", parents=[common], allow_abbrev=False,
        description="Prints the card of a model: channels, labels, spacing, normalisation.",
        epilog=models.EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    models.add_options(show)
