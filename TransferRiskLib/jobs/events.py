"""What a worker says, one JSON line each; needs nothing but the standard library.

A line is `{"version": 1, "id": JOB, "kind": KIND, "data": {...}}`. Every job ends in exactly one of
`done`, `cancelled` and `error`. `id` is null for what concerns the worker and no job.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.lines import LONGEST_LINE
from TransferRiskLib.records import from_json, to_json

VERSION = 1


@dataclass(frozen=True)
class Started:
    """The worker runs (`id` null, first of all lines) or a job began. `pid` is the real process."""

    kind: ClassVar[str] = "started"
    pid: int
    versions: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A new part of the job begins; `total` is its number of steps, when known."""

    kind: ClassVar[str] = "stage"
    name: str
    total: int | None = None


@dataclass(frozen=True)
class Step:
    """The stage advanced."""

    kind: ClassVar[str] = "step"
    advance: int = 1
    message: str = ""


@dataclass(frozen=True)
class Metrics:
    """Numbers at a training step; None where a number is not finite."""

    kind: ClassVar[str] = "metrics"
    step: int
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Message:
    """A line for the log; `level` is info, warning or error."""

    kind: ClassVar[str] = "message"
    text: str
    level: str = "info"


@dataclass(frozen=True)
class Artifact:
    """A file that is complete; `content` says what it is."""

    kind: ClassVar[str] = "artifact"
    path: str
    content: str


@dataclass(frozen=True)
class Stopping:
    """The job noticed that it was cancelled and is tidying up."""

    kind: ClassVar[str] = "stopping"


@dataclass(frozen=True)
class Released:
    """The worker gave memory back; `reserved` is what the GPU still holds, in bytes."""

    kind: ClassVar[str] = "released"
    reserved: int = 0


@dataclass(frozen=True)
class Done:
    """Last record: the task's result as JSON."""

    kind: ClassVar[str] = "done"
    result: Any = None


@dataclass(frozen=True)
class JobCancelled:
    """Last record: the job was stopped on request."""

    kind: ClassVar[str] = "cancelled"
    message: str = ""


@dataclass(frozen=True)
class Failed:
    """Last record: what went wrong.

    Attributes:
        type: Name of the error's class.
        message: What is wrong, for the user.
        hint: What the user can do about it.
        file: The file it is about.
        traceback: For the log only; with a worker that died, the log's tail.
    """

    kind: ClassVar[str] = "error"
    type: str
    message: str
    hint: str | None = None
    file: str | None = None
    traceback: str = ""


Body = (
    Started | Stage | Step | Metrics | Message | Artifact | Stopping | Released | Done | JobCancelled | Failed
)
_KINDS: dict[str, type] = {body.kind: body for body in get_args(Body)}


@dataclass(frozen=True)
class Event:
    """One line of a worker: the job it belongs to (None: the worker itself) and what it says."""

    id: str | None
    body: Body

    @property
    def kind(self) -> str:
        """Name of the body's kind, `started` to `error`."""
        return self.body.kind

    @property
    def is_last(self) -> bool:
        """Whether the job ends with this event."""
        return isinstance(self.body, (Done, JobCancelled, Failed))


def encode_event(event: Event) -> bytes:
    """The UTF-8 line of an event, with its line end.

    Raises:
        ValueError: a number that is not finite in a result.
        TypeError: a value that has no JSON form.
    """
    line = {"version": VERSION, "id": event.id, "kind": event.kind, "data": to_json(event.body)}
    return encode_line(line)


def decode_event(line: bytes) -> Event:
    """The event of a line.

    Raises:
        SettingsError: the line is no event, or of another version.
    """
    value = decode_line(line)
    kind = _KINDS.get(str(value.get("kind")))
    if kind is None:
        raise SettingsError(f"There is no event {value.get('kind')!r}.")
    identity = value.get("id")
    return Event(None if identity is None else str(identity), from_json(kind, value.get("data", {}), "event"))


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values with None in place of those that JSON cannot hold."""
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def encode_line(value: Mapping[str, Any]) -> bytes:
    """A JSON object as one ASCII line: no encoding on the way can spoil it.

    Raises:
        SettingsError: longer than what the other side takes for one line.
        TypeError, ValueError: it has no JSON form.
    """
    line = json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > LONGEST_LINE:
        raise SettingsError(
            f"A record of {len(line) >> 20} MiB is longer than the {LONGEST_LINE >> 20} MiB of a line.",
            hint="Give fewer cases at a time.",
        )
    return line


def decode_line(line: bytes) -> dict[str, Any]:
    """The JSON object of a line of this protocol's version; raises SettingsError otherwise."""
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"A line is not JSON ({error}).") from error
    if not isinstance(value, dict) or "version" not in value:
        raise SettingsError("A line is not a record of this protocol.")
    if value["version"] != VERSION:
        raise SettingsError(
            f"A record has version {value['version']!r}; this side speaks version {VERSION}.",
            hint="Use the same release of TransferRisk on both sides.",
        )
    return value
