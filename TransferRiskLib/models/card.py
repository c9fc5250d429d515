"""What must be known of a model to feed it and to read its outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.intensity_curve import IntensityCurve

MAX_INDEPENDENT_REGIONS = 6
_AXES = {"L": "R", "P": "A", "I": "S"}


@dataclass(frozen=True)
class Normalisation:
    """How intensities are brought to the model's range, per case and channel.

    Attributes:
        kind: `zscore` (mean 0, deviation 1), `minmax` (to 0..1), `percentile` (the two `limits`
            percentiles to 0..1, clipped), `window` (the two `limits` intensities to 0..1, clipped),
            `none`.
        nonzero: Statistics over non-zero voxels only, and zero voxels stay zero (skull-stripped MRI).
        limits: Percentiles of `percentile`, intensities of `window`.
        range: What `minmax`, `percentile` and `window` map to in place of 0..1. After a `zscore`, the
            channel's smallest and largest value are mapped there, the zeros of `nonzero` included.
    """

    kind: Literal["zscore", "minmax", "percentile", "window", "none"] = "zscore"
    nonzero: bool = False
    limits: tuple[float, float] = (0.5, 99.5)
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ModelError(f"The range {self.range} of the normalisation is not in ascending order.")
        if self.range is not None and self.kind == "none":
            raise ModelError("A normalisation of the kind 'none' has no range.", hint="Use minmax.")


@dataclass(frozen=True)
class ModelCard:
    """A model's contract.

    Attributes:
        name: Short name.
        channels: Names of the input channels, in the network's order.
        labels: Names of the outputs. For `softmax` the background first, one output each. For
            `sigmoid` and `nested` the background first too, although it has no output of its own:
            output r belongs to label r + 1, and nested regions go from the outermost to the
            innermost (whole tumour, tumour core, enhancing tumour).
        activation: `softmax` over the outputs, independent `sigmoid`s, or `nested` sigmoid regions.
        spacing: Voxel spacing the network expects along its axes, in mm; None keeps the scan's own.
        orientation: Anatomical directions towards which the network's three spatial axes increase; None
            keeps the scan's own axes.
        normalisation: Intensity normalisation.
        patch_size: Sliding window, in voxels along the network's axes.
        divisible_by: Every spatial size given to the network is a multiple of this.
        architecture, description, licence, citation: For people.
        contrasts: What the training images looked like (T1, T2, FLAIR, CT, ...), a channel each.
        keep_largest: Labels of which a segmentation keeps only the largest component.
        curves: A curve a channel that its normalised intensities are taken through, so that scans of
            another contrast look like those that the network knows; none where they do already. Zero
            voxels stay zero where `normalisation.nonzero` says so.
        output_order: Where the network's outputs are in another order than the labels: the network's
            output for each of them, such as (1, 0, 2) for a network that gives tumour core, whole
            tumour, enhancing tumour. Empty for the same order.

    Raises:
        ModelError: a contradiction within the card.
    """

    name: str
    channels: tuple[str, ...]
    labels: LabelScheme
    activation: Literal["softmax", "sigmoid", "nested"] = "softmax"
    spacing: tuple[float, float, float] | None = None
    orientation: str | None = "RAS"
    normalisation: Normalisation = field(default_factory=Normalisation)
    patch_size: tuple[int, int, int] = (96, 96, 96)
    divisible_by: int = 1
    architecture: str = ""
    description: str = ""
    licence: str = ""
    citation: str = ""
    contrasts: tuple[str, ...] = ()
    keep_largest: tuple[str, ...] = ()
    curves: tuple[IntensityCurve, ...] = ()
    output_order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.channels or len(set(self.channels)) != len(self.channels):
            raise ModelError(f"The card of {self.name!r} needs channels with distinct names.")
        if len(self.labels) < 2:
            raise ModelError(f"The card of {self.name!r} names no label besides the background.")
        if self.spacing is not None and not all(0 < step < math.inf for step in self.spacing):
            raise ModelError(f"The card of {self.name!r} has a spacing that is not positive.")
        axes = "RAS" if self.orientation is None else self.orientation
        if sorted(_AXES.get(letter, letter) for letter in axes) != ["A", "R", "S"]:
            raise ModelError(
                f"The card of {self.name!r} has the orientation {self.orientation!r}, which is none.",
                hint="Give three letters such as RAS, LPS or LAS: one of R and L, of A and P, of S and I.",
            )
        if min(self.patch_size) < 1 or self.divisible_by < 1:
            raise ModelError(f"The card of {self.name!r} has an impossible patch size.")
        if any(size % self.divisible_by for size in self.patch_size):
            raise ModelError(
                f"The patch size {self.patch_size} of {self.name!r} is not divisible by {self.divisible_by}."
            )
        if self.curves and len(self.curves) != len(self.channels):
            raise ModelError(
                f"The card of {self.name!r} has {len(self.curves)} intensity curves for "
                f"{len(self.channels)} channels."
            )
        if self.output_order and sorted(self.output_order) != list(range(self.outputs)):
            raise ModelError(
                f"The output order {list(self.output_order)} of {self.name!r} does not name each of the "
                f"outputs 0 to {self.outputs - 1} once."
            )
        if self.activation == "sigmoid" and self.outputs > MAX_INDEPENDENT_REGIONS:
            raise ModelError(
                f"{self.name!r} has {self.outputs} independent regions; "
                f"at most {MAX_INDEPENDENT_REGIONS} can be told apart (2^R states).",
                hint="If the regions contain one another, declare the activation 'nested'.",
            )

    @property
    def outputs(self) -> int:
        """Channels of the network's output."""
        return len(self.labels) if self.activation == "softmax" else len(self.labels) - 1
