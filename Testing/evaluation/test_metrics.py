from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy.spatial import cKDTree

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.evaluation.metrics import dice, evaluate_masks
from TransferRiskLib.volumes.geometry import Geometry

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SCHEME = LabelScheme.of("organ")


def a_grid(shape, spacing=(1.0, 1.0, 1.0)):
    return Geometry(tuple(shape[::-1]), spacing, (0.0, 0.0, 0.0), IDENTITY)


def surface_points(mask, spacing):
    """Centres, in mm, of the voxels with a face neighbour outside the mask, by explicit shifts."""
    padded = np.pad(mask, 1)
    core = (slice(1, -1),) * 3
    inner = mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[core]
    return np.argwhere(mask & ~inner) * np.asarray(spacing[::-1])


def reference_distances(prediction, reference, spacing):
    p, r = surface_points(prediction, spacing), surface_points(reference, spacing)
    forward, backward = cKDTree(r).query(p)[0], cKDTree(p).query(r)[0]
    hd95 = max(np.percentile(forward, 95), np.percentile(backward, 95))
    return hd95, np.concatenate([forward, backward]).mean()


def blob(rng, shape):
    centre, radii = rng.uniform(3, 8, 3), rng.uniform(2, 6, 3)
    grid = np.indices(shape).transpose(1, 2, 3, 0)
    return (((grid - centre) / radii) ** 2).sum(-1) < 1


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_agree_with_explicit_distances_on_an_anisotropic_grid(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = (11, 12, 13), (0.7, 1.3, 3.1)
    prediction, reference = blob(rng, shape), blob(rng, shape)

    (row,) = evaluate_masks(
        prediction.astype(np.int16), reference.astype(np.int16), a_grid(shape, spacing), SCHEME
    )

    hd95, assd = reference_distances(prediction, reference, spacing)
    assert row.hd95_mm == pytest.approx(hd95, rel=1e-12)
    assert row.assd_mm == pytest.approx(assd, rel=1e-12)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_surface_distances_agree_with_monai():
    rng = np.random.default_rng(7)
    shape, spacing = (11, 12, 13), (0.7, 1.3, 3.1)
    masks = [blob(rng, shape) for _ in range(2)]
    (row,) = evaluate_masks(*(mask.astype(np.int16) for mask in masks), a_grid(shape, spacing), SCHEME)
    tensors = [torch.from_numpy(mask)[None, None] for mask in masks]
    hd95 = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing[::-1])
    assd = compute_average_surface_distance(
        *tensors, include_background=True, symmetric=True, spacing=spacing[::-1]
    )
    assert row.hd95_mm == pytest.approx(float(hd95), rel=1e-5)
    assert row.assd_mm == pytest.approx(float(assd), rel=1e-5)


def test_one_voxel_shifted_along_each_axis_is_one_spacing_away():
    spacing = (0.5, 2.0, 5.0)
    for axis, millimetres in zip((2, 1, 0), spacing, strict=True):
        reference = np.zeros((7, 7, 7), np.int16)
        reference[3, 3, 3] = 1
        (row,) = evaluate_masks(np.roll(reference, 1, axis), reference, a_grid((7, 7, 7), spacing), SCHEME)
        assert row.hd95_mm == pytest.approx(millimetres)
        assert row.assd_mm == pytest.approx(millimetres)
        assert row.dice == 0.0


def test_a_mask_that_fills_the_image_has_its_surface_at_the_border():
    reference = np.ones((5, 5, 5), np.int16)
    prediction = np.zeros_like(reference)
    prediction[2, 2, 2] = 1
    (row,) = evaluate_masks(prediction, reference, a_grid((5, 5, 5)), SCHEME)
    hd95, assd = reference_distances(prediction == 1, reference == 1, (1, 1, 1))
    assert (row.hd95_mm, row.assd_mm) == pytest.approx((hd95, assd), rel=1e-6)


