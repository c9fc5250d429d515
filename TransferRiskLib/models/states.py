"""A model's outputs as probabilities of exclusive states, whatever its activation."""

from __future__ import annotations

import torch
from torch import Tensor

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import MAX_INDEPENDENT_REGIONS, ModelCard


def state_names(card: ModelCard) -> tuple[str, ...]:
    """Names of the exclusive states, in the order of `to_states`.

    Args:
        card: The model's card; its labels start with the background.

    Returns:
        For `softmax` the labels themselves. For `nested` regions the background, then each region,
        meaning the part of it outside the next inner one. For R independent `sigmoid`s 2^R names:
        state s holds the regions r whose bit r is set in s, joined by `+`; state 0 is the background.

    Example:
        Regions `core` and `vessel` as independent sigmoids:
        `("background", "core", "vessel", "core+vessel")`.
    """
    names = card.labels.names
    if card.activation != "sigmoid":
        return names
    regions = names[1:]
    present = ([region for r, region in enumerate(regions) if s >> r & 1] for s in range(1 << len(regions)))
    return tuple("+".join(state) or names[0] for state in present)


def to_states(logits: Tensor, activation: str, dim: int = 1) -> Tensor:
    """Probabilities of exclusive states, float32 whatever the precision of the logits.

    The logits are brought to float32 first: a softmax in half precision costs three digits of the
    risk. TorchScript can compile this function.

    Args:
        logits: The network's output, `outputs` long along `dim`; any floating-point type.
        activation: `softmax`; `nested`, regions from the outermost to the innermost, made exclusive
            by a running minimum (an inner region is nowhere more probable than the one around it)
            and differences; or `sigmoid`, R <= 6 independent regions, state s having the
            probability of "exactly the regions whose bit is set in s".
        dim: The dimension of the outputs.

    Returns:
        float32 probabilities, `outputs` (softmax), `outputs + 1` (nested) or `2 ** outputs`
        (sigmoid) long along `dim`, at least 0 and summing to 1 there.

    Raises:
        ModelError: an activation that is not known, or more regions than can be told apart.
    """
    if not torch.jit.is_scripting():
        _check(activation, logits.shape[dim])
    values = logits.to(torch.float32)
    if activation == "softmax":
        return torch.softmax(values, dim)
    if activation == "nested":
        return _nested(values, dim)
    return _independent(values, dim)


def _nested(logits: Tensor, dim: int) -> Tensor:
    # The sigmoid is monotone, so the running minimum may be taken of the logits; sigmoid(-x) keeps
    # the digits that 1 - sigmoid(x) loses.
    outer = logits.narrow(dim, 0, 1)
    states = [torch.sigmoid(-outer)]
    for r in range(1, logits.shape[dim]):
        inner = torch.minimum(outer, logits.narrow(dim, r, 1))
        # vectorised and scalar code of the sigmoid can differ in the last digit, also of equal logits
        states.append(torch.clamp(torch.sigmoid(outer) - torch.sigmoid(inner), min=0.0))
        outer = inner
    states.append(torch.sigmoid(outer))
    return torch.cat(states, dim)


def _independent(logits: Tensor, dim: int) -> Tensor:
    first = logits.narrow(dim, 0, 1)
    states = torch.cat([torch.sigmoid(-first), torch.sigmoid(first)], dim)
    for r in range(1, logits.shape[dim]):
        region = logits.narrow(dim, r, 1)
        states = torch.cat([states * torch.sigmoid(-region), states * torch.sigmoid(region)], dim)
    return states


def _check(activation: str, outputs: int) -> None:
    if activation not in ("softmax", "sigmoid", "nested"):
        raise ModelError(
            f"The activation {activation!r} is not known.", hint="It is softmax, sigmoid or nested."
        )
    if outputs < 1:
        raise ModelError("The network has no outputs.")
    if activation == "sigmoid" and outputs > MAX_INDEPENDENT_REGIONS:
        raise ModelError(
            f"{outputs} independent regions cannot be told apart; at most {MAX_INDEPENDENT_REGIONS} can.",
            hint="If the regions contain one another, declare the activation 'nested'.",
        )
