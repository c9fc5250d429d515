"""Can this machine render? Asked without loading anything that could crash."""

from __future__ import annotations

import ctypes.util
import importlib.util
import sys

_APT = "apt-get install -y libegl1 libosmesa6 libgl1 libegl-mesa0 libgl1-mesa-dri libxrender1 libx11-6"


def scene_available() -> tuple[bool, str]:
    """Whether MRML scenes can be made here, and if not, why and what brings them.

    Example:
        >>> ok, reason = scene_available()
    """
    for package, purpose in (("slicer", "MRML nodes and scenes"), ("vtkmodules", "VTK")):
        if importlib.util.find_spec(package) is None:
            return False, (
                f"The Python package that brings {purpose} is not installed. "
                "Install it with: pip install 'TransferRiskLib[standalone]'."
            )
    return True, ""


def renders_available() -> tuple[bool, str]:
    """Whether Slicer's views can render off-screen here, and if not, why and what brings it.

    VTK aborts the process where no way to an OpenGL context exists, so only the presence of the
    packages and system libraries is looked up; nothing is loaded.
    """
    ok, reason = scene_available()
    if not ok:
        return False, reason
    if importlib.util.find_spec("trame_slicer") is None:
        return False, (
            "The package trame-slicer, which brings Slicer's views, is not installed. "
            "Install it with: pip install 'TransferRiskLib[standalone]'."
        )
    if not sys.platform.startswith("linux"):
        return True, ""
    absent = [name for name in ("GL", "X11", "Xrender") if ctypes.util.find_library(name) is None]
    if all(ctypes.util.find_library(name) is None for name in ("EGL", "OSMesa")):
        absent.append("EGL or OSMesa")
    if absent:
        return False, (
            f"System libraries for off-screen rendering are missing ({', '.join(absent)}). "
            f"On Debian or Ubuntu: {_APT}."
        )
    return True, ""
