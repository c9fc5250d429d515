"""Say which system libraries off-screen rendering still needs; never fails.

Run with any Python 3: it imports the standard library only.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libOSMesa.so.8": "libosmesa6",
    "libGL.so.1": "libgl1",
    "libEGL_mesa.so.0": "libegl-mesa0",
    "libXrender.so.1": "libxrender1",
    "libX11.so.6": "libx11-6",
}
"""Shared library to the Debian package that brings it."""

DRIVER_PACKAGE = "libgl1-mesa-dri"


def missing_packages() -> list[str]:
    """Debian packages whose libraries cannot be loaded on this machine."""
    missing = [package for library, package in LIBRARIES.items() if not _loads(library)]
    folders = [*Path("/usr/lib").glob("*/dri"), Path("/usr/lib/dri"), Path("/usr/lib64/dri")]
    if not any(any(folder.glob("*_dri.so")) for folder in folders):
        missing.append(DRIVER_PACKAGE)
    return missing


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def main() -> int:
    """Print the advice, if any is needed."""
    if sys.platform.startswith("linux"):
        missing = missing_packages()
        if missing:
            print(
                "Off-screen rendering lacks system libraries: Slicer's views will not be rendered.\n"
                f"To bring them (Debian, Ubuntu): apt-get install {' '.join(missing)}",
                file=sys.stderr,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
