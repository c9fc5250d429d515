"""A new head for other labels, whatever the architecture."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.composite import EepAveraged, OrderedOutputs, PickedOutput, StackedHead
from TransferRiskLib.models.networks import build_network, copy_network, output_key
from TransferRiskLib.models.source_model import SourceModel

_EEP = "TransferRiskLib.models.composite.EepAveraged"
_WRAPPERS = (
    "TransferRiskLib.models.composite.OrderedOutputs",
    "TransferRiskLib.models.composite.PickedOutput",
)
_STACKED = "TransferRiskLib.models.composite.StackedHead"


def head_parameter_names(config: Mapping[str, Any] | None) -> set[str]:
    """Names in the state dict whose shapes follow the number of outputs, deep-supervision heads included.

    They are found by building the network with one output more and comparing, so no architecture has to
    be known.

    Args:
        config: A definition for `build_network`, or None for TorchScript with a stacked head.

    Raises:
        ModelError: a network whose number of outputs cannot be changed.
    """
    if config is None or config.get("_target_") == _STACKED:
        return {"head.weight", "head.bias"}
    if config.get("_target_") == _EEP:
        return {f"adapted.{name}" for name in head_parameter_names(config["adapted"])}
    if config.get("_target_") in _WRAPPERS:
        return {f"source.{name}" for name in head_parameter_names(config["source"])}
    return set(_head_dimensions(config))


def rebuild_for_labels(
    model: SourceModel,
    target: LabelScheme,
    keep_matching: bool = True,
    seed: int = 0,
    translation: Mapping[int, tuple[int, float]] | None = None,
    misnamed: Collection[int] = (),
) -> tuple[nn.Module, dict[str, Any] | None, tuple[str, ...]]:
    """A network with a softmax output for every target label, started from the source's weights.

    Every weight that does not follow the number of outputs is copied. With `keep_matching`, and a
    source whose outputs go through a softmax, the rows of labels that both schemes name move to their
    new positions; all other rows are drawn anew. The same labels in another order are a permutation:
    nothing is drawn. Of an `EepAveraged` model its adapted network is taken. A TorchScript network,
    whose head cannot be reached, gets a 1x1x1 convolution after its outputs.

    Args:
        model: The source; it is not changed.
        target: The labels of the new network.
        keep_matching: Keep what the source's head knows.
        seed: Of the new rows; torch's global generator is left alone.
        translation: Target class to (source class, log share): a row that no name keeps starts as the
            row of that source class with the log share added to its bias, so that target classes which
            divide a source class among them start with its probability in these shares.
        misnamed: Target classes whose rows no name keeps, though both schemes have the name.

    Returns:
        The network on the CPU, its definition (None for TorchScript), and the names of the target labels
        whose rows were kept by name.

    Raises:
        ModelError: a network whose number of outputs cannot be changed.
    """
    pairs = _matching(model.card, target) if keep_matching else ()
    pairs = tuple((new, old) for new, old in pairs if new not in misnamed)
    named = {new for new, _ in pairs}
    moved = {new: (old, 0.0) for new, old in pairs}
    if model.card.activation == "softmax":
        moved |= {new: row for new, row in (translation or {}).items() if new not in named}
    network, config = model.network, model.config
    if isinstance(network, EepAveraged) and config is not None:
        network, config = network.adapted, config["adapted"]
    if isinstance(network, OrderedOutputs) and config is not None:
        moved = {new: (network.order[old], share) for new, (old, share) in moved.items()}
        network, config = network.source, config["source"]
    if isinstance(network, PickedOutput) and config is not None:
        inner = dataclasses.replace(model, network=network.source, config=config["source"])
        fresh, changed, kept = _rebuilt(inner, target, moved, pairs, seed)
        assert changed is not None, "a definition stays a definition"
        return PickedOutput(fresh, network.key).eval(), {**config, "source": changed}, kept
    return _rebuilt(dataclasses.replace(model, network=network, config=config), target, moved, pairs, seed)


def _rebuilt(
    model: SourceModel,
    target: LabelScheme,
    moved: Mapping[int, tuple[int, float]],
    pairs: Sequence[tuple[int, int]],
    seed: int,
) -> tuple[nn.Module, dict[str, Any] | None, tuple[str, ...]]:
    """`rebuild_for_labels` for a network that wraps no other."""
    network, config = model.network, model.config
    if isinstance(network, StackedHead) and config is not None:
        raise ModelError("A stacked head within a definition cannot be replaced.", file=model.path)
    if config is None:
        return _stacked(network, model.card.outputs, target, moved, seed), None, _names(target, pairs)
    changed = {**config, output_key(config): len(target)}
    with _seeded(seed):
        fresh = build_network(changed)
    kept = _transplant(network.state_dict(), fresh, config, model.card.outputs, moved)
    return fresh, changed, _names(target, pairs) if kept else ()


def _matching(card: ModelCard, target: LabelScheme) -> tuple[tuple[int, int], ...]:
    """(target index, source index) of labels that both name; only softmax rows mean the same there."""
    if card.activation != "softmax":
        return ()
    known = {name.casefold(): index for index, name in enumerate(card.labels.names)}
    return tuple(
        (index, known[name.casefold()]) for index, name in enumerate(target.names) if name.casefold() in known
    )


def _names(target: LabelScheme, pairs: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    return tuple(target.names[index] for index, _ in pairs)


def _head_dimensions(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Per name in the state dict, the dimensions that follow the number of outputs."""
    key = output_key(config)
    with _seeded(0):
        here = build_network(config).state_dict()
        there = build_network({**config, key: int(config.get(key, 1)) + 1}).state_dict()
    if set(here) != set(there):
        raise ModelError(f"{config.get('_target_')} changes its structure with its number of outputs.")
    return {
        name: tuple(d for d in range(here[name].ndim) if here[name].shape[d] != there[name].shape[d])
        for name in here
        if here[name].shape != there[name].shape
    }


