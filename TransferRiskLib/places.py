"""Whether a file or folder is there for us.

`Path.is_dir` and its kin raise where a folder may not be searched or a network drive has gone. What the
window asks at every refresh must not: there such a place is one where nothing is.
"""

from __future__ import annotations

import os
from os import PathLike


def is_folder(path: str | PathLike[str]) -> bool:
    """Whether a path is a folder that can be reached."""
    return os.path.isdir(path)


def is_file(path: str | PathLike[str]) -> bool:
    """Whether a path is a file that can be reached."""
    return os.path.isfile(path)


def why_not(error: OSError) -> str:
    """What the system says of a file or folder, such as "Permission denied"."""
    return error.strerror or str(error)
