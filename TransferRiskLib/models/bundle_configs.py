"""The configuration files of a MONAI bundle as plain data; nothing in them is ever evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.bundle_expressions import Unresolved, read_expression
from TransferRiskLib.models.bundle_macros import expand_macros

CONFIG_NAMES = ("inference", "infer", "train", "evaluate")
TORCHSCRIPT_HINT = (
    "On a computer where you trust the bundle, export it with MONAI, in the bundle's folder: python -m "
    "monai.bundle ckpt_export --net_id network_def --filepath models/model.ts --ckpt_file models/model.pt "
    "--meta_file configs/metadata.json --config_file configs/inference.json. A bundle with a models/model.ts "
    "opens without its code."
)
_OWN = ("monai.networks.nets.", "TransferRiskLib.models.composite.")
SUFFIXES = (".json", ".yaml", ".yml")
_REFERENCE = re.compile(r"^\$?\s*@(\w+(?:(?:#|::)\w+)*)$")
_MAX_DEPTH = 64


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
    first: tuple[dict[str, Any], Path] | None = None
    for name in CONFIG_NAMES:
        for suffix in SUFFIXES:
            path = folder / "configs" / (name + suffix)
            if path.is_file():
                config = without_macros(read_config_file(path), folder, path)
                if network_definition(config) is not None:
                    return config, path
                first = first or (config, path)
    return first or ({}, None)


def without_macros(config: dict[str, Any], folder: Path | None, file: Path) -> dict[str, Any]:
    """A configuration with its macros replaced; `folder` is the bundle's, `file` names it in errors.

    Raises:
        ModelError: as `expand_macros`, and for another file that cannot be read.
    """
    try:
        return expand_macros(config, folder, read_config_file)
    except ModelError as error:
        raise type(error)(error.message, file=error.file or file, hint=error.hint) from error


def network_definition(config: Mapping[str, Any]) -> Any:
    """The unresolved `network_def` (or `network`) of a configuration; None when it has none."""
    for key in ("network_def", "network", "net"):
        value = config.get(key)
        if isinstance(value, dict) and "_target_" in value:
            return value
    return config.get("network_def")


def resolve(value: Any, config: Mapping[str, Any], depth: int = 0) -> Any:
    """`value` with its `@references` replaced by what they point to.

    A `$` expression becomes its value where it is no more than data (`read_expression`), and an
    `Unresolved` otherwise.

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
        return _referred(reference.group(1), config, depth)
    if value.startswith("$"):
        return read_expression(value[1:].strip(), lambda name: _known(_referred(name, config, depth)))
    return Unresolved(value)


def resolved_network(config: Mapping[str, Any], file: Path | None = None) -> dict[str, Any] | None:
    """The network definition with every reference resolved, or None when there is none.

    Raises:
        UntrustedModelError: it is code of the bundle's own, or a part of it could only be had by running an
            expression.
        ModelError: it is no definition, or one of a network for 2-D images.
    """
    definition = resolve(network_definition(config), config)
    if definition is None:
        return None
    target = definition.get("_target_") if isinstance(definition, dict) else None
    if isinstance(target, str) and not target.startswith(_OWN) and "." in target:
        raise UntrustedModelError(
            f"The network {target!r} is code that comes with the bundle; such code is never run.",
            file=file,
            hint=TORCHSCRIPT_HINT,
        )
    for place, value in leaves(definition, "network_def"):
        if isinstance(value, Unresolved):
            raise UntrustedModelError(
                f"{place} is the expression {value.expression!r}, which would have to be run.",
                file=file,
                hint="Expressions of a model file are never run: write the value itself in its place. Or: "
                + TORCHSCRIPT_HINT,
            )
    if not isinstance(definition, dict):
        raise ModelError("network_def is not a network definition.", file=file)
    if definition.get("spatial_dims") in (1, 2):
        raise ModelError(
            f"The network takes {definition['spatial_dims']}-D images.",
            file=file,
            hint="Only networks that segment 3-D images can be used.",
        )
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


def _referred(name: str, config: Mapping[str, Any], depth: int) -> Any:
    target: Any = config
    for part in re.split("#|::", name):
        target = _child(target, part)
    return target if isinstance(target, Unresolved) else resolve(target, config, depth + 1)


def _known(value: Any) -> Any:
    """The value, or an `Unresolved` when any part of it is one."""
    return next((item for _, item in leaves(value) if isinstance(item, Unresolved)), value)


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
