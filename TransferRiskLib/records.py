"""Frozen dataclasses to JSON and back, checked on the way in."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from TransferRiskLib.errors import SettingsError

T = TypeVar("T")

_IN_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", Path: "a path"}


def to_json(value: Any) -> Any:
    """A plain JSON value (dict, list, str, number, bool, None) of a record.

    Example:
        >>> to_json((Path("a"), 1))
        ['a', 1]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[T], value: Any, where: str = "") -> T:
    """The record of type `kind` that `value` describes.

    Args:
        kind: A dataclass, or any annotation made of dataclasses, tuples, dicts, optionals,
            literals, paths and scalars.
        value: What `json.loads` gave.
        where: The place in the document, for the error message.

    Raises:
        SettingsError: an unknown or missing field, or a value of the wrong type; it names the place.
    """
    return typing.cast(T, _decode(kind, value, where or getattr(kind, "__name__", "value")))


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(kind):
            raise _wrong(where, f"one of {', '.join(map(json.dumps, typing.get_args(kind)))}", value)
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_record(typing.cast(type, kind), value, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), value, where)
    if origin in (dict, Mapping) or kind is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        item = (typing.get_args(kind) or (str, Any))[1]
        return {key: _decode(item, entry, f"{where}.{key}") for key, entry in value.items()}
    return _decode_scalar(kind, value, where)


def _decode_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    errors = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _decode(choice, value, where)
        except SettingsError as error:
            errors.append(error)
    raise errors[0]


def _decode_record(kind: type, value: Any, where: str) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise SettingsError(
            f"{where} has no field {unknown[0]!r}.", hint=f"It knows: {', '.join(sorted(fields))}."
        )
    given = {name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    for name, f in fields.items():
        absent = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if absent and name not in given:
            raise SettingsError(f"{where} lacks the field {name!r}.")
    return kind(**given)


def _decode_tuple(items: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(where, "a list", value)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_decode(items[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if len(items) != len(value):
        raise _wrong(where, f"a list of {len(items)}", value)
    pairs = zip(items, value, strict=True)
    return tuple(_decode(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(pairs))


def _decode_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    raise _wrong(where, _IN_WORDS.get(kind, getattr(kind, "__name__", str(kind))), value)


def _wrong(where: str, expected: str, value: Any) -> SettingsError:
    return SettingsError(f"{where} must be {expected}, not {json.dumps(value, default=repr)}.")
