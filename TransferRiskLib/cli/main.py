"""The command line: options to a request, a task, and its result on stdout."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from TransferRiskLib.cli.command import Command
from TransferRiskLib.cli.console import ConsoleProgress
from TransferRiskLib.cli.interrupts import stop_on_signals
from TransferRiskLib.cli.models import card_lines, show_card
from TransferRiskLib.cli.parsing import COMMANDS, COMMON, parse
from TransferRiskLib.cli.request_files import read_request, save_request
from TransferRiskLib.errors import Cancelled, TransferRiskError, known_error
from TransferRiskLib.records import to_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows the program's name; by default those of this process.

    Returns:
        The exit code, see `transferrisk --help`.
    """
    try:
        code = _answer(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of stdout, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TransferRiskError.exit_code


def _answer(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        return _run(options)
    except Cancelled as error:
        print(_after_stop(options.command, arguments), file=sys.stderr)
        return _fail(error, options)
    except KeyboardInterrupt:
        return _fail(Cancelled("The command was interrupted."), options)
    except BrokenPipeError:
        raise
    except Exception as error:
        known = known_error(error)
        if known is not None:
            print(f"error: {known}", file=sys.stderr)
            return _fail(known, options)
        print(f"error: unexpected {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        return _fail(TransferRiskError(f"unexpected {type(error).__name__}: {error}"), options)


def _after_stop(name: str, arguments: list[str]) -> str:
    """What to run after a command was stopped."""
    resumes = any(command.name == name and command.resumes for command in COMMANDS)
    what = "to resume, run the same command again" if resumes else "nothing can be resumed; to begin anew"
    # given again, it would throw away what is to be resumed
    again = [argument for argument in arguments if argument != "--restart"]
    return f"stopped; {what}: transferrisk {shlex.join(again)}"


def _run(options: argparse.Namespace) -> int:
    if options.command == "models":
        card = show_card(options.model, options.check)
        _print(card, card_lines, options)
        return 0
    command = next(each for each in COMMANDS if each.name == options.command)
    given = {name: value for name, value in vars(options).items() if name not in COMMON}
    if "request" in options:
        request = read_request(command.request_type, options.request, given)
    else:
        request = command.request(given)
    if "save_request" in options:
        save_request(request, options.save_request)
    result = _run_task(command, request, quiet="quiet" in options)
    _print(result, command.show, options)
    return command.exit_code(result)


def _run_task(command: Command, request: Any, quiet: bool) -> Any:
    with stop_on_signals() as is_cancelled:
        progress = ConsoleProgress(sys.stderr, quiet=quiet, is_cancelled=is_cancelled)
        try:
            result = _function(command.task)(request, progress)
            if command.present:
                _function(command.present)(result, progress)
            return result
        finally:
            progress.close()


def _function(place: str) -> Callable[[Any, ConsoleProgress], Any]:
    """What `module:function` names."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)


def _print(result: Any, show: Callable[[Any], list[str]], options: argparse.Namespace) -> None:
    if "json" in options:
        _print_json(to_json(result))
    else:
        print("\n".join(show(result)))


def _fail(error: TransferRiskError, options: argparse.Namespace) -> int:
    if "debug" in options:
        traceback.print_exc()
    if "json" in options:
        _print_json(
            {
                "error": {
                    "kind": type(error).__name__,
                    "message": error.message,
                    "file": error.file,
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
            }
        )
    return error.exit_code


def _print_json(value: Any) -> None:
    print(json.dumps(_without_nan(value), indent=2, allow_nan=False))


def _without_nan(value: Any) -> Any:
    """Undefined numbers as null, which JSON has, instead of NaN, which it has not."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
