"""Ways to predict with ever less memory on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Plan:
    """One way to run a sliding window.

    Attributes:
        network: Device of the network and of its windows.
        blending: Device of the stitched probabilities, the size of the whole image.
        batch_size: Windows a network pass.
    """

    network: torch.device
    blending: torch.device
    batch_size: int

    def __str__(self) -> str:
        return f"network on {self.network}, blending on {self.blending}, batch size {self.batch_size}"


def fallbacks(batch_size: int, device: torch.device) -> Iterator[Plan]:
    """The wished-for plan first, then plans that need less memory on `device`.

    The batch is halved down to 1, then blending moves to the CPU, then the network does.
    """
    batch = batch_size
    while batch >= 1:
        yield Plan(device, device, batch)
        batch //= 2
    if device.type != "cpu":
        cpu = torch.device("cpu")
        yield Plan(device, cpu, 1)
        yield Plan(cpu, cpu, 1)


def release_memory(device: torch.device) -> None:
    """Give cached but unused memory of `device` back, so that the next plan finds it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