def test_dice_and_volumes_by_hand():
    reference = np.zeros((1, 1, 8), np.int16)
    prediction = np.zeros_like(reference)
    reference[..., :4] = 1
    prediction[..., 3:5] = 1
    (row,) = evaluate_masks(prediction, reference, a_grid((1, 1, 8), (2.0, 5.0, 10.0)), SCHEME)
    assert row.dice == pytest.approx(2 * 1 / (2 + 4))
    assert row.volume_error_percent == pytest.approx(-50.0)
    assert row.reference_ml == pytest.approx(0.4)
    assert row.predicted_ml == pytest.approx(0.2)


def test_both_masks_empty_is_perfect_agreement():
    nothing = np.zeros((3, 3, 3), np.int16)
    (row,) = evaluate_masks(nothing, nothing, a_grid((3, 3, 3)), SCHEME)
    assert (row.dice, row.hd95_mm, row.assd_mm, row.volume_error_percent) == (1.0, 0.0, 0.0, 0.0)


def test_one_empty_mask_has_no_distance():
    nothing = np.zeros((3, 3, 3), np.int16)
    something = nothing.copy()
    something[1, 1, 1] = 1
    (missed,) = evaluate_masks(nothing, something, a_grid((3, 3, 3)), SCHEME)
    (invented,) = evaluate_masks(something, nothing, a_grid((3, 3, 3)), SCHEME)
    assert (missed.dice, missed.hd95_mm, missed.assd_mm, missed.volume_error_percent) == (
        0.0,
        None,
        None,
        -100.0,
    )
    assert (invented.dice, invented.hd95_mm, invented.assd_mm) == (0.0, None, None)
    assert invented.volume_error_percent is None


def test_voxels_nobody_annotated_count_nowhere():
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 2, (6, 6, 6)).astype(np.int16)
    prediction = rng.integers(0, 2, (6, 6, 6)).astype(np.int16)
    reference[3:] = UNLABELLED
    rows = evaluate_masks(prediction, reference, a_grid((6, 6, 6)), SCHEME)
    prediction[3:] = 1 - prediction[3:]
    assert evaluate_masks(prediction, reference, a_grid((6, 6, 6)), SCHEME) == rows
    cut = evaluate_masks(prediction[:3], reference[:3], a_grid((3, 6, 6)), SCHEME)
    assert rows[0].dice == cut[0].dice
    assert rows[0].predicted_ml == cut[0].predicted_ml


def test_every_label_has_its_row():
    scheme = LabelScheme.of("left", "right")
    rng = np.random.default_rng(1)
    reference = rng.integers(-1, 3, (4, 5, 6)).astype(np.int16)
    prediction = rng.integers(0, 3, (4, 5, 6)).astype(np.int16)
    rows = evaluate_masks(prediction, reference, a_grid((4, 5, 6)), scheme)
    assert [row.label for row in rows] == ["left", "right"]


def test_dice_of_identical_masks_is_one():
    assert dice(np.array([True, False]), np.array([True, False])) == 1.0


def test_masks_of_another_shape_are_refused():
    with pytest.raises(GeometryError, match="prediction"):
        evaluate_masks(np.zeros((2, 2, 2)), np.zeros((3, 3, 3)), a_grid((3, 3, 3)), SCHEME)


def test_an_index_without_a_label_is_refused():
    with pytest.raises(LabelError, match="class index 2"):
        evaluate_masks(np.full((3, 3, 3), 2), np.zeros((3, 3, 3)), a_grid((3, 3, 3)), SCHEME)
    with pytest.raises(LabelError, match="class index -1"):
        evaluate_masks(np.full((3, 3, 3), -1), np.zeros((3, 3, 3)), a_grid((3, 3, 3)), SCHEME)


def test_a_reference_without_annotation_is_refused():
    with pytest.raises(LabelError, match="no annotated voxel"):
        evaluate_masks(np.zeros((3, 3, 3)), np.full((3, 3, 3), UNLABELLED), a_grid((3, 3, 3)), SCHEME)
