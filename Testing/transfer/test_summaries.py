"""Tables, histograms and the worst spot of a map."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.errors import LabelError, SettingsError
from TransferRiskLib.transfer.summaries import histogram, summarise, worst_spot

TARGETS = ("background", "organ", "absent")
GAIN = np.array([[1.0, 2.0, 3.0], [-1.0, np.nan, 5.0]], dtype=np.float32)
LABELS = np.array([[0, 0, 1], [1, -1, -1]])


def test_summaries_by_hand():
    whole, background, organ = summarise(GAIN, LABELS, TARGETS)
    assert (whole.label, background.label, organ.label) == ("all", "background", "organ")
    assert (whole.voxels, background.voxels, organ.voxels) == (4, 2, 2)
    assert (whole.mean, whole.median) == (1.25, 1.5)
    assert (whole.negative_share, background.negative_share, organ.negative_share) == (0.25, 0.0, 0.5)
    # quantiles of 1, 2 by linear interpolation
    assert (background.q05, background.q95) == pytest.approx((1.05, 1.95))


def test_the_share_of_negative_gain_goes_with_any_map():
    rows = summarise(-GAIN, LABELS, TARGETS, gain=GAIN)
    assert [row.negative_share for row in rows] == [0.25, 0.0, 0.5]
    assert rows[0].mean == -1.25


def test_float32_maps_are_averaged_in_float64():
    values = np.full(1_000_000, 0.1, np.float32)
    row = summarise(values, np.zeros(values.size, np.int16), ("background",))[0]
    assert row.mean == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_no_labelled_voxel_no_row():
    assert summarise(GAIN, np.full_like(LABELS, -1), TARGETS) == ()
    with pytest.raises(LabelError, match="does not fit"):
        summarise(GAIN, LABELS[0], TARGETS)


def test_histogram_by_hand():
    h = histogram(GAIN, LABELS, TARGETS, [0.0, 1.0, 2.0, 2.5])
    # background 1 and 2 fall into the bins they open; organ 3 and -1 lie beyond both ends
    np.testing.assert_array_equal(h.counts, [[0, 1, 1], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(h.merge(h).counts, 2 * h.counts)
    assert h.to_dict()["counts"][0] == [0, 1, 1]


def test_histograms_with_other_bins_do_not_merge():
    h = histogram(GAIN, LABELS, TARGETS, [0.0, 1.0])
    with pytest.raises(SettingsError, match="merged"):
        h.merge(histogram(GAIN, LABELS, TARGETS, [0.0, 2.0]))
    for edges in ([1.0], [1.0, 1.0], [2.0, 1.0]):
        with pytest.raises(SettingsError, match="increasing"):
            histogram(GAIN, LABELS, TARGETS, edges)


def test_the_worst_spot_is_a_region_not_a_noisy_voxel():
    risk = np.zeros((20, 24, 28), np.float32)
    risk[3, 4, 5] = 9.0
    risk[11:16, 13:18, 15:20] = 2.0
    assert worst_spot(risk, size=5) == (13, 15, 17)
    assert worst_spot(risk, size=1) == (3, 4, 5)


def test_the_worst_spot_ignores_voxels_without_a_value():
    risk = np.full((10, 10, 10), np.nan, np.float32)
    assert worst_spot(risk) is None
    risk[4:8, 2:9, 3:9] = 1.0
    risk[5:7, 4:7, 5:8] = 3.0
    spot = worst_spot(risk, size=3)
    assert spot is not None and risk[spot] == 3.0
    # and lies where it did after the map is turned
    turned = worst_spot(risk.transpose(2, 0, 1), size=3)
    assert turned is not None and risk.transpose(2, 0, 1)[turned] == 3.0


def test_a_lone_voxel_beside_the_annotation_does_not_win():
    risk = np.full((3, 12, 12), np.nan, np.float32)
    risk[:, 4:9, 4:9] = 1.0
    risk[1, 11, 11] = 50.0
    spot = worst_spot(risk, size=3)
    assert spot is not None and risk[spot] == 1.0


def test_a_single_annotated_voxel_is_the_worst_spot():
    risk = np.full((9, 9, 9), np.nan, np.float32)
    risk[1, 2, 3] = 0.5
    assert worst_spot(risk) == (1, 2, 3)
