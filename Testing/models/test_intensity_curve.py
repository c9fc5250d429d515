"""Intensity curves: values, composition, cards that hold them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import card_from_json, card_to_json
from TransferRiskLib.models.intensity_curve import IntensityCurve


def test_a_curve_is_linear_between_its_points_and_constant_beyond():
    curve = IntensityCurve((-1.0, 0.0, 2.0), (1.0, 0.0, 4.0))
    got = curve(np.array([[-5.0, -0.5], [1.0, 9.0]]))
    assert got.dtype == np.float32 and got.tolist() == [[1.0, 0.5], [2.0, 4.0]]


def test_a_curve_after_another_is_both_one_after_the_other():
    first = IntensityCurve((-2.0, -1.0, 0.5, 3.0), (2.0, -1.5, 1.7, 1.7))  # falls, rises, flat
    second = IntensityCurve((-1.0, 0.0, 0.4, 2.5), (3.0, -1.0, 0.2, -2.0))
    values = np.linspace(-4, 5, 2001)
    want = np.interp(np.interp(values, first.x, first.y), second.x, second.y)
    np.testing.assert_allclose(second.after(first)(values), want, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y"),
    [((0.0,), (0.0,)), ((0.0, 1.0), (0.0,)), ((0.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, 1.0)),
     ((0.0, float("nan")), (0.0, 1.0)), ((0.0, 1.0), (0.0, float("inf")))],
)  # fmt: skip
def test_points_that_are_no_curve_are_refused(x, y):
    with pytest.raises(ModelError):
        IntensityCurve(x, y)


def test_a_card_keeps_its_curves_in_its_file_and_wants_one_a_channel():
    curve = IntensityCurve((-1.0, 1.0), (1.0, -1.0))
    card = ModelCard("model", ("T1", "T2"), LabelScheme.of("lesion"), curves=(curve, curve))
    assert card_from_json(card_to_json(card)) == card
    with pytest.raises(ModelError, match="1 intensity curves for 2 channels"):
        dataclasses.replace(card, curves=(curve,))
