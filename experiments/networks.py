"""Networks by name: plain U-Net, nnU-Net-like DynUNet, SegResNet, SwinUNETR, small and large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.config import NetworkSpec
from TransferRiskLib.errors import SettingsError

_NETS = "monai.networks.nets."
SMALLEST_EDGE = 4
"""Voxels that a resolution level keeps along every axis, as nnU-Net plans (Isensee et al. 2021)."""
MOST_FILTERS = 320
FEWEST_LEVELS = 3
"""Of MONAI's DynUNet."""
_LEVELS = {"small": 4, "paper": 6}
_FILTERS = {"small": 8, "paper": 32}


def plan_network(
    spec: NetworkSpec, patch: Sequence[int], spacing: Sequence[float] | None, inputs: int, outputs: int
) -> tuple[dict[str, Any], int]:
    """A definition for `build_network`, and what patch sizes must be a multiple of.

    Args:
        spec: Architecture and size.
        patch: Voxels along the network's axes.
        spacing: In mm; None counts as isotropic.
        inputs: Channels of the image.
        outputs: Labels, background included.

    Raises:
        SettingsError: a definition that is missing, or a patch that is too small.
    """
    sizes = {"spatial_dims": 3, "in_channels": inputs, "out_channels": outputs}
    if spec.kind == "definition":
        if spec.definition is None:
            raise SettingsError("A network of kind 'definition' needs one.")
        return {**sizes, **spec.definition}, spec.divisible_by
    if spec.kind == "unet":
        return _unet(spec, sizes)
    if spec.kind == "segresnet":
        small = spec.size == "small"
        blocks = ([1, 2, 2, 4] if not small else [1, 1, 1, 1])[: spec.levels or 4]
        up = [1] * (len(blocks) - 1)
        definition = {"init_filters": _FILTERS[spec.size], "blocks_down": blocks, "blocks_up": up}
        norm = {"norm": ["INSTANCE", {"affine": True}]}
        return {"_target_": f"{_NETS}SegResNet", **sizes, **definition, **norm}, 2 ** len(up)
    if spec.kind == "swinunetr":
        feature = 12 if spec.size == "small" else 48
        return {"_target_": f"{_NETS}SwinUNETR", **sizes, "feature_size": feature}, 32
    return _dynunet(spec, sizes, patch, spacing or (1.0, 1.0, 1.0))


def _unet(spec: NetworkSpec, sizes: dict[str, int]) -> tuple[dict[str, Any], int]:
    levels = spec.levels or {"small": 3, "paper": 5}[spec.size]
    definition = {
        "_target_": f"{_NETS}UNet",
        **sizes,
        "channels": _filters(spec.size, levels),
        "strides": [2] * (levels - 1),
        "num_res_units": 0,
        "norm": ["INSTANCE", {"affine": True}],
    }
    return definition, 2 ** (levels - 1)


def _dynunet(
    spec: NetworkSpec, sizes: dict[str, int], patch: Sequence[int], spacing: Sequence[float]
) -> tuple[dict[str, Any], int]:
    kernels, strides = plan_levels(patch, spacing, spec.levels or _LEVELS[spec.size])
    if len(strides) < FEWEST_LEVELS:
        raise SettingsError(
            f"A DynUNet has at least {FEWEST_LEVELS} levels; {tuple(patch)} voxels allow {len(strides)}.",
            hint="Take a larger patch with even sizes, or more levels.",
        )
    definition = {
        "_target_": f"{_NETS}DynUNet",
        **sizes,
        "kernel_size": kernels,
        "strides": strides,
        "upsample_kernel_size": strides[1:],
        "filters": _filters(spec.size, len(strides)),
        "norm_name": ["INSTANCE", {"affine": True}],
    }
    factors = [1, 1, 1]
    for stride in strides:
        factors = [f * s for f, s in zip(factors, stride, strict=True)]
    return definition, max(factors)


def plan_levels(
    patch: Sequence[int], spacing: Sequence[float], levels: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Kernel sizes and strides of every resolution level, from the patch and the voxels' shape.

    An axis is halved on the way to a level while it stays even and at least `SMALLEST_EDGE` voxels
    long, and while its spacing is within a factor of two of the finest one; until then its kernels are
    1 voxel wide, so that coarse axes are neither mixed nor lost before the fine ones have caught up.

    Args:
        patch: Voxels along the network's axes.
        spacing: In mm.
        levels: At most so many.

    Example:
        >>> plan_levels((16, 16, 8), (1, 1, 4), 3)
        ([[3, 3, 1], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [2, 2, 1], [2, 2, 2]])
    """
    size, step = list(patch), [float(s) for s in spacing]
    kernels: list[list[int]] = []
    strides = [[1, 1, 1]]
    while True:
        near = [s <= 2 * min(step) for s in step]
        kernels.append([3 if ok else 1 for ok in near])
        stride = [
            2 if ok and n % 2 == 0 and n // 2 >= SMALLEST_EDGE else 1
            for ok, n in zip(near, size, strict=True)
        ]
        if max(stride) == 1 or len(strides) == levels:
            return kernels, strides
        strides.append(stride)
        size = [n // s for n, s in zip(size, stride, strict=True)]
        step = [s * f for s, f in zip(step, stride, strict=True)]


def _filters(size: str, levels: int) -> list[int]:
    return [min(MOST_FILTERS, _FILTERS[size] * 2**level) for level in range(levels)]
