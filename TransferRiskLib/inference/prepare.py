"""A loaded case as a model wants it: its orientation, spacing and intensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import CaseError, GeometryError
from TransferRiskLib.inference.grids import to_native
from TransferRiskLib.inference.intensities import normalise, through_curve
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.resample import canonical_grid, resample
from TransferRiskLib.volumes.volume import Volume

__all__ = ["Prepared", "prepare", "to_native"]

LONGEST = 5000.0
"""Millimetres along an axis that no scan of a patient covers."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case on the model's grid. X, Y, Z run along the voxel axes i, j, k of `grid`.

    Attributes:
        image: Normalised channels in the card's order, float32, shape (C, X, Y, Z).
        labels: Class indices with `UNLABELLED`, int64, shape (X, Y, Z); None for a scan to segment.
        grid: The model's grid: the card's orientation and spacing.
        native: The grid of the case's first image.
        name: The case's name.
        group: What splits must not separate.
    """

    image: Tensor
    labels: Tensor | None
    grid: Geometry
    native: Geometry
    name: str
    group: str


def prepare(card: ModelCard, loaded: LoadedCase) -> Prepared:
    """Reorient, resample and normalise a case for the model of `card`.

    Channels are interpolated linearly, then normalised as the card says, over the whole resampled
    channel, and taken through the card's curves. Labels are interpolated as labels: `UNLABELLED` is one
    of them and is never mixed with the others; so is whatever lies outside the scan.

    Args:
        card: Says which channels, orientation, spacing and intensities the model expects.
        loaded: A case whose channels were loaded in the card's order.

    Raises:
        CaseError: the number of channels is not the card's.
        ImageError: a channel is constant or not finite; it names case and channel.
        GeometryError: the scan is smaller than a voxel of the model, or larger than any patient.
    """
    if len(loaded.images) != len(card.channels):
        raise CaseError(
            f"The case {loaded.name!r} has {len(loaded.images)} channels, "
            f"the model {card.name!r} expects {len(card.channels)}: {', '.join(card.channels)}.",
            file=loaded.source,
        )
    grid = canonical_grid(loaded.geometry, card.spacing, card.orientation)
    _check_extent(loaded, grid)
    image = torch.empty((len(card.channels), *grid.size), dtype=torch.float32)
    for c, (channel, array) in enumerate(zip(card.channels, loaded.images, strict=True)):
        on_grid = resample(Volume(array, loaded.geometry), grid, "linear").array
        if card.normalisation.nonzero:
            # interpolation, and the rounding of a header's matrix, turn zeros at the border into tiny
            # values that would count as tissue
            tissue = Volume((array != 0).astype(np.uint8), loaded.geometry)
            on_grid = np.where(resample(tissue, grid, "nearest").array > 0, on_grid, np.float32(0))
        values = normalise(on_grid, card.normalisation, case=loaded.name, channel=channel)
        if card.curves:
            values = through_curve(values, card.curves[c], card.normalisation)
        image[c] = torch.from_numpy(values.transpose(2, 1, 0))
    return Prepared(image, _labels(loaded, grid), grid, loaded.geometry, loaded.name, loaded.group)


def _check_extent(loaded: LoadedCase, grid: Geometry) -> None:
    """Refuse a scan whose size shows that its spacing is not in millimetres: on the model's grid it would
    be a single voxel, or more of them than any computer holds."""
    native = loaded.geometry
    extent = [count * step for count, step in zip(native.size, native.spacing, strict=True)]
    if max(grid.size) > 1 and max(extent) <= LONGEST:
        return
    shown = " x ".join(f"{float(f'{length:.3g}'):g}" for length in extent)
    raise GeometryError(
        f"The case {loaded.name!r} covers {shown} mm.",
        file=loaded.source,
        hint="Check that its spacing is in millimetres.",
    )


def _labels(loaded: LoadedCase, grid: Geometry) -> Tensor | None:
    if loaded.labels is None:
        return None
    on_grid = resample(Volume(loaded.labels, loaded.geometry), grid, "label", outside=UNLABELLED).array
    return torch.from_numpy(np.ascontiguousarray(on_grid.transpose(2, 1, 0)).astype(np.int64))
