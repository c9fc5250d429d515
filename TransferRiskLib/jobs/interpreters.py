"""Which Python runs the worker, and in which environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.places import is_file

VARIABLE = "TRANSFERRISK_PYTHON"


@dataclass(frozen=True)
class Interpreter:
    """A Python executable and how it was found: by the user's setting, by the environment variable,
    as Slicer's `PythonSlicer`, or because it runs this very program."""

    path: Path
    origin: Literal["setting", "variable", "slicer", "current"]


def find_interpreter(
    setting: str = "",
    *,
    slicer_home: Path | None = None,
    environ: Mapping[str, str] | None = None,
    executable: str | None = None,
) -> Interpreter:
    """The interpreter for the worker: setting, `TRANSFERRISK_PYTHON`, PythonSlicer, this one.

    Args:
        setting: Path that the user chose; empty for none.
        slicer_home: Slicer's application folder, inside Slicer.
        environ: Environment to read; that of this process by default.
        executable: This program's executable; `sys.executable` by default.

    Raises:
        SettingsError: a chosen interpreter does not exist, or there is none at all.
    """
    environ = os.environ if environ is None else environ
    executable = sys.executable if executable is None else executable
    if setting:
        return Interpreter(_chosen(setting, "The Python interpreter of the settings"), "setting")
    if environ.get(VARIABLE):
        return Interpreter(_chosen(environ[VARIABLE], f"The Python interpreter of {VARIABLE}"), "variable")
    for candidate in _slicer_candidates(slicer_home, executable, environ):
        if _is_executable(candidate):
            return Interpreter(candidate, "slicer")
    if executable and _is_python(executable) and _is_executable(Path(executable)):
        return Interpreter(Path(executable), "current")
    raise SettingsError(
        "No Python interpreter was found for the worker: PythonSlicer is missing beside Slicer.",
        hint=f"Name one in the settings of TransferRisk, or in the environment variable {VARIABLE}.",
    )


def worker_environment(interpreter: Interpreter, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the worker; the parent's own is never changed.

    An interpreter that was chosen by hand is not Slicer's: Slicer's `PYTHONHOME` and `PYTHONPATH`
    would make it load the wrong standard library, so they are left out. Python files in the folder in which
    the program was started are nobody's modules, neither for the worker nor for its children.

    Args:
        interpreter: What runs the worker.
        base: Environment to begin with; that of this process by default. Inside Slicer this should
            be `slicer.util.startupEnvironment()` for a chosen interpreter.
    """
    environment = dict(os.environ if base is None else base)
    if interpreter.origin in ("setting", "variable"):
        environment.pop("PYTHONHOME", None)
        environment.pop("PYTHONPATH", None)
    library = str(Path(__file__).resolve().parents[2])
    paths = [library, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment.update(PYTHONIOENCODING="utf-8", PYTHONUNBUFFERED="1", PYTHONUTF8="1", PYTHONSAFEPATH="1")
    return environment


def _slicer_candidates(home: Path | None, executable: str, environ: Mapping[str, str]) -> Iterator[Path]:
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    if home is not None:
        yield home / "bin" / name
        yield home / name
    if executable:
        yield Path(executable).parent / name
    # On the PATH only for Slicer itself: a virtual environment must not end up in some Slicer.
    inside_slicer = home is not None or not _is_python(executable)
    if inside_slicer and (found := shutil.which(name, path=environ.get("PATH", ""))):
        yield Path(found)


def _chosen(text: str, what: str) -> Path:
    path = Path(text).expanduser()
    if not _is_executable(path):
        raise SettingsError(
            f"{what} does not exist or cannot be run.",
            file=path,
            hint="Correct the path, or leave it empty to use Slicer's own Python.",
        )
    return path


def _is_executable(path: Path) -> bool:
    return is_file(path) and os.access(path, os.X_OK)


def _is_python(executable: str) -> bool:
    return Path(executable).name.lower().startswith("python")
