"""Geometry, grids on one lattice, canonical grids and resampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TransferRiskLib.errors import GeometryError, SettingsError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.lattice import lattice_map
from TransferRiskLib.volumes.resample import canonical_grid, resample
from TransferRiskLib.volumes.volume import Volume

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def grid_with(columns, size=(20, 24, 16), spacing=(1.0, 1.3, 2.0), origin=(5.0, -30.0, 12.0)):
    return Geometry(size, spacing, origin, tuple(np.asarray(columns, dtype=float).ravel().tolist()))


def tilted(order=(0, 1, 2), signs=(1, 1, 1)):
    """Axes tilted by up to 15 degrees, then permuted and flipped."""
    rotation = Rotation.from_euler("xyz", (10, -15, 8), degrees=True).as_matrix()
    return rotation[:, list(order)] * np.asarray(signs)


ORIENTATIONS = [
    tilted(order, signs)
    for order, signs in zip(
        itertools.permutations(range(3)),
        [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, 1), (-1, -1, -1)],
        strict=True,
    )
]


def blob(grid: Geometry, centre_lps, width=4.0) -> Volume:
    """A Gaussian of `width` mm around a point, evaluated at the voxel centres."""
    k, j, i = np.indices(grid.shape)
    points = grid.index_to_lps @ np.stack([i.ravel(), j.ravel(), k.ravel(), np.ones(i.size)])
    squared = ((points[:3].T - centre_lps) ** 2).sum(axis=1)
    return Volume(np.exp(-squared / (2 * width**2)).reshape(grid.shape).astype(np.float32), grid)


def centre_of(volume: Volume) -> np.ndarray:
    """The centre of mass in LPS mm."""
    k, j, i = ndimage.center_of_mass(volume.array)
    return (volume.geometry.index_to_lps @ [i, j, k, 1])[:3]


def middle(grid: Geometry) -> np.ndarray:
    return (grid.index_to_lps @ [*(np.asarray(grid.size) - 1) / 2, 1])[:3]


def box_corners(grid: Geometry) -> np.ndarray:
    """The outer corners of the box, sorted."""
    ends = [(-0.5, size - 0.5) for size in grid.size]
    corners = np.array([(grid.index_to_lps @ [*corner, 1])[:3] for corner in itertools.product(*ends)])
    return corners[np.lexsort(np.round(corners, 6).T)]


def test_index_to_lps_and_ras_by_hand():
    grid = Geometry((4, 4, 4), (2.0, 3.0, 4.0), (10.0, 20.0, 30.0), IDENTITY)
    np.testing.assert_allclose(grid.index_to_lps @ [1, 1, 1, 1], [12, 23, 34, 1])
    np.testing.assert_allclose(grid.index_to_ras @ [1, 1, 1, 1], [-12, -23, 34, 1])


def test_a_difference_is_told_in_words():
    grid = grid_with(np.eye(3))
    assert grid.difference(grid) is None
    assert grid.difference(grid_with(np.eye(3), origin=(5.000001, -30.0, 12.0))) is None
    assert "size" in grid.difference(grid_with(np.eye(3), size=(21, 24, 16)))
    assert "spacing" in grid.difference(grid_with(np.eye(3), spacing=(1.0, 1.3, 2.1)))
    assert "origin" in grid.difference(grid_with(np.eye(3), origin=(6.0, -30.0, 12.0)))
    assert "direction" in grid.difference(grid_with(tilted()))
    assert grid.describe() == (
        "20 x 24 x 16 voxels of 1 x 1.3 x 2 mm, origin (5, -30, 12) mm, axes towards LPS"
    )


def test_the_covered_share_is_that_of_the_boxes():
    grid = Geometry((24, 24, 24), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    half = Geometry((12, 24, 24), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    coarse = Geometry((8, 8, 8), (3.0, 3.0, 3.0), (1.0, 1.0, 1.0), IDENTITY)
    assert grid.covered_by(half) == pytest.approx(0.5)
    assert half.covered_by(grid) == 1.0
    assert grid.covered_by(coarse) == 1.0


@pytest.mark.parametrize("columns", ORIENTATIONS)
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_a_canonical_grid_is_the_one_of_itk(columns, orientation):
    native = grid_with(columns)
    values = np.random.default_rng(0).random(native.shape).astype(np.float32)
    expected = sitk.DICOMOrient(Volume(values, native).to_sitk(), orientation)
    moved = resample(Volume(values, native), canonical_grid(native, None, orientation))
    assert moved.geometry.orientation == orientation
    assert moved.geometry.size == expected.GetSize()
    np.testing.assert_allclose(moved.geometry.origin, expected.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(moved.geometry.direction, expected.GetDirection(), atol=1e-12)
    np.testing.assert_array_equal(moved.array, sitk.GetArrayFromImage(expected))


@pytest.mark.parametrize("columns", ORIENTATIONS)
def test_another_spacing_covers_the_same_box(columns):
    native = grid_with(columns)  # 20 x 31.2 x 32 mm
    grid = canonical_grid(native, (2.0, 2.0, 2.0))
    by_letter = dict(zip(native.orientation, (10, 16, 16), strict=True))
    aliases = {"R": "L", "A": "P", "S": "I"}
    expected = [by_letter.get(letter) or by_letter[aliases[letter]] for letter in "RAS"]
    assert list(grid.size) == expected
    np.testing.assert_allclose(middle(grid), middle(native), atol=1e-9)
    # 31.2 mm become 16 voxels of 2 mm: no face moves by more than half the rounding, 0.4 mm
    assert np.abs(box_corners(grid) - box_corners(native)).max() < 0.4 + 1e-6


def test_a_spacing_that_is_already_there_leaves_the_voxels_alone():
    native = grid_with(np.eye(3), spacing=(1.0, 1.00001, 2.0))
    grid = canonical_grid(native, (1.0, 1.0, 2.0), "LPS")
    assert grid == native


def test_a_thin_image_keeps_at_least_one_voxel():
    native = grid_with(np.eye(3), size=(20, 24, 2), spacing=(1.0, 1.0, 1.0))
    assert canonical_grid(native, (1.0, 1.0, 9.0)).size == (20, 24, 1)


@pytest.mark.parametrize(("voxels", "want"), [(87, 44), (85, 43), (86, 43)])
def test_the_noise_of_headers_does_not_choose_between_two_grids(voxels, want):
    for noise in (-1e-6, 0.0, 1e-6):
        native = grid_with(np.eye(3), size=(voxels, 24, 24), spacing=(1.0 + noise, 1.0, 1.0))
        assert canonical_grid(native, (2.0, 2.0, 2.0)).size == (want, 12, 12)


@pytest.mark.parametrize("orientation", ["RAR", "RA", "XYZ", "ras", ""])
def test_an_orientation_of_no_three_axes_is_refused(orientation):
    with pytest.raises(SettingsError, match="no orientation"):
        canonical_grid(grid_with(np.eye(3)), None, orientation)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan"))])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(GeometryError, match="spacing"):
        canonical_grid(grid_with(np.eye(3)), spacing)


@pytest.mark.parametrize("columns", ORIENTATIONS)
def test_a_landmark_stays_where_it_is_there_and_back(columns):
    native = grid_with(columns, size=(40, 36, 24))
    landmark = middle(native) + np.array([3.0, -2.0, 4.0])
    image = blob(native, landmark)
    grid = canonical_grid(native, (1.5, 1.5, 1.5))
    there = resample(image, grid)
    back = resample(there, native)
    np.testing.assert_allclose(centre_of(there), landmark, atol=0.1)
    np.testing.assert_allclose(centre_of(back), landmark, atol=0.1)
    assert back.geometry == native
    assert np.abs(back.array - image.array).max() < 0.1


@pytest.mark.parametrize("columns", ORIENTATIONS)
@pytest.mark.parametrize("dtype", [np.int16, np.float64, bool])
def test_flips_and_permutations_are_exact_and_undone_exactly(columns, dtype):
    native = grid_with(columns)
    values = np.random.default_rng(1).integers(0, 2, native.shape).astype(dtype)
    there = resample(Volume(values, native), canonical_grid(native))
    back = resample(there, native)
    assert there.array.dtype == back.array.dtype == dtype
    np.testing.assert_array_equal(back.array, values)


def test_cropping_and_padding_on_the_lattice_is_exact():
    native = grid_with(tilted())
    values = np.random.default_rng(2).integers(1, 9, native.shape).astype(np.int16)
    start = (native.index_to_lps @ [-2, 3, 1, 1])[:3]
    other = Geometry((10, 24, 10), native.spacing, tuple(start.tolist()), native.direction)
    moved = resample(Volume(values, native), other, "label", outside=-1).array
    expected = np.full(other.shape, -1, dtype=np.int16)
    expected[:, :21, 2:] = values[1:11, 3:24, 0:8]
    np.testing.assert_array_equal(moved, expected)


def test_a_grid_beside_the_image_gets_the_outside_value():
    native = grid_with(np.eye(3))
    far = grid_with(np.eye(3), origin=(105.0, -30.0, 12.0))
    image = Volume(np.ones(native.shape, np.float32), native)
    assert (resample(image, far, outside=7.0).array == 7.0).all()


def test_grids_off_the_lattice_have_no_lattice_map():
    native = grid_with(np.eye(3))
    assert lattice_map(native, native) is not None
    assert lattice_map(native, grid_with(np.eye(3), origin=(5.5, -30.0, 12.0))) is None
    assert lattice_map(native, grid_with(np.eye(3), spacing=(2.0, 1.3, 2.0))) is None
    assert lattice_map(native, grid_with(tilted())) is None


def test_linear_interpolation_reproduces_a_ramp():
    native = Geometry((10, 10, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    k, j, i = np.indices(native.shape)
    ramp = Volume((2 * i - j + 3 * k).astype(np.int16), native)
    inner = Geometry((6, 5, 4), (1.3, 1.3, 1.3), (1.25, 0.5, 2.0), IDENTITY)
    moved = resample(ramp, inner)
    k, j, i = np.indices(inner.shape)
    expected = 2 * (1.25 + 1.3 * i) - (0.5 + 1.3 * j) + 3 * (2.0 + 1.3 * k)
    assert moved.array.dtype == np.float32
    np.testing.assert_allclose(moved.array, expected, atol=1e-4)


def test_down_sampling_does_not_alias():
    native = Geometry((40, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    stripes = np.zeros(native.shape, np.float32)
    stripes[:, :, ::2] = 1.0
    coarse = canonical_grid(native, (4.0, 1.0, 1.0), "LPS")
    inner = resample(Volume(stripes, native), coarse).array[:, :, 2:-2]
    # the mean of the stripes; sampling alone would give whatever the phase is
    np.testing.assert_allclose(inner, 0.5, atol=0.02)


def test_mild_down_sampling_keeps_the_sharpness():
    native = Geometry((40, 40, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    step = np.zeros(native.shape, np.float32)
    step[:, :, 20:] = 1.0
    moved = resample(Volume(step, native), canonical_grid(native, (1.4, 1.0, 1.0), "LPS")).array
    assert np.count_nonzero((moved[20, 20] > 0.01) & (moved[20, 20] < 0.99)) <= 1


@pytest.mark.parametrize("interpolation", ["label", "nearest"])
def test_label_maps_keep_their_values_with_unlabelled_ones(interpolation):
    native = grid_with(np.eye(3))
    values = np.full(native.shape, -1, np.int16)
    values[:, 4:20] = 0
    values[4:12, 8:16, 5:15] = 7
    grid = canonical_grid(grid_with(tilted()), (1.1, 0.9, 1.7))
    moved = resample(Volume(values, native), grid, interpolation, outside=-1).array
    assert moved.dtype == np.int16
    assert set(np.unique(moved)) == {-1, 0, 7}


def test_label_interpolation_places_borders_between_voxels():
    native = Geometry((10, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    values = np.zeros(native.shape, np.uint8)
    values[:, :, 5:] = 3
    fine = canonical_grid(native, (0.25, 1.0, 1.0), "LPS")
    row = resample(Volume(values, native), fine, "label").array[1, 1]
    # the border lies at 4.5 mm, which is 20 quarter millimetres from the box's face at -0.5 mm
    np.testing.assert_array_equal(row, [0] * 20 + [3] * 20)


def test_a_volume_that_does_not_fit_its_grid_is_refused():
    with pytest.raises(GeometryError, match="does not fit"):
        Volume(np.zeros((2, 3, 4)), Geometry((2, 3, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY))
