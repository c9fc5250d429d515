"""What the worker's Python has: libraries, devices, memory."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib import metadata

from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.requests import ProbeRequest
from TransferRiskLib.tasks.results import DeviceReport, ProbeResult

LIBRARIES = ("torch", "monai", "numpy", "scipy", "SimpleITK")
_DRIVER_SECONDS = 5.0


def probe(request: ProbeRequest, progress: Progress) -> ProbeResult:
    """Versions, devices and memory; a library that cannot be imported is a finding, no error."""
    del request
    progress.stage("Looking at libraries and devices")
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = None
    cards = nvidia_cards()
    try:
        import torch

        from TransferRiskLib.inference.devices import describe_device, resolve_device

        names = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
        names += ["mps"] if torch.backends.mps.is_available() else []
        devices = tuple(
            DeviceReport(**describe_device(resolve_device(name)))  # type: ignore[arg-type]
            for name in (*names, "cpu")
        )
        cuda = torch.version.cuda
    except Exception as error:  # a half-installed torch raises anything
        return ProbeResult(versions, sys.executable, nvidia=cards, problem=f"{type(error).__name__}: {error}")
    return ProbeResult(versions, sys.executable, devices, cuda, cards)


def nvidia_cards() -> tuple[str, ...]:
    """Names of the NVIDIA cards that the driver's own tool lists; empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_DRIVER_SECONDS, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip())
