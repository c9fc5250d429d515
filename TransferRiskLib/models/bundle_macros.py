"""`%` macros and relative references of a bundle's configuration, replaced by what they stand for."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError, UntrustedModelError

_RELATIVE = re.compile(r"([@%])(#+)")
_FILE = re.compile(r"^(?P<file>.*\.(?:json|ya?ml))(?:(?:#|::)(?P<id>.*))?$", re.IGNORECASE)
_MAX_DEPTH = 64
_MAX_PARTS = 200_000


def expand_macros(
    config: dict[str, Any], root: Path | None, read: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """A copy of a configuration without macros and relative references.

    `"%a#b"` is a copy of the part `a#b` as it stands, `"%other.json#a"` that of another file of the bundle,
    `"@#a"` and `"%#a"` are relative to where they stand (one `#` for the same level, two for the one above),
    all as in `monai.bundle.ConfigParser`.

    Args:
        config: As read from the file.
        root: The bundle's folder, to which the paths of macros are relative; None where there is none.
        read: Reads another configuration file.

    Raises:
        UntrustedModelError: a macro that names a file outside the bundle.
        ModelError: a macro without a target, or macros in circles.
    """
    found = _Expansion(config, root, read)
    return {key: found.expand(value, [key], 0) for key, value in config.items()}


class _Expansion:
    def __init__(
        self,
        config: dict[str, Any],
        root: Path | None,
        read: Callable[[Path], dict[str, Any]],
        budget: list[int] | None = None,
    ) -> None:
        self.config, self.root, self.read = config, root, read
        self.budget = [_MAX_PARTS] if budget is None else budget

    def expand(self, value: Any, place: list[str], depth: int) -> Any:
        self.budget[0] -= 1
        if depth > _MAX_DEPTH or self.budget[0] < 0:
            raise ModelError("The macros ('%') of the bundle's configuration run in circles.")
        if isinstance(value, dict):
            return {key: self.expand(item, [*place, str(key)], depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item, [*place, str(n)], depth + 1) for n, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith(("@", "$", "%")):
            return value
        value = _RELATIVE.sub(lambda match: match.group(1) + _level(place, len(match.group(2))), value)
        if not value.startswith("%"):
            return value
        file = _FILE.match(value[1:])
        if file is None:
            return self.expand(self._part(self.config, value[1:], value), _ids(value[1:]), depth + 1)
        other = _Expansion(self.read(self._path(file["file"])), self.root, self.read, self.budget)
        part = self._part(other.config, file["id"] or "", value)
        return other.expand(part, _ids(file["id"] or ""), depth + 1)

    def _part(self, config: Any, place: str, macro: str) -> Any:
        for name in _ids(place):
            if isinstance(config, dict) and name in config:
                config = config[name]
            elif isinstance(config, list) and name.isdigit() and int(name) < len(config):
                config = config[int(name)]
            else:
                raise ModelError(
                    f"The macro {macro!r} points to nothing.", hint="Correct it, or write the value there."
                )
        return copy.copy(config)

    def _path(self, given: str) -> Path:
        if self.root is None:
            raise ModelError(
                f"The macro '%{given}' names another file, and none comes with this one.",
                hint="Open the folder of the bundle, or write the values in the macro's place.",
            )
        root = self.root.resolve()
        tried = [(root / given).resolve(), (root / "configs" / given).resolve()]
        if not all(path.is_relative_to(root) for path in tried):
            raise UntrustedModelError(
                f"The macro '%{given}' names a file outside the bundle.",
                hint="Put the file into the bundle's configs folder and name it relative to the bundle.",
            )
        return next((path for path in tried if path.is_file()), tried[0])


def _ids(place: str) -> list[str]:
    return [part for part in re.split("#|::", place) if part]


def _level(place: list[str], hashes: int) -> str:
    if hashes > len(place):
        raise ModelError(f"A relative reference at {'#'.join(place)} leaves the configuration.")
    above = place[:-hashes]
    return "#".join(above) + "#" if above else ""
