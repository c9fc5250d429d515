"""Bringing intensities to the range that a model was trained on."""

from __future__ import annotations

import numpy as np

from TransferRiskLib.errors import ImageError, ModelError
from TransferRiskLib.models.card import Normalisation
from TransferRiskLib.models.intensity_curve import IntensityCurve


def normalise(image: np.ndarray, how: Normalisation, *, case: str = "", channel: str = "") -> np.ndarray:
    """One channel with its intensities normalised.

    - `zscore`: (x − mean) / standard deviation (of the population).
    - `minmax`: (x − minimum) / (maximum − minimum).
    - `percentile`: the two percentiles `how.limits` become 0 and 1, values beyond are clipped.
    - `window`: the two intensities `how.limits` become 0 and 1, values beyond are clipped.
    - `none`: unchanged.

    With `how.nonzero`, the statistics are those of the non-zero voxels, and zero voxels stay zero. With
    `how.range`, the 0 and 1 above are its two ends instead; a z-score is followed by a linear map of the
    channel's smallest and largest value, zeros included, to them.

    Args:
        image: Any shape; finite numbers.
        how: From the model's card.
        case, channel: For the error message.

    Returns:
        float32, same shape.

    Raises:
        ImageError: the channel is constant where the statistics are taken, or not finite.
        ModelError: limits that are not in ascending order.
    """
    where = _where(case, channel)
    low, high = (float(image.min()), float(image.max())) if image.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{where} holds values that are not finite (NaN or infinity).",
                         hint="Repair the image or leave the case out.")  # fmt: skip
    if low == high:
        raise _constant(where, "", low)
    if how.kind == "none":
        return image.astype(np.float32)
    mask = image != 0 if how.nonzero else None
    shift, scale = _shift_and_scale(image if mask is None else image[mask], how, where)
    # float64: with a mean of 10,000 and a deviation of 10, float32 would lose the fourth digit
    result = np.subtract(image, shift, dtype=np.float64)
    result /= scale
    if how.kind in ("percentile", "window"):
        np.clip(result, 0.0, 1.0, out=result)
    if how.range is not None and how.kind != "zscore":
        result *= how.range[1] - how.range[0]
        result += how.range[0]
    if mask is not None:
        result[~mask] = 0.0
    if how.range is not None and how.kind == "zscore":
        smallest, largest = float(result.min()), float(result.max())
        result -= smallest
        result *= (how.range[1] - how.range[0]) / (largest - smallest)
        result += how.range[0]
    return result.astype(np.float32, copy=False)


def through_curve(image: np.ndarray, curve: IntensityCurve, how: Normalisation) -> np.ndarray:
    """A normalised channel taken through a curve, float32, same shape; the zeros of `how.nonzero` stay."""
    changed = curve(image)
    if how.nonzero:
        changed[image == 0] = 0.0
    return changed


def _shift_and_scale(values: np.ndarray, how: Normalisation, where: str) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if how.kind != "window" and low == high:
        raise _constant(where, " outside its zero voxels" if how.nonzero else "", low)
    if how.kind == "zscore":
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    if how.kind in ("percentile", "window"):
        if how.limits[0] >= how.limits[1]:
            raise ModelError(f"The limits {how.limits} of the normalisation are not in ascending order.")
        if how.kind == "window":
            low, high = how.limits
        else:
            low, high = (float(v) for v in np.percentile(values, how.limits))
            if low == high:
                raise _constant(
                    where, f" between its percentiles {how.limits[0]:g} and {how.limits[1]:g}", low
                )
    return low, high - low


def _where(case: str, channel: str) -> str:
    named = f"The channel {channel!r}" if channel else "The image"
    return f"{named} of case {case!r}" if case else named


def _constant(where: str, part: str, value: float) -> ImageError:
    return ImageError(
        f"{where} is constant{part} (every voxel is {value:g}), so that it tells the model nothing.",
        hint="Check that this is the right file, or leave the case out.",
    )
