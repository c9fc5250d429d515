"""Every field of the adaptation's settings as `--set FIELD=VALUE`, typed and documented by the record."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import typing
from collections.abc import Iterable
from typing import Any

from TransferRiskLib.adaptation.settings import (
    PRESETS,
    AdaptationSettings,
    AugmentationSettings,
    preset_settings,
)
from TransferRiskLib.cli.command import Given
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json, to_json

_DIRECT = {"steps": "steps", "seed": "seed", "folds": "folds", "eep_weight": "eep_weight"}
"""Options that stand for one field each."""


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of an adaptation."""
    group = parser.add_argument_group("training", argument_default=argparse.SUPPRESS)
    group.add_argument("--preset", choices=PRESETS, help="where the settings start (default recommended)")
    group.add_argument("--steps", metavar="N", help="training steps")
    group.add_argument("--seed", metavar="N", help="of everything random")
    group.add_argument("--folds", metavar="N", help="validation folds, or auto; 0 trains on all cases")
    group.add_argument(
        "--eep-weight",
        metavar="SHARE",
        help="share of the translated source in the result, 0 to 1, or auto",
    )
    group.add_argument("--no-audit", action="store_true", help="no training from scratch to compare with")
    group.add_argument(
        "--set", dest="changes", action="append", metavar="FIELD=VALUE",
        help="any field of the settings, listed below; can be repeated; the options above win over it",
    )  # fmt: skip


def adaptation_settings(given: Given) -> AdaptationSettings:
    """The settings of the given options.

    Raises:
        SettingsError: an unknown field or a value that does not fit; it names the field.
    """
    changes = [*given.get("changes", ())]
    changes += [f"{field}={given[option]}" for option, field in _DIRECT.items() if option in given]
    if given.get("no_audit"):
        changes.append("audit=false")
    return changed_settings(preset_settings(given.get("preset", "recommended")), changes)


def changed_settings(settings: AdaptationSettings, changes: Iterable[str]) -> AdaptationSettings:
    """The settings with `field=value` texts applied; parts of a part are written `part.field`.

    Example:
        >>> changed_settings(preset_settings("plain"), ["steps=10", "augmentation.noise=0"]).steps
        10
    """
    document = to_json(settings)
    for change in changes:
        path, sign, text = change.partition("=")
        if not sign:
            raise SettingsError(f"--set {change} is not of the form FIELD=VALUE.")
        *parts, name = path.strip().replace("-", "_").split(".")
        kind: Any = AdaptationSettings
        place = document
        for part in parts:
            kind = _field_kind(kind, part, path)
            place = place[part]
        place[name] = to_json(_typed(_field_kind(kind, name, path), text.strip(), path))
    return from_json(AdaptationSettings, document, "settings")


def settings_help() -> str:
    """All fields with their types, the values of the recommended preset, and what they mean."""
    recommended = preset_settings()
    lines = ["fields of --set (with the values of the preset 'recommended'):"]
    parts: tuple[tuple[str, Any], ...] = (("", recommended), ("augmentation.", recommended.augmentation))
    for prefix, record in parts:
        docs = attribute_docs(type(record))
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if field.name == "preset" or dataclasses.is_dataclass(value):
                continue
            choices = typing.get_args(typing.get_type_hints(type(record))[field.name])
            words = [repr_value(choice) for choice in choices if isinstance(choice, str)]
            lines.append(
                f"  {prefix}{field.name}={repr_value(value)}" + (f"   ({' | '.join(words)})" if words else "")
            )
            lines += [f"      {line}" for line in docs.get(field.name, [])]
    return "\n".join(lines)


def attribute_docs(record: type) -> dict[str, list[str]]:
    """The lines of a record's docstring about each of its attributes."""
    docs: dict[str, list[str]] = {}
    names: list[str] = []
    _, _, section = (record.__doc__ or "").partition("Attributes:\n")
    for line in section.splitlines():
        begins = re.match(r" {8}(\w+(?:, \w+)*): (.*)", line)
        if begins:
            names = begins[1].split(", ")
            docs |= {name: [begins[2]] for name in names}
        elif names and line.startswith(" " * 12):
            for name in names:
                docs[name].append(line.strip())
        else:
            names = []
    return docs


def repr_value(value: Any) -> str:
    """A value as `--set` would take it."""
    if value is None:
        return "auto"
    if isinstance(value, tuple):
        return ",".join(map(repr_value, value)) or "[]"
    return json.dumps(value) if not isinstance(value, str) else value


def _field_kind(record: Any, name: str, path: str) -> Any:
    hints = typing.get_type_hints(record) if dataclasses.is_dataclass(record) else {}
    if name not in hints:
        known = [field.name for field in dataclasses.fields(AdaptationSettings)]
        known += [f"augmentation.{field.name}" for field in dataclasses.fields(AugmentationSettings)]
        raise SettingsError(
            f"--set: there is no field {path.strip()!r}.", hint=f"Fields: {', '.join(known)}."
        )
    return hints[name]


def _typed(kind: Any, text: str, path: str) -> Any:
    """The first reading of the text that fits: as it stands, as JSON, as a list, as nothing."""
    readings: list[Any] = [text, _json(text), [_json(part) for part in text.split(",") if part.strip()]]
    if text.casefold() in ("auto", "none"):
        readings.append(None)
    errors = []
    for reading in readings:
        try:
            return from_json(kind, reading, path.strip())
        except SettingsError as error:
            errors.append(error)
    raise errors[1 if errors[1:] else 0]


def _json(text: str) -> Any:
    try:
        return json.loads(text.casefold() if text.casefold() in ("true", "false") else text)
    except ValueError:
        return text
