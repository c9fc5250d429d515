from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from inference_fakes import a_grid
from scipy.spatial.transform import Rotation

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.inference.grids import to_native
from TransferRiskLib.volumes.resample import canonical_grid
from TransferRiskLib.volumes.volume import Volume

OBLIQUE = Rotation.from_euler("xyz", [12, -20, 31], degrees=True).as_matrix()
SAGITTAL = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])
NATIVE = {
    "identity": a_grid((5, 6, 7)),
    "flipped": a_grid((5, 6, 7), (0.5, 1, 3), (10, -20, 30), np.diag([-1, -1, 1])),
    "sagittal": a_grid((5, 6, 7), (0.5, 1, 3), (10, -20, 30), SAGITTAL),
    "oblique": a_grid((5, 6, 7), (0.9, 1.1, 4), (1, 2, 3), OBLIQUE),
    "oblique sagittal": a_grid((5, 6, 7), (0.9, 1.1, 4), (1, 2, 3), OBLIQUE @ SAGITTAL),
}


def on_grid_by_position(grid, function):
    """`function` of the LPS position of every voxel, shape (X, Y, Z)."""
    indices = np.stack([*np.indices(grid.size), np.ones(grid.size)])
    return function(np.einsum("ab,bxyz->axyz", grid.index_to_lps, indices)[:3])


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAR"])
def test_a_grid_that_is_only_reordered_comes_back_to_the_bit(name, orientation):
    native = NATIVE[name]
    grid = canonical_grid(native, None, orientation)

    def pattern(lps):
        return np.sin(lps[0] * 3.1) + np.cos(lps[1] * 1.7) + np.sin(lps[2])

    values = torch.from_numpy(on_grid_by_position(grid, pattern)).float()
    expected = on_grid_by_position(native, pattern).transpose(2, 1, 0)
    back = to_native(grid, native, torch.stack([values, -values]))
    np.testing.assert_allclose(back[0], expected, atol=1e-5)
    assert set(back[0].ravel().tolist()) == set(values.ravel().tolist())
    np.testing.assert_array_equal(back[1], -back[0])


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 0.8), (2.0, 1.0, 0.7)])
def test_a_linear_function_of_position_survives_a_change_of_spacing(name, spacing):
    native = NATIVE[name]
    grid = canonical_grid(native, spacing)

    def ramp(lps):
        return 0.3 * lps[0] - 0.2 * lps[1] + 0.1 * lps[2] + 5

    back = to_native(grid, native, torch.from_numpy(on_grid_by_position(grid, ramp))[None])[0]
    to_grid = np.linalg.inv(grid.index_to_lps) @ native.index_to_lps
    indices = np.stack([*np.indices(native.size), np.ones(native.size)])
    positions = np.einsum("ab,bxyz->axyz", to_grid, indices)[:3]
    ends = (np.asarray(grid.size) - 1).reshape(3, 1, 1, 1)
    inside = ((positions >= 0) & (positions <= ends)).all(axis=0)
    clamped = np.concatenate([positions.clip(0, ends), np.ones((1, *native.size))])
    expected = ramp(np.einsum("ab,bxyz->axyz", grid.index_to_lps, clamped)[:3])
    assert inside.any()
    np.testing.assert_allclose(back.transpose(2, 1, 0), expected, atol=1e-4)


def test_it_agrees_with_simpleitk_inside_the_model_grid():
    native = NATIVE["oblique sagittal"]
    grid = canonical_grid(native, (0.7, 0.8, 1.5))
    values = np.random.default_rng(0).random(grid.size).astype(np.float32)
    image = Volume(values.transpose(2, 1, 0), grid).to_sitk()
    reference = sitk.GetArrayFromImage(
        sitk.Resample(image, native.size, sitk.Transform(), sitk.sitkLinear,
                      native.origin, native.spacing, native.direction, -1.0)
    )  # fmt: skip
    inside = reference >= 0
    back = to_native(grid, native, torch.from_numpy(values)[None])[0]
    assert inside.mean() > 0.9
    np.testing.assert_allclose(back[inside], reference[inside], atol=1e-5)


def test_beyond_the_model_grid_the_edge_extends():
    grid = a_grid((2, 1, 1), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    native = a_grid((7, 1, 1), (1.0, 1.0, 1.0), (-2.0, 0.0, 0.0))
    back = to_native(grid, native, torch.tensor([10.0, 20.0]).reshape(1, 2, 1, 1))
    assert back.ravel().tolist() == [10, 10, 10, 15, 20, 20, 20]


def test_grids_turned_against_one_another_are_refused():
    with pytest.raises(GeometryError, match="turned"):
        to_native(NATIVE["identity"], NATIVE["oblique"], torch.zeros(1, 5, 6, 7))


def test_values_of_another_grid_are_refused():
    with pytest.raises(GeometryError, match="do not fit"):
        to_native(NATIVE["identity"], NATIVE["identity"], torch.zeros(1, 7, 6, 5))
