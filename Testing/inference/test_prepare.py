from __future__ import annotations

import numpy as np
import pytest
import torch
from inference_fakes import a_card, a_case, a_grid
from scipy.spatial.transform import Rotation

from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.errors import CaseError, GeometryError, ImageError
from TransferRiskLib.inference.prepare import prepare, to_native
from TransferRiskLib.models.card import Normalisation


def test_axes_run_to_the_right_the_front_and_the_top():
    # i to the left, j to the back, k to the top: LPS, so that RAS flips i and j
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    prepared = prepare(a_card(), a_case(image, a_grid((4, 3, 2))))
    assert prepared.image.shape == (1, 4, 3, 2)
    np.testing.assert_array_equal(prepared.image[0].numpy(), image.transpose(2, 1, 0)[::-1, ::-1])
    assert prepared.grid.size == (4, 3, 2)
    assert (prepared.name, prepared.group) == ("case-1", "subject-1")


def test_a_card_without_orientation_keeps_the_scans_own_axes():
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    prepared = prepare(a_card(orientation=None), a_case(image, a_grid((4, 3, 2))))
    np.testing.assert_array_equal(prepared.image[0].numpy(), image.transpose(2, 1, 0))
    halved = prepare(a_card(orientation=None, spacing=(1.0, 1.0, 0.5)), a_case(image, a_grid((4, 3, 2))))
    assert halved.image.shape == (1, 4, 3, 4)


def test_each_channel_is_normalised_by_itself():
    rng = np.random.default_rng(0)
    images = np.stack([rng.normal(5, 2, (4, 5, 6)), rng.normal(-300, 40, (4, 5, 6))])
    card = a_card(channels=("T1", "T2"), normalisation=Normalisation("zscore"))
    prepared = prepare(card, a_case(images, a_grid((6, 5, 4))))
    assert prepared.image.dtype == torch.float32
    for channel in prepared.image:
        assert float(channel.mean()) == pytest.approx(0, abs=1e-5)
        assert float(channel.std(unbiased=False)) == pytest.approx(1, abs=1e-5)


def test_the_models_spacing_is_reached_and_left_again():
    native = a_grid((12, 10, 5), (1.0, 1.0, 3.0), (3, 4, 5),
                    Rotation.from_euler("z", 10, degrees=True).as_matrix())  # fmt: skip
    k, j, i = np.indices(native.shape)
    image = (i + 2.0 * j + 3.0 * k).astype(np.float32)
    prepared = prepare(a_card(spacing=(1.5, 1.5, 1.5)), a_case(image, native))
    assert prepared.grid.size == (8, 7, 10)
    back = to_native(prepared.grid, prepared.native, prepared.image)[0]
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(back[inner], image[inner], atol=1e-3)


def test_labels_keep_what_nobody_annotated():
    labels = np.full((6, 6, 6), UNLABELLED, np.int16)
    labels[2:4] = 0
    labels[2:4, 2:4, 2:4] = 2
    image = np.random.default_rng(0).random((6, 6, 6))
    exact = prepare(a_card(), a_case(image, a_grid((6, 6, 6)), labels))
    assert exact.labels is not None and exact.labels.dtype == torch.int64
    np.testing.assert_array_equal(exact.labels.numpy(), labels.transpose(2, 1, 0)[::-1, ::-1])

    finer = prepare(a_card(spacing=(0.5, 0.5, 0.5)), a_case(image, a_grid((6, 6, 6)), labels))
    assert finer.labels is not None
    assert finer.labels.shape == (12, 12, 12)
    assert set(finer.labels.unique().tolist()) == {UNLABELLED, 0, 2}
    assert int((finer.labels == UNLABELLED).sum()) == 8 * int((labels == UNLABELLED).sum())


def test_a_scan_without_labels_has_none():
    image = np.random.default_rng(0).random((3, 3, 3))
    assert prepare(a_card(), a_case(image, a_grid((3, 3, 3)))).labels is None


def test_a_constant_channel_names_the_case_and_the_cards_channel():
    with pytest.raises(ImageError, match=r"'T1' of case 'case-1' is constant"):
        prepare(a_card(), a_case(np.full((3, 3, 3), 4.0), a_grid((3, 3, 3))))


@pytest.mark.parametrize(
    ("voxel", "covered"), [(1e-3, "0.006 x 0.005 x 0.004 mm"), (1e3, "6000 x 5000 x 4000 mm")]
)
def test_a_spacing_that_cannot_be_in_millimetres_is_refused_before_memory_is(voxel, covered):
    image = np.random.default_rng(0).random((4, 5, 6), np.float32)
    scan = a_case(image, a_grid((6, 5, 4), (voxel,) * 3))
    with pytest.raises(GeometryError, match=f"'case-1' covers {covered}") as caught:
        prepare(a_card(spacing=(1.0, 1.0, 1.0)), scan)
    assert "millimetres" in caught.value.hint


def test_another_number_of_channels_is_refused():
    with pytest.raises(CaseError, match=r"has 1 channels, .* expects 2: T1, T2"):
        prepare(a_card(channels=("T1", "T2")), a_case(np.ones((3, 3, 3)), a_grid((3, 3, 3))))
