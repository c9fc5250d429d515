"""What an installation of the worker's packages will do: the decisions, in words, and the commands."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from TransferRiskLib.jobs.interpreters import VARIABLE
from TransferRiskLib.tasks.results import ProbeResult
from TransferRiskLib.wording import wording

_ = wording(__name__)

Torch = Literal["keep", "install", "replace"]
"""What an installation does about PyTorch; a CPU-only build beside a graphics card must go first, for
pip takes it for good enough."""

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


TORCH_FLOOR = TORCH.removeprefix("torch")
"""The oldest usable PyTorch, as a requirement of its version."""


def too_old(versions: Mapping[str, str | None]) -> list[str]:
    """Which of the worker's packages, as "monai 0.9", are older than what it needs."""
    floors = dict(requirement.split(">=") for requirement in (TORCH, *REQUIREMENTS))
    return [
        f"{name} {version}"
        for name, version in versions.items()
        if version and name in floors and _numbers(version) < _numbers(floors[name])
    ]


def _numbers(version: str) -> tuple[int, ...]:
    """Release numbers; what follows them (a build, a pre-release) does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def pip_arguments(wheels: Path | None) -> list[str]:
    """Arguments after `pip install` for what is not torch; with `wheels`, torch comes from there too."""
    if wheels is None:
        return list(REQUIREMENTS)
    return ["--no-index", "--find-links", str(wheels), TORCH, *REQUIREMENTS]


def torch_step(report: ProbeResult | None, installed: bool, wheels: Path | None) -> Torch:
    """What an installation into Slicer's own Python does about PyTorch. One that is no use is only removed
    where another one is to be had.

    Args:
        report: Of the worker; None before it was asked.
        installed: Whether Slicer's Python has PyTorch, which counts without a report.
        wheels: Folder of wheels for a computer without network.
    """
    if report is not None:
        installed = report.versions.get("torch") is not None
    if not installed:
        return "install"
    return "replace" if _is_no_use(report) and (wheels is None or has_torch(wheels)) else "keep"


def text_for_slicer(report: ProbeResult | None, installed: bool, wheels: Path | None) -> str:
    """What an installation into Slicer's own Python does.

    Args:
        report, installed, wheels: As in `torch_step`.
    """
    step = torch_step(report, installed, wheels)
    if wheels is None:
        lines = [
            _("Packages are downloaded and installed into Slicer's own Python."),
            _torch_of_network(step),
        ]
    else:
        lines = [_packages_of(wheels), _torch_of_wheels(step, _is_no_use(report), has_torch(wheels))]
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


def _torch_of_network(step: Torch) -> str:
    return {
        "keep": _("The installed PyTorch is kept."),
        "install": _(
            "PyTorch is installed by the PyTorch extension, which chooses the build for this computer's "
            "graphics card."
        ),
        "replace": _(
            "The installed PyTorch, which cannot be used well here, is removed first. The PyTorch extension "
            "then installs the build for this computer's graphics card."
        ),
    }[step]


def _packages_of(wheels: Path) -> str:
    text = _(
        "Packages are installed into Slicer's own Python from {folder} ({number} wheels); nothing is "
        "downloaded."
    )
    return text.format(folder=wheels, number=len(list(wheels.glob("*.whl"))))


def _torch_of_wheels(step: Torch, no_use: bool, there: bool) -> str:
    if step == "replace":
        return _(
            "The installed PyTorch, which cannot be used well here, is removed first. The one from the "
            "folder takes its place."
        )
    if step == "install":
        failing = _("The folder holds no wheel of torch, which is not installed either: it will fail.")
        return _("PyTorch comes from there as well.") if there else failing
    if no_use:
        return _(
            "The folder holds no wheel of torch: the installed PyTorch is kept, though it cannot be used "
            "well here."
        )
    return _("The installed PyTorch is kept.")


def _is_no_use(report: ProbeResult | None) -> bool:
    """Whether the installed PyTorch fails, leaves a graphics card idle, or is too old."""
    if report is None:
        return False
    return bool(report.problem or (report.nvidia and report.cuda is None) or is_torch_old(report))


def is_torch_old(report: ProbeResult) -> bool:
    """Whether the installed PyTorch is older than what is needed."""
    return bool(too_old({"torch": report.versions.get("torch")}))


def has_torch(wheels: Path) -> bool:
    """Whether a folder of wheels has one of torch."""
    return any(wheels.glob("torch-*.whl"))


def _command(arguments: list[str]) -> str:
    """Arguments as a line for the terminal; unquoted, `>=` would write to a file."""
    if os.name != "nt":
        return shlex.join(arguments)
    return " ".join(a if re.fullmatch(r"[\w.:/\\-]+", a) else f'"{a}"' for a in arguments)
