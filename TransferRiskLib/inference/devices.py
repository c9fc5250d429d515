"""Which device the networks run on."""

from __future__ import annotations

import os
import platform
import re

import torch

from TransferRiskLib.errors import DeviceError


def resolve_device(text: str) -> torch.device:
    """The device that `text` names, present on this computer.

    Args:
        text: `auto` (first CUDA device, else Apple's mps, else the CPU), `cpu`, `cuda` (the first),
            `cuda:N` or `mps`; capitals do not matter.

    Raises:
        DeviceError: a name that is not known, or a device that is not there.
    """
    name = text.strip().lower()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _mps_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not _mps_available():
            raise DeviceError("This computer has no Apple GPU (mps).", hint="Choose the device auto or cpu.")
        return torch.device("mps")
    match = re.fullmatch(r"cuda(?::(\d{1,4}))?", name)
    if match is None:
        raise DeviceError(f"{text!r} is not a device.", hint="Choose auto, cpu, cuda, cuda:N or mps.")
    return _cuda_device(int(match.group(1) or 0))


def has_bfloat16(device: torch.device) -> bool:
    """Whether a GPU computes in bfloat16 itself: NVIDIA's since the Ampere generation, and AMD's.

    Older ones only imitate it, which is slower than single precision.
    """
    if device.type != "cuda":
        return False
    return bool(torch.version.hip) or torch.cuda.get_device_capability(device)[0] >= 8


def describe_device(device: torch.device) -> dict[str, str | int | None]:
    """What people want to know of a device.

    Returns:
        `device` (as `resolve_device` takes it), `name`, and `total_bytes` and `free_bytes` of its
        memory, None where the system does not tell.
    """
    total: int | None
    free: int | None
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
    elif device.type == "mps":
        total = int(torch.mps.recommended_max_memory())
        free = max(0, total - int(torch.mps.driver_allocated_memory()))
        name = "Apple GPU"
    else:
        total, free = _main_memory("SC_PHYS_PAGES"), _main_memory("SC_AVPHYS_PAGES")
        name = f"CPU ({platform.processor() or platform.machine()})"
    return {"device": str(device), "name": name, "total_bytes": total, "free_bytes": free}


def _cuda_device(number: int) -> torch.device:
    if not torch.cuda.is_available():
        raise DeviceError(
            "There is no CUDA device here, or this PyTorch was built without CUDA.",
            hint="Choose the device auto or cpu, or install a CUDA build of PyTorch and the GPU's driver.",
        )
    count = torch.cuda.device_count()
    if number >= count:
        known = ", ".join(f"cuda:{n}" for n in range(count))
        raise DeviceError(f"There is no device cuda:{number}.", hint=f"This computer has: {known}.")
    return torch.device("cuda", number)


def _mps_available() -> bool:
    return bool(torch.backends.mps.is_available())


def _main_memory(pages: str) -> int | None:
    if not hasattr(os, "sysconf") or pages not in os.sysconf_names:
        return None
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
