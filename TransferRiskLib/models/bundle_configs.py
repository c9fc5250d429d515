"""The configuration files of a MONAI bundle as plain data; nothing in them is ever evaluated."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError, UntrustedModelError

CONFIG_NAMES = ("inference", "infer", "train", "evaluate")
SUFFIXES = (".json", ".yaml", ".yml")
_REFERENCE = re.compile(r"^\$?@(\w+(?:(?:#|::)\w+)*)$")
_MAX_DEPTH = 64


class Unresolved:
    """Stands for a value that only running an expression would give."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __repr__(self) -> str:
        return self.expression


def read_config_file(path: Path) -> dict[str, Any]:
    """The object in a JSON or YAML file.

    Raises:
        ModelError: the file cannot be read, is malformed, or does not hold an object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot be read ({error}).", file=path) from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> dict[str, Any]:
    """The object that JSON or YAML text holds; `path` names it in errors and tells the format."""
    kind = "YAML" if path.suffix in (".yaml", ".yml") else "JSON"
    try:
        value = _parse_yaml(text, path) if kind == "YAML" else json.loads(text)
    except ValueError as error:
        raise ModelError(f"is not valid {kind} ({error}).", file=path) from error
    if not isinstance(value, dict):
        raise ModelError("does not hold an object with named parts.", file=path)
    return value


def read_bundle_config(folder: Path) -> tuple[dict[str, Any], Path | None]:
    """The bundle's inference configuration, or the next best one that defines a network.

    Args:
        folder: The bundle's folder, with `configs/` in it.

    Returns:
        The configuration and its file; an empty one and None when the bundle has none.
    """
    found: list[tuple[dict[str, Any], Path]] = []
    for name in CONFIG_NAMES:
        for suffix in SUFFIXES:
            path = folder / "configs" / (name + suffix)
            if path.is_file():
                found.append((read_config_file(path), path))
    for config, path in found:
        if network_definition(config) is not None:
            return config, path
    return found[0] if found else ({}, None)


def network_definition(config: Mapping[str, Any]) -> Any:
    """The unresolved `network_def` (or `network`) of a configuration; None when it has none."""
    for key in ("network_def", "network", "net"):
        value = config.get(key)
        if isinstance(value, dict) and "_target_" in value:
            return value
    return config.get("network_def")


def resolve(value: Any, config: Mapping[str, Any], depth: int = 0) -> Any:
    """`value` with its `@references` replaced by what they point to.

    A `$` expression becomes its value when it is a plain literal (`"$[1, 2]"`) or a bare reference
    (`"$@channels"`), and an `Unresolved` otherwise.

    Args:
        value: Any part of the configuration.
        config: The whole configuration, to look references up in.

    Raises:
        ModelError: references that run in circles.
    """
    if depth > _MAX_DEPTH:
        raise ModelError("The references of the bundle's configuration run in circles.")
    if isinstance(value, dict):
        return {key: resolve(item, config, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, config, depth + 1) for item in value]
    if not isinstance(value, str) or not value.startswith(("@", "$", "%")):
        return value
    reference = _REFERENCE.match(value.strip())
    if reference:
        target: Any = config
        for part in re.split("#|::", reference.group(1)):
            target = _child(target, part)
        return target if isinstance(target, Unresolved) else resolve(target, config, depth + 1)
    if value.startswith("$"):
        try:
            return ast.literal_eval(value[1:].strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return Unresolved(value)
    return Unresolved(value)


def resolved_network(config: Mapping[str, Any], file: Path | None = None) -> dict[str, Any] | None:
    """The network definition with every reference resolved, or None when there is none.

    Raises:
        UntrustedModelError: a part of it could only be had by running an expression of the file.
    """
    definition = resolve(network_definition(config), config)
    if definition is None:
        return None
    for place, value in leaves(definition, "network_def"):
        if isinstance(value, Unresolved):
            raise UntrustedModelError(
                f"{place} is the expression {value.expression!r}, which would have to be run.",
                file=file,
                hint="Expressions of a model file are never run: write the value itself in its place.",
            )
    if not isinstance(definition, dict):
        raise ModelError("network_def is not a network definition.", file=file)
    return definition


def leaves(value: Any, place: str = "") -> list[tuple[str, Any]]:
    """Every scalar of a nested configuration, with its place written as MONAI writes ids (`a#b#0`)."""
    if isinstance(value, dict):
        pairs = [(f"{place}#{key}", item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        pairs = [(f"{place}#{number}", item) for number, item in enumerate(value)]
    else:
        return [(place, value)]
    return [leaf for name, item in pairs for leaf in leaves(item, name)]


def _child(parent: Any, name: str) -> Any:
    if isinstance(parent, Mapping) and name in parent:
        return parent[name]
    if isinstance(parent, list) and name.isdigit() and int(name) < len(parent):
        return parent[int(name)]
    return Unresolved(f"@{name}")


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ModelError(
            "is YAML, and PyYAML is not installed.", file=path, hint="Install it: pip install pyyaml."
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
