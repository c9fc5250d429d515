"""Whether this machine can render, found out without trying."""

from __future__ import annotations

import importlib.machinery

import pytest

from TransferRiskLib.mrml import available
from TransferRiskLib.mrml.render_request import RenderRequest, render_case


@pytest.fixture
def machine(monkeypatch):
    """Call it with the Python packages and system libraries that the machine has."""

    def pretend(packages: set[str], libraries: set[str], platform: str = "linux") -> None:
        monkeypatch.setattr(
            available.importlib.util,
            "find_spec",
            lambda name: importlib.machinery.ModuleSpec(name, None) if name in packages else None,
        )
        monkeypatch.setattr(
            available.ctypes.util, "find_library", lambda name: f"lib{name}.so" if name in libraries else None
        )
        monkeypatch.setattr(available.sys, "platform", platform)

    return pretend


PACKAGES = {"slicer", "vtkmodules", "trame_slicer"}


def test_all_there_is_fine(machine) -> None:
    machine(PACKAGES, {"GL", "X11", "Xrender", "OSMesa"})
    assert available.renders_available() == (True, "")


def test_missing_system_libraries_come_with_the_command_that_brings_them(machine) -> None:
    machine(PACKAGES, {"GL", "X11"})
    ok, reason = available.renders_available()
    assert not ok
    assert "Xrender, EGL or OSMesa" in reason
    assert "apt-get install -y libegl1 libosmesa6" in reason


def test_other_systems_bring_their_own_opengl(machine) -> None:
    machine(PACKAGES, set(), platform="darwin")
    assert available.renders_available()[0]


@pytest.mark.parametrize("absent", sorted(PACKAGES))
def test_a_missing_package_comes_with_the_extra_that_brings_it(machine, absent) -> None:
    machine(PACKAGES - {absent}, {"GL", "X11", "Xrender", "EGL"})
    ok, reason = available.renders_available()
    assert not ok
    assert "[standalone]" in reason


def test_rendering_where_it_cannot_work_says_why_and_starts_nothing(machine, tmp_path) -> None:
    machine(set(), set())
    answer = render_case(RenderRequest(tmp_path / "scan.nii.gz", tmp_path / "out"))
    assert "[standalone]" in (answer.problem or "")
    assert not (tmp_path / "out").exists()
