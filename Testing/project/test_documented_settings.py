"""Docs/adaptation.md says what the settings are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "document_settings.py"


def test_the_tables_of_settings_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("document_settings", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    assert tool.documented(text) == text, "run `make lists`"
    assert tool.documented(text.replace("| `steps` | `300` |", "| `steps` | `7` |")) == text
