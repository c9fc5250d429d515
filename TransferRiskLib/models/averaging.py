"""Weights averaged between the start and the end of a fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from TransferRiskLib.errors import ModelError, SettingsError


def average_weights(
    start_state: Mapping[str, Tensor], adapted_state: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """(1 - share) start + share adapted, weight by weight (WiSE-FT, Wortsman et al., CVPR 2022, eq. 1).

    Floating-point buffers (running statistics) are averaged too; counters are taken from `adapted_state`.

    Args:
        start_state: State dict before the fine-tuning.
        adapted_state: State dict after it, with the same names and shapes.
        share: Share of the adapted weights, 0 to 1; at 0 and 1 the result is bit-identical to one of them.

    Returns:
        A new state dict on the adapted state's devices.

    Raises:
        ModelError: states of different networks.
        SettingsError: a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"The share of the adapted weights must be 0 to 1, not {share}.")
    different = [
        name
        for name in {**start_state, **adapted_state}
        if name not in start_state
        or name not in adapted_state
        or start_state[name].shape != adapted_state[name].shape
    ]
    if different:
        raise ModelError(f"The states to average belong to different networks ({different[0]}).")
    averaged = {}
    for name, adapted in adapted_state.items():
        start = start_state[name].to(adapted.device)
        if share == 0 or share == 1 or not adapted.is_floating_point():
            averaged[name] = (start if share == 0 else adapted).detach().clone()
        else:
            averaged[name] = start.detach().lerp(adapted.detach(), share)
    return averaged
