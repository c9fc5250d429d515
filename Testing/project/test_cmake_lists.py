"""A file that CMake does not list would be missing in the installed extension."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def list_sources() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_sources", ROOT / "tools" / "list_sources.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["TransferRiskLib", "TransferRisk"])
def test_cmake_lists_equal_the_folders(list_sources: ModuleType, folder: str) -> None:
    written = (ROOT / folder / "sources.cmake").read_text(encoding="utf-8")
    assert written == list_sources.list_text(ROOT / folder), "run: make lists"


def test_subfolders_are_listed_and_leftovers_are_not(list_sources: ModuleType, tmp_path: Path) -> None:
    leftovers = ("CMakeLists.txt", "__pycache__/a.pyc", ".writing-x.json", "sub/.hidden/c.py")
    for name in ("a.py", "sub/b.py", "sub/data.json", *leftovers):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    assert list_sources.packaged_files(tmp_path) == (["a.py", "sub/b.py"], ["sub/data.json"])
    assert "MODULE_PYTHON_SCRIPTS\n  a.py\n  sub/b.py\n  )" in list_sources.list_text(tmp_path)
