"""How fast a computer trains and predicts with a model; free of torch, so that a GUI can hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """What an adaptation costs for each voxel.

    Attributes:
        device: `cuda`, `mps` or `cpu`.
        step: Seconds of a training step, for each voxel of its patches.
        window: Seconds of a prediction, for each voxel of its windows.
        scoring: Seconds of comparing a prediction with the labels, for each voxel of a case.
        memory: Bytes that a training step holds, for each voxel of its patches, beside the weights.
    """

    device: str
    step: float
    window: float
    scoring: float
    memory: float
