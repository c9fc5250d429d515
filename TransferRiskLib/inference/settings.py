"""Options of prediction; free of torch, so that a GUI can hold them."""

from __future__ import annotations

from dataclasses import dataclass

from TransferRiskLib.errors import SettingsError


@dataclass(frozen=True)
class PredictionSettings:
    """How a case is predicted.

    Attributes:
        device: `auto` (first CUDA device, else Apple's mps, else the CPU), `cpu`, `cuda:N`, `mps`.
        overlap: Overlap of neighbouring windows, as a fraction of the patch.
        batch_size: Windows a network pass.
        mirror: Average over all mirrorings of the three axes (eight passes).
        mixed_precision: Half precision on CUDA; ignored elsewhere.
    """

    device: str = "auto"
    overlap: float = 0.5
    batch_size: int = 2
    mirror: bool = False
    mixed_precision: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise SettingsError(f"The overlap must be at least 0 and below 1, not {self.overlap}.")
        if self.batch_size < 1:
            raise SettingsError("The batch size must be at least 1.")
