"""Training state on disk: whole or absent, and never a pickle that can run code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.errors import StorageError
from TransferRiskLib.models.weights import writing_weights


@dataclass
class RunState:
    """The part of a training, beside its network and optimiser, that a checkpoint holds.

    Attributes:
        step: The next one; those of the linear probe are negative.
        rate_scale: Factor on the learning rate after `rescues` rescues.
        weights_step: Step of the last refresh of the voxel weights.
        probed: Weights after the linear probe.
        best: Weights at the best validation; `best_step` and `best_dice` say which.
        stale: Validations since then.
        curve, history: As in `Trained`.
        rung: How far memory had run out on `device`.
    """

    step: int
    rate_scale: float = 1.0
    rescues: int = 0
    weights_step: int | None = None
    probed: dict[str, torch.Tensor] | None = None
    best: dict[str, torch.Tensor] | None = None
    best_step: int = 0
    best_dice: float = -1.0
    stale: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    history: list[tuple[int, float]] = field(default_factory=list)
    rung: int = 0
    device: str = ""

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> RunState:
        """What a checkpoint holds, which keeps tuples as lists."""
        pairs = {name: [tuple(pair) for pair in saved[name]] for name in ("curve", "history")}
        return cls(**{**saved, **pairs})


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values atomically.

    Raises:
        StorageError: no space or no permission.
    """
    with atomic_path(path) as scratch, writing_weights(path):
        torch.save(state, scratch)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, onto the CPU.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises many types for one cause: a damaged file
        raise StorageError(
            f"is not a readable checkpoint ({type(error).__name__}).",
            file=path,
            hint="Delete the output folder or ask for a restart.",
        ) from error


def copy_of(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict on the CPU that no later training step changes."""
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def save_weights(path: Path, cases: Sequence[TrainingCase], *, risk: bool) -> None:
    """Write the voxel weights of cases, and with `risk` the risk that patches are drawn by."""
    state = {
        str(n): {"weights": c.weights, **({"risk": c.risk} if risk and c.risk is not None else {})}
        for n, c in enumerate(cases)
    }
    save_state(path, state)


def load_weights(path: Path, cases: Sequence[TrainingCase]) -> list[TrainingCase]:
    """The same cases with the weights that `save_weights` wrote."""
    state = load_state(path)
    return [
        dataclasses.replace(c, weights=state[str(n)]["weights"], risk=state[str(n)].get("risk", c.risk))
        for n, c in enumerate(cases)
    ]
