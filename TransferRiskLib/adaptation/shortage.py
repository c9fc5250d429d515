"""Ways to make a training step with ever less memory, and what is said when the last of them fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from TransferRiskLib.errors import DeviceError, is_out_of_memory

COMMON_DIVISOR = 32
"""Sides of a patch that nearly every network can halve often enough."""


@dataclass(frozen=True)
class StepPlan:
    """One way to make a step.

    Attributes:
        patches: Patches that go through the network at once; the gradients of the parts add up to
            those of the whole batch.
        offload: What the way back needs waits in main memory, where the loss is computed too.
    """

    patches: int
    offload: bool = False

    def __str__(self) -> str:
        waits = ", activations in main memory" if self.offload else ""
        return f"{self.patches} patch{'es' if self.patches > 1 else ''} at once{waits}"


@dataclass
class Shortage:
    """How often memory ran out so far; trainings that share one do not search anew for what fits."""

    rung: int = 0


def step_plans(batch_size: int, device: torch.device) -> list[StepPlan]:
    """The whole batch first, then plans that need less memory on `device`.

    The part is halved down to one patch; then, beside a GPU, its activations wait in main memory.
    """
    plans = []
    patches = batch_size
    while patches >= 1:
        plans.append(StepPlan(patches))
        patches //= 2
    if device.type != "cpu":
        plans.append(StepPlan(1, offload=True))
    return plans


def too_large(name: str, patch: Sequence[int], device: torch.device) -> DeviceError:
    """The error when not even the last plan fits."""
    size = "x".join(map(str, patch))
    smaller = ",".join(map(str, _smaller(patch)))
    anew = f"start anew with a smaller patch, such as {smaller} (--set patch_size={smaller})"
    if device.type == "cpu":
        return DeviceError(
            f"There is not enough main memory to train on one patch of {size} voxels ({name}).",
            hint=f"Close other programs and resume, or {anew}.",
        )
    return DeviceError(
        f"{device} has too little memory to train on one patch of {size} voxels ({name}), even with the "
        "activations in main memory.",
        hint="Close other programs that use the GPU and resume; or resume on the CPU (--device cpu), which "
        f"takes far longer; or {anew}.",
    )


@contextlib.contextmanager
def memory_as_device_error(name: str, device: torch.device) -> Iterator[None]:
    """A lack of memory within the block, of a GPU or of the computer, becomes a `DeviceError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        where = "the computer" if device.type == "cpu" else f"{device} or the computer"
        raise DeviceError(
            f"The memory of {where} ran out beside the steps of a training ({name}).",
            hint="Close other programs and resume, or use fewer cases or another device.",
        ) from error


def _smaller(patch: Sequence[int]) -> list[int]:
    """About three quarters of each side, as divisible by two as the patch is where that is smaller."""
    divisor = COMMON_DIVISOR
    while divisor > 1 and any(side % divisor or side <= divisor for side in patch):
        divisor //= 2
    return [max(divisor, side * 3 // 4 // divisor * divisor) for side in patch]
