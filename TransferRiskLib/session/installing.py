"""What an installation of the worker's packages will do, in words and commands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from TransferRiskLib.jobs.interpreters import VARIABLE
from TransferRiskLib.wording import wording

_ = wording(__name__)

TORCH = "torch>=2.6"
REQUIREMENTS = (
    "numpy>=1.26",
    "SimpleITK>=2.3",
    "monai>=1.4",
    "scipy>=1.11",
    "einops>=0.7",
    "pyyaml>=6",
    "matplotlib>=3.8",
)
"""What the worker needs besides torch."""


def pip_arguments(wheels: Path | None) -> list[str]:
    """Arguments after `pip install` for what is not torch; with `wheels`, torch comes from there too."""
    if wheels is None:
        return list(REQUIREMENTS)
    return ["--no-index", "--find-links", str(wheels), TORCH, *REQUIREMENTS]


def text_for_slicer(wheels: Path | None) -> str:
    """What an installation into Slicer's own Python does.

    Args:
        wheels: Folder of wheels for a computer without network.
    """
    lines = _from_wheels(Path(wheels)) if wheels is not None else _from_the_network()
    return "\n".join((*lines, "", " ".join(("pip", "install", *pip_arguments(wheels)))))


def text_for_own_python(python: str, by_setting: bool, wheels: Path | None) -> str:
    """The command that the user gives, since a Python of their own is never installed into.

    Args:
        python: Path of the interpreter.
        by_setting: Whether the setting names it, or the environment variable.
        wheels: Folder of wheels for a computer without network.
    """
    text = _(
        "The computations run in a Python of your own, named in the settings. It and Slicer's own Python "
        "stay as they are: run this command in a terminal, then Check."
    )
    if not by_setting:
        text = _(
            "The computations run in a Python of your own, named by the variable {variable}. It and Slicer's "
            "own Python stay as they are: run this command in a terminal, then Check."
        ).format(variable=VARIABLE)
    packages = pip_arguments(wheels) if wheels is not None else [TORCH, *REQUIREMENTS]
    lines = [text, "", _command([python, "-m", "pip", "install", *packages])]
    if wheels is None:
        text = _("For a graphics card, pytorch.org names the --index-url of the build that fits.")
        lines += ["", text]
    return "\n".join(lines)


def _from_the_network() -> list[str]:
    return [
        _(
            "Packages are downloaded and installed into Slicer's own Python. PyTorch is installed by the "
            "PyTorch extension, which chooses the build for this computer's graphics card; an installed "
            "PyTorch that works is kept."
        )
    ]


def _from_wheels(wheels: Path) -> list[str]:
    found = sorted(path.name for path in wheels.glob("*.whl"))
    text = _(
        "Packages are installed into Slicer's own Python from {folder} ({number} wheels); nothing is "
        "downloaded. PyTorch comes from there as well."
    )
    lines = [text.format(folder=wheels, number=len(found))]
    if not any(name.startswith("torch-") for name in found):
        lines.append(_("The folder holds no wheel of torch: an installed one is kept, or it fails."))
    return lines


def _command(arguments: list[str]) -> str:
    """Arguments as a line for the terminal; unquoted, `>=` would write to a file."""
    if os.name != "nt":
        return shlex.join(arguments)
    return " ".join(a if re.fullmatch(r"[\w.:/\\-]+", a) else f'"{a}"' for a in arguments)
