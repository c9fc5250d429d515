"""Weights files: read without running anything, fitted to a network, and written."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from TransferRiskLib.errors import ModelError, StorageError, UntrustedModelError

_WRAPPERS = ("state_dict", "model", "network", "net", "model_state_dict", "network_weights")
_SHOWN = 3


@contextlib.contextmanager
def writing_weights(target: Path) -> Iterator[None]:
    """Turn what torch's own writer raises within the block, which hides the system's error, into a
    `StorageError` about `target`."""
    try:
        yield
    except RuntimeError as error:
        raise StorageError(
            f"cannot be written to the end ({str(error).splitlines()[0]}).",
            file=target,
            hint="Check that the disk has space and that you may write to the folder.",
        ) from error


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a PyTorch checkpoint, on the CPU.

    Args:
        path: A file of `torch.save`, holding a state dict or a dict that holds one under `state_dict`,
            `model` or `network`.

    Raises:
        UntrustedModelError: the pickle asks for more than tensors and plain containers.
        ModelError: missing, truncated, or no weights in it.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError("is missing.", file=path, hint="Get the model's weights file.") from error
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise UntrustedModelError(
                "holds more than weights, and loading it could run code; it is refused.",
                file=path,
                hint="Ask its author for the state dict alone (torch.save(network.state_dict(), file)).",
            ) from error
        raise _unreadable(path, error) from error
    except Exception as error:  # truncated files raise RuntimeError, EOFError, OSError, KeyError, ...
        raise _unreadable(path, error) from error
    state = _find_state(content)
    if state is None:
        raise ModelError(
            "holds no state dict.",
            file=path,
            hint=f"Expected are the weights by name, or a dict with one of: {', '.join(_WRAPPERS)}.",
        )
    return state


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path | None = None) -> None:
    """Put weights into a network, every one and nothing else.

    A prefix that all names share is taken off where the rest then are the network's names: `module.` of
    DataParallel, `_orig_mod.` of a compiled network, `model.` or `net.` of a training framework.

    Raises:
        ModelError: missing, unexpected or differently shaped weights; it names the first ones.
    """
    own = network.state_dict()
    state = _without_prefix(state, own)
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and own[key].shape != state[key].shape
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
    parts = [f"{title}: {_first(items)}" for title, items in groups if items]
    if parts:
        raise ModelError(
            f"The weights do not fit the network definition ({'; '.join(parts)}).",
            file=path,
            hint="network_def in configs/inference.json must describe the network of these weights.",
        )
    network.load_state_dict(dict(state))


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _first(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _without_prefix(state: Mapping[str, Tensor], own: Mapping[str, Any]) -> Mapping[str, Tensor]:
    if not state or set(state) == set(own):
        return state
    parts = min((key.split(".")[:-1] for key in state), key=len)
    for length in range(1, len(parts) + 1):
        prefix = ".".join(parts[:length]) + "."
        if not all(key.startswith(prefix) for key in state):
            break
        if {key.removeprefix(prefix) for key in state} == set(own):
            return {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _find_state(content: Any) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return {str(key): value for key, value in content.items()}
    for key in _WRAPPERS:
        if isinstance(content.get(key), Mapping):
            found = _find_state(content[key])
            if found is not None:
                return found
    return None


def _unreadable(path: Path, error: Exception) -> ModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ModelError(
        f"cannot be read as PyTorch weights ({reason}).",
        file=path,
        hint="The file may be truncated: copy or download it again.",
    )
