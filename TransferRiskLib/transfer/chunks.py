"""Voxels in bounded portions, and the checks that every portion passes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.errors import LabelError, ModelError, SettingsError

Array = np.ndarray | Tensor

CHUNK = 65536
"""Voxels worked on at once: small enough for the cache, large enough to hide the call overhead."""


def as_tensor(array: Array) -> Tensor:
    """The tensor that shares the array's memory where PyTorch allows it, else a copy; no gradient."""
    if isinstance(array, Tensor):
        return array.detach()
    array = np.asarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def as_values(values: Array, rows: int | None = None) -> Tensor:
    """Floating-point values (C, ...), checked.

    Args:
        values: Probabilities or logits, their channels first.
        rows: The C that they must have; None for any.

    Raises:
        ModelError: another number of channels, no voxel dimension, or integers.
    """
    tensor = as_tensor(values)
    if tensor.ndim < 2 or not tensor.is_floating_point():
        raise ModelError(
            f"A model's outputs must be floating-point numbers (channels, ...), not {tensor.dtype} "
            f"of shape {tuple(tensor.shape)}."
        )
    if rows is not None and tensor.shape[0] != rows:
        raise ModelError(
            f"The model gives {tensor.shape[0]} channels where {rows} are expected.",
            hint="The card's labels and activation must fit the network.",
        )
    return tensor


def as_labels(labels: Array, values: Tensor, classes: int) -> Tensor:
    """Class indices of the voxels of `values` (C, ...), on the same device, checked.

    Raises:
        LabelError: another shape, not integers, or an index outside -1..classes - 1.
    """
    tensor = as_tensor(labels)
    if tensor.shape != values.shape[1:]:
        raise LabelError(
            f"Labels of shape {tuple(tensor.shape)} do not fit outputs of shape {tuple(values.shape)}.",
            hint="Both must lie on one grid.",
        )
    if tensor.is_floating_point() or tensor.is_complex():
        raise LabelError("Labels must be integers.")
    if tensor.dtype == torch.bool:
        tensor = tensor.to(torch.uint8)
    if tensor.numel():
        low, high = (int(bound) for bound in torch.aminmax(tensor))
        if low < UNLABELLED or high >= classes:
            raise LabelError(
                f"Labels run from {low} to {high}, but there are {classes} classes.",
                hint=f"Class indices are 0 to {classes - 1}; {UNLABELLED} marks unlabelled voxels.",
            )
    return tensor.to(values.device)


def portions(voxels: int, chunk: int) -> Iterator[slice]:
    """Slices that cover `voxels` in order, each at most `chunk` long."""
    if chunk < 1:
        raise SettingsError(f"A chunk of {chunk} voxels makes no sense.", hint="Take at least 1.")
    for start in range(0, voxels, chunk):
        yield slice(start, min(start + chunk, voxels))


def unusable(probabilities: Tensor, labels: Tensor | None) -> Tensor:
    """Whether any labelled voxel's probabilities are not finite, negative, or do not sum to 1.

    Args:
        probabilities: (Z, n).
        labels: (n,), or None when every voxel counts.

    Returns:
        A boolean scalar tensor on the same device (no synchronisation with the host).
    """
    # Half precision rounds each of up to 64 probabilities by as much as 5e-4 of its value.
    tolerance = 1e-3 if probabilities.dtype in (torch.float32, torch.float64) else 1e-2
    total = probabilities.sum(0, dtype=torch.promote_types(probabilities.dtype, torch.float32))
    good = ((total - 1).abs() <= tolerance) & (probabilities.amin(0) >= -1e-6)
    if labels is not None:
        good |= labels < 0
    return ~good.all()


def not_probabilities() -> ModelError:
    """The error for outputs that `unusable` refuses."""
    return ModelError(
        "The model's outputs are not probabilities: not finite, negative, or not summing to 1.",
        hint="Check the activation on the card, and the images for values that are not numbers.",
    )
