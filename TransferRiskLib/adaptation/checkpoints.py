"""Training state on disk: whole or absent, and never a pickle that can run code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.errors import StorageError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values atomically.

    Raises:
        StorageError: no space or no permission.
    """
    with atomic_path(path) as scratch:
        try:
            torch.save(state, scratch)
        except RuntimeError as error:  # torch's own writer hides the system's error in its message
            raise StorageError(
                f"cannot be written to the end ({str(error).splitlines()[0]}).",
                file=path,
                hint="Check that the disk has space and that you may write to the folder.",
            ) from error


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
