"""A source model that many tests start from, trained once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_study import engine_of, tiny_study  # brings torch, which other tests here do without

    folder = tmp_path_factory.mktemp("trained")
    study = tiny_study(folder)
    engine_of(study)[0].bench(study.cells[0].group)
    return folder


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> Path:
    """A folder for `tiny_study` that holds its images and its trained source."""
    shutil.copytree(_trained / "data", tmp_path / "data")
    shutil.copytree(_trained / "run" / "sources", tmp_path / "run" / "sources")
    return tmp_path
