"""The gradients of one training step, of the whole batch at once or of its parts one after another."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import Batch
from TransferRiskLib.adaptation.shortage import StepPlan
from TransferRiskLib.inference.devices import has_bfloat16
from TransferRiskLib.models.single_samples import QuickSingleSamples


def add_gradients(
    network: torch.nn.Module, loss: AdaptationLoss, batch: Batch, plan: StepPlan, mixed_precision: bool = True
) -> float:
    """Add the gradients of a batch's loss to those of the network's parameters.

    The loss is no sum over patches: soft Dice, the hardest voxels and the divisors pool the batch. So in
    parts, the outputs of all parts come first, without what the way back needs; the loss of the whole
    batch and its gradient by the outputs follow; then each part goes through the network once more and
    carries its share of that gradient back. The sum is the gradient of the whole batch, whatever the loss,
    for one more pass forward. Layers that look at one patch at a time (instance, layer and group
    normalisation) do not notice. Batch normalisation takes the statistics of the part instead of the
    batch's; its running statistics move once a step, by the mean over the parts. Dropout draws other,
    equally likely units, the same ones in both passes.

    Args:
        network: In the mode that it trains in.
        loss: Of logits and labels.
        batch: On the network's device.
        plan: How many patches at once, and where activations wait.
        mixed_precision: bfloat16 on a GPU that has it; ignored elsewhere.

    Returns:
        The loss. Where it is not finite no gradient is added.
    """
    forward = _forward(network, plan.offload, mixed_precision)
    parts = batch.split(plan.patches)
    if len(parts) == 1:
        value = _loss(loss, forward(batch), batch, plan.offload)
        if math.isfinite(float(value.detach())):
            value.backward()
        return float(value.detach())
    seed = torch.initial_seed()
    buffers = _Buffers(network)
    with torch.no_grad():
        outputs = [_seeded(seed + n, forward, part) for n, part in enumerate(parts)]
        buffers.reset()
    logits = torch.cat(outputs).requires_grad_()
    del outputs
    value = _loss(loss, logits, batch, plan.offload)
    if not math.isfinite(float(value.detach())):
        return float(value.detach())
    value.backward()
    assert logits.grad is not None
    shares = logits.grad.split(plan.patches)
    del logits
    for n, (part, gradient) in enumerate(zip(parts, shares, strict=True)):
        buffers.reset()
        _seeded(seed + n, forward, part).backward(gradient)
        buffers.add(len(part.image) / len(batch.image))
    buffers.average()
    return float(value.detach())


def _forward(network: torch.nn.Module, offload: bool, mixed_precision: bool) -> Callable[[Batch], Tensor]:
    def forward(part: Batch) -> Tensor:
        device = part.image.device
        waiting = torch.autograd.graph.save_on_cpu() if offload else contextlib.nullcontext()
        half = mixed_precision and has_bfloat16(device)
        with waiting, torch.autocast(device.type, dtype=torch.bfloat16, enabled=half), QuickSingleSamples():
            return _full_resolution(network(part.image.to(memory_format=torch.channels_last_3d)))

    return forward


def _loss(loss: AdaptationLoss, logits: Tensor, batch: Batch, offload: bool) -> Tensor:
    if offload:  # of many labels the loss needs several times the memory of the outputs
        logits, batch = logits.to("cpu"), batch.to(torch.device("cpu"))
    return loss(logits, batch.labels, batch.weights, batch.ratio, batch.anchor)


def _seeded(seed: int, forward: Callable[[Batch], Tensor], part: Batch) -> Tensor:
    torch.manual_seed(seed)
    return forward(part)


def _full_resolution(logits: Any) -> Tensor:
    """The finest output of a network with deep supervision (DynUNet stacks them along axis 1)."""
    if isinstance(logits, (list, tuple)):
        return logits[0]
    return logits[:, 0] if logits.dim() == 6 else logits


class _Buffers:
    """Running statistics of a network, which each part of a step moves from where the step found them."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._buffers = list(network.buffers())
        self._before = [buffer.clone() for buffer in self._buffers]
        self._mean = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def reset(self) -> None:
        """Back to where the step found them."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)

    @torch.no_grad()
    def add(self, share: float) -> None:
        """Note what a part, `share` of the batch, has made of them."""
        for buffer, before, mean in zip(self._buffers, self._before, self._mean, strict=True):
            if buffer.is_floating_point():
                mean.add_(buffer - before, alpha=share)  # what does not move stays to the bit
            else:
                mean.copy_(buffer)

    @torch.no_grad()
    def average(self) -> None:
        """The mean over the parts; counters as the last part left them."""
        for buffer, mean in zip(self._buffers, self._mean, strict=True):
            buffer.copy_(mean)
