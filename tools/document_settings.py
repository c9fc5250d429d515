"""Write the tables of settings in Docs/adaptation.md from the code: `python tools/document_settings.py`."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

from TransferRiskLib.adaptation.settings import (
    PRESETS,
    AdaptationSettings,
    AugmentationSettings,
    preset_settings,
)
from TransferRiskLib.cli.settings_options import attribute_docs, repr_value

DOCUMENT = Path(__file__).resolve().parents[1] / "Docs" / "adaptation.md"


def preset_rows() -> list[str]:
    """The settings in which the presets differ."""
    presets = [preset_settings(name) for name in PRESETS]
    rows = [_row("setting", *(f"`{name}`" for name in PRESETS)), _row(*["---"] * (len(PRESETS) + 1))]
    for field in dataclasses.fields(AdaptationSettings):
        values = [getattr(preset, field.name) for preset in presets]
        if field.name != "preset" and any(value != values[0] for value in values):
            rows.append(_row(f"`{field.name}`", *map(_shown, values)))
    return rows


def setting_rows(record: type, prefix: str = "") -> list[str]:
    """Every field of a record with its default and its docstring."""
    docs, hints = attribute_docs(record), typing.get_type_hints(record)
    rows = [_row("setting", "default", "meaning"), _row("---", "---", "---")]
    for field in dataclasses.fields(record):
        value = getattr(record(), field.name)
        if field.name == "preset" or dataclasses.is_dataclass(value):
            continue
        words = [f"`{word}`" for word in typing.get_args(hints[field.name]) if isinstance(word, str)]
        meaning = " ".join(docs[field.name])
        unnamed = [word for word in words if word not in meaning]
        rows.append(
            _row(
                f"`{prefix}{field.name}`",
                _shown(value),
                meaning + (f" One of {', '.join(words)}." if unnamed else ""),
            )
        )
    return rows


def documented(text: str) -> str:
    """The document with its three tables written anew; everything else stays."""
    tables = [
        preset_rows(),
        setting_rows(AdaptationSettings),
        setting_rows(AugmentationSettings, "augmentation."),
    ]
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if not inside and line.startswith("| setting |"):
            lines += tables.pop(0)
            inside = True
        inside = inside and line.startswith("|")
        if not inside:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: object) -> str:
    if isinstance(value, AugmentationSettings):
        return "default" if value == AugmentationSettings() else "off"
    return f"`{repr_value(value)}`"


if __name__ == "__main__":
    text = documented(DOCUMENT.read_text(encoding="utf-8"))
    DOCUMENT.write_text(text, encoding="utf-8")
