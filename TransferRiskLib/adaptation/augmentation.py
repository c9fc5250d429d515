"""Random changes of training patches, by MONAI's transforms, on whatever device the patches are."""

from __future__ import annotations

import math
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    Rand3DElasticd,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandHistogramShiftd,
    RandScaleIntensityd,
    RandStdShiftIntensityd,
)

from TransferRiskLib.adaptation.sampling import Batch
from TransferRiskLib.adaptation.settings import AugmentationSettings
from TransferRiskLib.cases.labels import LabelScheme

KEYS = ("image", "labels", "weights", "anchor")
MODES = ("bilinear", "nearest", "bilinear", "bilinear")
PADDING = ("border", "zeros", "zeros", "zeros")
ELASTIC_SIGMA = 6.0


class Augmentation:
    """The augmentation that `settings` describe; a seed decides all of it."""

    def __init__(self, settings: AugmentationSettings) -> None:
        transforms = [*_spatial(settings), *_intensity(settings)]
        self._transform = Compose(transforms) if transforms else None

    def __call__(self, batch: Batch, seed: int) -> Batch:
        """Augmented patches of the same shapes.

        Labels move by nearest neighbour; voxels that come from outside the patch are unlabelled.
        """
        if self._transform is None:
            return batch
        self._transform.set_random_state(seed)
        images, labels, weights, anchors = [], [], [], []
        for n in range(len(batch.image)):
            # shifted by one, so that the zeros that padding brings mean "unlabelled"
            item = {
                "image": batch.image[n],
                "labels": (batch.labels[n] + 1)[None].float(),
                "weights": batch.weights[n][None],
            }
            if batch.anchor is not None:
                item["anchor"] = batch.anchor[n]
            changed = self._transform(item)
            images.append(_plain(changed["image"]))
            labels.append(_plain(changed["labels"])[0].round().long() - 1)
            weights.append(_plain(changed["weights"])[0])
            if batch.anchor is not None:
                anchors.append(_plain(changed["anchor"]))
        return Batch(
            torch.stack(images),
            torch.stack(labels),
            torch.stack(weights),
            batch.ratio,
            torch.stack(anchors) if anchors else None,
        )


def mirrored_axes(
    settings: AugmentationSettings, orientation: str | None, target: LabelScheme
) -> tuple[int, ...]:
    """The network axes to mirror: as set, or left and right unless the target's labels tell them apart.

    Args:
        settings: Whose `mirror_axes` may be None.
        orientation: Three letters of L/R, A/P, I/S: where the network's axes point to. None, each scan's
            own axes: which of them is left to right differs, so none is mirrored unless set.
        target: The labels to segment.
    """
    if settings.mirror_axes is not None:
        return settings.mirror_axes
    sideways = tuple(axis for axis, letter in enumerate(orientation or "") if letter in "LR")
    return () if target.lateralised else sideways


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else torch.as_tensor(tensor)


def _spatial(s: AugmentationSettings) -> list:
    transforms: list = []
    if s.spatial_probability > 0:
        common: dict[str, Any] = {
            "prob": s.spatial_probability,
            "rotate_range": [math.radians(s.rotation)] * 3,
            "scale_range": [s.scaling] * 3,
            "mode": MODES,
            "padding_mode": PADDING,
            "allow_missing_keys": True,
        }
        if s.elastic > 0:
            # uniform noise in -1..1 has a deviation of 1/sqrt(3); smoothing in 3-D divides it by
            # (2 sqrt(pi) sigma)^(3/2); the magnitude brings it back to the wanted one
            deviation = (1 / math.sqrt(3)) / (2 * math.sqrt(math.pi) * ELASTIC_SIGMA) ** 1.5
            magnitude = s.elastic / deviation
            transforms.append(
                Rand3DElasticd(
                    KEYS, sigma_range=(ELASTIC_SIGMA,) * 2, magnitude_range=(0.0, magnitude), **common
                )
            )
        elif s.rotation > 0 or s.scaling > 0:
            transforms.append(RandAffined(KEYS, **common))
    transforms += [
        RandFlipd(KEYS, prob=0.5, spatial_axis=axis, allow_missing_keys=True) for axis in s.mirror_axes or ()
    ]
    return transforms


def _intensity(s: AugmentationSettings) -> list:
    p = s.intensity_probability
    if p <= 0:
        return []
    transforms: list = []
    if s.remap:
        transforms.append(RandHistogramShiftd("image", num_control_points=(4, 8), prob=p))
        transforms.append(
            RandAdjustContrastd("image", prob=p / 2, gamma=(0.7, 1.4), invert_image=True, retain_stats=True)
        )
    if s.gamma > 0:
        span = (1 / (1 + s.gamma), 1 + s.gamma)
        transforms.append(RandAdjustContrastd("image", prob=p, gamma=span, retain_stats=True))
    if s.intensity > 0:
        transforms.append(RandScaleIntensityd("image", factors=s.intensity, prob=p))
        transforms.append(RandStdShiftIntensityd("image", factors=s.intensity, prob=p))
    if s.bias_field > 0:
        transforms.append(RandBiasFieldd("image", coeff_range=(0.0, s.bias_field), prob=p))
    if s.blur > 0:
        sigma = (0.1, s.blur)
        transforms.append(RandGaussianSmoothd("image", sigma_x=sigma, sigma_y=sigma, sigma_z=sigma, prob=p))
    if s.noise > 0:
        transforms.append(RandGaussianNoised("image", std=s.noise, prob=p))
    return transforms
