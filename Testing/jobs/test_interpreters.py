from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.interpreters import Interpreter, find_interpreter, worker_environment

NAME = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"


def a_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def test_the_setting_comes_first_then_the_variable_then_slicer_then_this_python(tmp_path):
    mine, named = a_program(tmp_path / "mine"), a_program(tmp_path / "named")
    slicer = a_program(tmp_path / "Slicer" / "bin" / NAME)
    environ = {"TRANSFERRISK_PYTHON": str(named)}
    home = tmp_path / "Slicer"
    assert find_interpreter(str(mine), slicer_home=home, environ=environ) == Interpreter(mine, "setting")
    assert find_interpreter(slicer_home=home, environ=environ) == Interpreter(named, "variable")
    assert find_interpreter(slicer_home=home, environ={}) == Interpreter(slicer, "slicer")
    python = a_program(tmp_path / "venv" / "python3")
    assert find_interpreter(environ={}, executable=str(python)) == Interpreter(python, "current")


def test_python_slicer_is_found_beside_the_executable_and_on_slicers_path(tmp_path):
    beside = a_program(tmp_path / "a" / NAME)
    application = a_program(tmp_path / "a" / "SlicerApp-real")
    assert find_interpreter(environ={}, executable=str(application)).path == beside
    elsewhere = a_program(tmp_path / "b" / NAME)
    alone = a_program(tmp_path / "c" / "SlicerApp-real")
    environ = {"PATH": str(elsewhere.parent)}
    assert find_interpreter(environ=environ, executable=str(alone)).path == elsewhere
    python = a_program(tmp_path / "d" / "python3")
    assert find_interpreter(environ=environ, executable=str(python)).path == python


@pytest.mark.parametrize("origin", ["setting", "variable"])
def test_a_chosen_interpreter_that_is_missing_is_an_error_not_a_surprise(tmp_path, origin):
    missing = str(tmp_path / "gone")
    with pytest.raises(SettingsError, match="gone"):
        if origin == "setting":
            find_interpreter(missing)
        else:
            find_interpreter(environ={"TRANSFERRISK_PYTHON": missing})


def test_slicer_itself_is_never_taken_for_python(tmp_path):
    application = a_program(tmp_path / "Slicer")
    with pytest.raises(SettingsError, match="TRANSFERRISK_PYTHON"):
        find_interpreter(environ={}, executable=str(application))


def test_the_environment_is_a_copy_with_the_library_first():
    before = dict(os.environ)
    interpreter = Interpreter(Path(sys.executable), "slicer")
    base = {"PYTHONPATH": os.pathsep.join(["x", "y"]), "PYTHONHOME": "/slicer"}
    environment = worker_environment(interpreter, base)
    library = str(Path(__file__).resolve().parents[2])
    assert environment["PYTHONPATH"].split(os.pathsep) == [library, "x", "y"]
    assert environment["PYTHONHOME"] == "/slicer"
    assert environment["PYTHONIOENCODING"] == "utf-8" and environment["PYTHONUNBUFFERED"] == "1"
    assert environment["PYTHONSAFEPATH"] == "1"
    chosen = worker_environment(Interpreter(Path(sys.executable), "setting"), base)
    assert chosen["PYTHONPATH"] == library and "PYTHONHOME" not in chosen
    assert dict(os.environ) == before and "PYTHONHOME" in base
