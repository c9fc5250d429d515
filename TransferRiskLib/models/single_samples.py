"""Convolutions of a single sample on the CPU, as fast as those of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SLOW = 20480
"""Up to so many samples x channels x depth x height PyTorch takes its own kernel for a 3-D convolution of one
sample, and oneDNN's for all others (`use_mkldnn` in ATen/native/Convolution.cpp)."""


class QuickSingleSamples(TorchFunctionMode):
    """Within it, a 3-D convolution of one small sample on the CPU is made of the sample and its copy.

    PyTorch's kernel for one sample takes two to four times as long as oneDNN's for two, which matters for
    networks with few channels and for small patches. The copy's outputs are dropped, so that results and
    gradients stay what they were but for rounding. Scripted networks do not notice.

    Example:
        >>> with QuickSingleSamples():
        ...     shape = torch.nn.Conv3d(1, 4, 3)(torch.zeros(1, 1, 8, 8, 8)).shape
        >>> tuple(shape)
        (1, 4, 6, 6, 6)
    """

    def __torch_function__(
        self,
        func: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by PyTorch for every function within the mode."""
        kwargs = kwargs or {}
        if func is torch.nn.functional.conv3d and args and _is_slow(args[0]):
            return func(args[0].expand(2, -1, -1, -1, -1), *args[1:], **kwargs)[:1]
        return func(*args, **kwargs)


def _is_slow(image: Any) -> bool:
    return (
        isinstance(image, torch.Tensor)
        and image.device.type == "cpu"
        and image.ndim == 5
        and image.shape[0] == 1
        and image.shape[1] * image.shape[2] * image.shape[3] <= SLOW
    )
