"""A curve that intensities are taken through before a model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from TransferRiskLib.errors import ModelError


@dataclass(frozen=True)
class IntensityCurve:
    """A piecewise-linear curve, constant beyond its ends.

    Attributes:
        x: Normalised intensities, ascending.
        y: What they become.

    Raises:
        ModelError: fewer than two points, numbers that are not finite, or `x` that do not ascend.

    Example:
        >>> IntensityCurve((-1.0, 1.0), (1.0, -1.0))(np.array([-3.0, 0.0, 0.5])).tolist()
        [1.0, 0.0, -0.5]
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.x) < 2 or len(self.x) != len(self.y):
            raise ModelError("An intensity curve needs at least two points with an x and a y each.")
        if not np.isfinite([*self.x, *self.y]).all() or (np.diff(self.x) <= 0).any():
            raise ModelError("The points of an intensity curve must be finite, with ascending x.")

    def __call__(self, intensities: np.ndarray) -> np.ndarray:
        """The intensities taken through the curve, float32, same shape."""
        return np.interp(intensities, self.x, self.y).astype(np.float32)

    def after(self, first: IntensityCurve) -> IntensityCurve:
        """The curve that takes intensities through `first` and then through this one, exactly."""
        corners = [np.asarray(first.x)]
        for left, right, low, high in zip(first.x, first.x[1:], first.y, first.y[1:], strict=False):
            inside = [bend for bend in self.x if min(low, high) < bend < max(low, high)]
            corners.append(left + (np.asarray(inside) - low) / (high - low or 1.0) * (right - left))
        x = np.unique(np.concatenate(corners))
        y = np.interp(np.interp(x, first.x, first.y), self.x, self.y)
        return IntensityCurve(tuple(x.tolist()), tuple(y.tolist()))
