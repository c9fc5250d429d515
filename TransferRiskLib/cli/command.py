"""What every command of the command line is made of."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Given = Mapping[str, Any]
"""The options a user gave; what was not given is absent, so defaults live in the records alone."""


@dataclass(frozen=True)
class Command:
    """A command that runs one task.

    Attributes:
        name, help, description, examples: Shown by `--help`.
        task: `module:function`, imported only when the command runs, since it brings torch.
        request_type: The record that the task takes.
        add_options: Adds the options to a parser; its second argument says whether the ones that a
            request needs must be given (not so when the request comes from a file).
        request: The request of the given options.
        show: Lines for people about a result.
        exit_code: Exit code of a result.
        present: `module:function` that makes pages or pictures of the result, with progress; optional.
        resumes: Whether the same command goes on where it was stopped, rather than beginning anew.
    """

    name: str
    help: str
    description: str
    examples: str
    task: str
    request_type: type
    add_options: Callable[[argparse.ArgumentParser, bool], None]
    request: Callable[[Given], Any]
    show: Callable[[Any], list[str]]
    exit_code: Callable[[Any], int] = lambda result: 0
    present: str = ""
    resumes: bool = False


def add_model(parser: argparse.ArgumentParser, required: bool) -> None:
    """The positional source model."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", nargs=None if required else "*", default=argparse.SUPPRESS,
        help="a MONAI bundle (folder) or a TorchScript file with its card",
    )  # fmt: skip


def add_output(parser: argparse.ArgumentParser, required: bool, what: str) -> None:
    """The output folder."""
    parser.add_argument(
        "--output", "-o", type=Path, metavar="DIR", required=required, default=argparse.SUPPRESS,
        help=f"folder for {what}",
    )  # fmt: skip
