"""How maps look."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml.styles import DIVERGING, SEQUENTIAL, STYLES, style_of
from TransferRiskLib.tasks.requests import MapKind


def _lightness(colours: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """CIE L* of sRGB colours (IEC 61966-2-1, CIE 1976)."""
    srgb = np.asarray(colours)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_equal_steps_of_risk_are_equal_steps_of_lightness() -> None:
    steps = np.diff(_lightness(SEQUENTIAL))
    np.testing.assert_allclose(steps, (95 - 18) / 8, atol=1.5)


def test_gain_is_equally_light_on_both_sides_and_lightest_at_zero() -> None:
    light = _lightness(DIVERGING)
    np.testing.assert_allclose(light, light[::-1], atol=2.0)
    assert np.argmax(light) == 4


def test_negative_gain_is_red_and_positive_gain_blue() -> None:
    points = style_of("gain").points
    lowest, highest = points[0], points[-1]
    assert lowest[0] == -2.0 and lowest[1] > 2 * max(lowest[2], lowest[3])
    assert highest[0] == 2.0 and highest[3] > 2 * highest[1]
    assert points[4][0] == 0.0


def test_every_kind_of_map_that_is_not_a_segmentation_has_a_style() -> None:
    assert set(typing.get_args(MapKind)) - {"eep-segmentation"} <= set(STYLES)


def test_the_legend_names_the_unit() -> None:
    assert style_of("risk").legend == "Transfer risk (nats)"
    assert "red: misleads" in style_of("gain").legend


@pytest.mark.parametrize("style", STYLES.values(), ids=lambda style: style.kind)
def test_low_risk_is_clear_in_3d_and_high_risk_dense(style) -> None:
    values, opacities = np.array(style.opacity).T
    assert np.all(np.diff(values) > 0)
    calm, alarming = (-1, 0) if style.kind == "gain" else (0, -1)
    assert opacities[calm] == 0.0
    assert opacities[alarming] >= 0.9


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="'heat'"):
        style_of("heat")
