"""What a worker is told, one JSON line each; needs nothing but the standard library.

A job is `{"version": 1, "task": TASK, "id": JOB, "request": {...}}`; the other lines are
`{"version": 1, "command": "cancel", "id": JOB}`, `release` and `shutdown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.events import VERSION, decode_line, encode_line
from TransferRiskLib.records import to_json


@dataclass(frozen=True)
class Job:
    """Run a task; `request` is the JSON of its request record."""

    id: str
    task: str
    request: Any


@dataclass(frozen=True)
class Cancel:
    """Stop a job, waiting or running."""

    id: str


@dataclass(frozen=True)
class Release:
    """Give GPU memory back once no job runs."""


@dataclass(frozen=True)
class Shutdown:
    """End after the jobs that are waiting."""


Command = Job | Cancel | Release | Shutdown


def encode_command(command: Command) -> bytes:
    """The line of a command, with its line end."""
    if isinstance(command, Job):
        line = {"task": command.task, "id": command.id, "request": to_json(command.request)}
    elif isinstance(command, Cancel):
        line = {"command": "cancel", "id": command.id}
    else:
        line = {"command": "release" if isinstance(command, Release) else "shutdown"}
    return encode_line({"version": VERSION, **line})


def decode_command(line: bytes) -> Command:
    """The command of a line.

    Raises:
        SettingsError: the line is no command, or of another version.
    """
    value = decode_line(line)
    name, identity = value.get("command"), value.get("id")
    if name == "release":
        return Release()
    if name == "shutdown":
        return Shutdown()
    if not isinstance(identity, str):
        raise SettingsError("A job or cancel record needs an id, which is text.")
    if name == "cancel":
        return Cancel(identity)
    if name is None and isinstance(value.get("task"), str):
        return Job(identity, value["task"], value.get("request", {}))
    raise SettingsError(f"There is no command {name!r}.")
