from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.errors import ImageError, ModelError
from TransferRiskLib.inference.intensities import normalise
from TransferRiskLib.models.card import Normalisation

IMAGE = np.array([0.0, 2.0, 4.0, 6.0])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Normalisation("none"), [0, 2, 4, 6]),
        (Normalisation("minmax"), [0, 1 / 3, 2 / 3, 1]),
        (Normalisation("minmax", nonzero=True), [0, 0, 0.5, 1]),
        (Normalisation("zscore"), np.array([-3, -1, 1, 3]) / np.sqrt(5)),
        (Normalisation("zscore", nonzero=True), [0, -np.sqrt(1.5), 0, np.sqrt(1.5)]),
        (Normalisation("window", limits=(1.0, 5.0)), [0, 0.25, 0.75, 1]),
        (Normalisation("window", nonzero=True, limits=(-2.0, 6.0)), [0, 0.5, 0.75, 1]),
        (Normalisation("percentile", limits=(0.0, 50.0)), [0, 2 / 3, 1, 1]),
        (Normalisation("percentile", nonzero=True, limits=(0.0, 100.0)), [0, 0, 0.5, 1]),
        (Normalisation("minmax", range=(-1.0, 2.0)), [-1, 0, 1, 2]),
        (Normalisation("window", limits=(1.0, 5.0), range=(-1.0, 1.0)), [-1, -0.5, 0.5, 1]),
        (Normalisation("percentile", limits=(0.0, 50.0), range=(0.0, 3.0)), [0, 2, 3, 3]),
        (Normalisation("zscore", range=(-1.0, 1.0)), [-1, -1 / 3, 1 / 3, 1]),
        # the z-score of 2, 4, 6 is -a, 0, a and the zero voxel stays 0, the middle of what is mapped to 0..1
        (Normalisation("zscore", nonzero=True, range=(0.0, 1.0)), [0.5, 0, 0.5, 1]),
    ],
    ids=lambda value: f"{value.kind}-{value.nonzero}" if isinstance(value, Normalisation) else "",
)
def test_values_by_hand(how, expected):
    result = normalise(IMAGE, how)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["zscore", "minmax", "percentile", "window", "none"])
def test_a_constant_channel_is_an_error_that_names_case_and_channel(kind):
    limits = (0.0, 10.0)
    with pytest.raises(ImageError, match=r"'FLAIR' of case 'anna' is constant .*7"):
        normalise(np.full((2, 2, 2), 7.0), Normalisation(kind, limits=limits), case="anna", channel="FLAIR")


def test_a_mask_is_constant_outside_its_zero_voxels():
    with pytest.raises(ImageError, match="outside its zero voxels"):
        normalise(np.array([0.0, 1.0, 1.0]), Normalisation("zscore", nonzero=True))


def test_percentiles_that_coincide_are_an_error():
    image = np.zeros(100)
    image[0] = 1.0
    with pytest.raises(ImageError, match="between its percentiles 5 and 95"):
        normalise(image, Normalisation("percentile", limits=(5.0, 95.0)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(ImageError, match="not finite"):
        normalise(np.array([1.0, value, 2.0]), Normalisation("none"))


def test_limits_in_the_wrong_order_are_the_cards_fault():
    with pytest.raises(ModelError, match="ascending"):
        normalise(IMAGE, Normalisation("window", limits=(5.0, 1.0)))


def test_integers_and_a_large_offset_keep_their_precision():
    image = 30000 + np.arange(8, dtype=np.int16)
    expected = (np.arange(8) - 3.5) / np.arange(8).std()
    np.testing.assert_allclose(normalise(image, Normalisation("zscore")), expected, atol=1e-6)


def test_the_image_itself_is_left_alone():
    image = IMAGE.astype(np.float32)
    normalise(image, Normalisation("zscore"))
    np.testing.assert_array_equal(image, IMAGE)


def test_a_range_is_ascending_and_has_something_to_map():
    with pytest.raises(ModelError, match="ascending"):
        Normalisation("minmax", range=(1.0, 1.0))
    with pytest.raises(ModelError, match="no range"):
        Normalisation("none", range=(0.0, 1.0))
