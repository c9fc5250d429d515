"""TorchScript of a network: compiled where possible, else traced and checked."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from TransferRiskLib.models.networks import copy_network

TOLERANCE = 1e-5


def to_torchscript(
    network: nn.Module, patch: tuple[int, int, int, int], step: int = 1
) -> tuple[torch.jit.ScriptModule | None, str, str]:
    """The network as TorchScript that gives the same outputs at two patch sizes.

    Args:
        network: Any network; it is not changed.
        patch: Channels and a small patch that it can process, (C, X, Y, Z).
        step: Sizes must be multiples of this.

    Returns:
        The script (None when neither way works), how it was made (`scripted`, `traced`, `none`), and
        why a better way failed.
    """
    own = copy_network(network).cpu().eval()
    generator = torch.Generator().manual_seed(0)
    first = torch.rand((1, *patch), generator=generator)
    longer = (patch[0], patch[1] + step, patch[2], patch[3])
    second = torch.rand((1, *longer), generator=generator)
    reasons: list[str] = []
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation and tracer warnings; the comparison below decides
        for kind in ("scripted", "traced"):
            try:
                made = torch.jit.script(own) if kind == "scripted" else torch.jit.trace(own, first)
                for image in (first, second):
                    _compare(own(image), made(image))
                return made, kind, "; ".join(reasons)
            except Exception as error:  # every unsupported construct raises its own type
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                reasons.append(f"{kind}: {(lines or [type(error).__name__])[0][:160]}")
    return None, "none", "; ".join(reasons)


def _compare(expected: Tensor, given: Tensor) -> None:
    difference = float((expected - given).abs().max())
    if expected.shape != given.shape or not difference <= TOLERANCE:
        raise ValueError(f"outputs differ by {difference:.2g}")
