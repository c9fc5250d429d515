"""Networks with several outputs, or with outputs in another order than their card's labels, made plain."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.composite import OrderedOutputs, PickedOutput
from TransferRiskLib.models.source_model import SourceModel, probe_shape

_NAMES = ("pred", "out", "output", "logits", "seg", "segmentation", "main")
"""What the segmentation is called in dictionaries of outputs, the likeliest first."""


@torch.no_grad()
def with_one_output(model: SourceModel) -> SourceModel:
    """The model with a network that returns one tensor; the same model where it does already.

    Of several outputs (deep supervision, a branch for another task) the one is taken that has the image's
    size and as many channels as the card has outputs. Of several such, a dictionary's is the one with a usual
    name, and a UNet++'s the deepest, which its other ones only help to train.

    Raises:
        ModelError: none of the outputs fits, or several do and nothing says which.
    """
    shape = probe_shape(model.card)
    try:
        outputs = model.network(torch.zeros((1, len(model.card.channels), *shape), device=model.device))
    except Exception:  # `verify` explains what is wrong with channels or sizes
        return model
    if isinstance(outputs, Tensor):
        return model
    items: dict[int | str, Any] = {}
    if isinstance(outputs, Mapping):
        items = dict(outputs)
    elif isinstance(outputs, (list, tuple)):
        items = dict(enumerate(outputs))
    wanted = (1, model.card.outputs, *shape)
    fitting: list[int | str] = [
        key for key, value in items.items() if isinstance(value, Tensor) and value.shape == wanted
    ]
    usual = next((name for name in _NAMES if name in fitting), None)
    if usual is not None:
        fitting = [usual]
    elif type(model.network).__name__ == "BasicUNetPlusPlus":
        fitting = fitting[-1:]
    if len(fitting) != 1:
        described = ", ".join(f"{key}: {_described(value)}" for key, value in items.items())
        raise ModelError(
            f"The network gives several outputs ({described}), and "
            + (
                "which of them is the segmentation is not said."
                if fitting
                else f"none of the shape {wanted}."
            ),
            file=model.path,
            hint="Correct 'labels' or 'activation' in card.json, or export the network with its segmentation "
            "as the only output.",
        )
    config = None
    if model.config is not None:
        config = {
            "_target_": "TransferRiskLib.models.composite.PickedOutput",
            "source": model.config,
            "key": fitting[0],
        }
    return dataclasses.replace(model, network=PickedOutput(model.network, fitting[0]), config=config)


def in_order(model: SourceModel) -> SourceModel:
    """The model with its outputs in the order of its card's labels, and a card that says so.

    From here on nothing has to know in which order the file has them.
    """
    order = model.card.output_order
    if not order:
        return model
    config = None
    if model.config is not None:
        config = {
            "_target_": "TransferRiskLib.models.composite.OrderedOutputs",
            "source": model.config,
            "order": list(order),
        }
    return dataclasses.replace(
        model,
        card=dataclasses.replace(model.card, output_order=()),
        network=OrderedOutputs(model.network, order),
        config=config,
    )


def _described(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