def _transplant(
    source: Mapping[str, Tensor],
    fresh: nn.Module,
    config: Mapping[str, Any],
    outputs: int,
    rows: Mapping[int, tuple[int, float]],
) -> bool:
    """Copy weights into `fresh`; true when the head's rows could be kept."""
    head = _head_dimensions(config)
    new_rows, old_rows = list(rows), [old for old, _ in rows.values()]
    shift = torch.tensor([log_share for _, log_share in rows.values()])
    state = fresh.state_dict()
    plain = all(source[name].shape[d] == outputs for name, dims in head.items() for d in dims)
    for name, value in source.items():
        value = value.detach().cpu()
        if name not in head:
            state[name] = value.clone()
        elif plain and new_rows:
            moved = state[name].clone()
            taken = value[_grid(value, head[name], old_rows)]
            if moved.ndim == 1:  # a bias
                taken = taken + shift.to(taken.dtype)
            moved[_grid(moved, head[name], new_rows)] = taken
            state[name] = moved
    fresh.load_state_dict(state)
    return plain and bool(new_rows)


def _grid(tensor: Tensor, dims: tuple[int, ...], rows: list[int]) -> tuple[Tensor, ...]:
    """Index of the given rows along `dims` and of everything along the other dimensions."""
    axes = [torch.tensor(rows) if d in dims else torch.arange(size) for d, size in enumerate(tensor.shape)]
    return torch.meshgrid(*axes, indexing="ij")


def _stacked(
    network: nn.Module,
    outputs: int,
    target: LabelScheme,
    rows: Mapping[int, tuple[int, float]],
    seed: int,
) -> StackedHead:
    with _seeded(seed):
        stacked = StackedHead(copy_network(network).cpu(), outputs, len(target))
    with torch.no_grad():
        for new, (old, log_share) in rows.items():
            stacked.head.weight[new] = 0.0
            stacked.head.weight[new, old] = 1.0
            stacked.head.bias[new] = log_share  # type: ignore[index]
    return stacked.eval()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A block with its own random state on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
