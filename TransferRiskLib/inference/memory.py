"""How much memory a prediction needs, before it starts. The derivation is in Docs/memory.md."""

from __future__ import annotations

import math
from dataclasses import dataclass

FLOAT = 4  # bytes of a float32
SAMPLING = 3  # images that the way back to the scan's grid holds beside its result


@dataclass(frozen=True)
class PredictionMemory:
    """Peak memory of `predict_states`, in bytes, beyond the libraries.

    Attributes:
        host: Main memory, the loaded case included.
        device: Memory of the GPU; 0 when the network runs on the CPU.
    """

    host: int
    device: int


def prediction_memory(
    *,
    native: tuple[int, int, int],
    grid: tuple[int, int, int],
    channels: int,
    states: int,
    patch: tuple[int, int, int],
    batch_size: int,
    activations: float,
    weights: int = 0,
    mirror: bool = False,
    network_on_gpu: bool = False,
    blending_on_gpu: bool = False,
) -> PredictionMemory:
    """Peak memory of one case.

    Args:
        native: Size of the scan, in voxels.
        grid: Its size at the model's spacing.
        channels: Channels of the model.
        states: Exclusive states Z (the labels of a softmax model, regions + 1 of a nested one, 2^R of
            R independent ones).
        patch: The sliding window.
        batch_size: Windows a network pass.
        activations: Numbers the network holds at its peak for every voxel of a window, its outputs
            included, in units of float32 (half precision counts half).
        weights: Bytes of the network's weights.
        mirror: Test-time mirroring, which holds two more sets of states a window.
        network_on_gpu, blending_on_gpu: Where the plan of the prediction puts them.
    """
    scan, model = math.prod(native), math.prod((max(g, p) for g, p in zip(grid, patch, strict=True)))
    window = batch_size * math.prod(patch) * (channels + activations + states * (3 if mirror else 1))
    blending = (states + 1) * model
    kept = channels * (scan + model)
    back = states * (model + scan) + SAMPLING * max(model, scan)
    working = (0 if network_on_gpu else window) + (0 if blending_on_gpu else blending)
    device = (window if network_on_gpu else 0) + (blending if blending_on_gpu else 0)
    return PredictionMemory(
        host=int(FLOAT * (kept + max(working, back))) + (0 if network_on_gpu else weights),
        device=int(FLOAT * device) + (weights if network_on_gpu else 0),
    )
