"""Simulated scans: reproducible, plausible, and different between the two sites."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.simulate import (
    BRAIN_SCHEME,
    SOURCE_SITE,
    TARGET_SITE,
    simulate_case,
    simulate_cohort,
)
from TransferRiskLib.cases.simulation_anatomy import Population, smooth_noise
from TransferRiskLib.cases.simulation_scanner import Sequence
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.volumes.io import read_volume

CSF, GM, WM, LESION = (BRAIN_SCHEME.index(name) for name in ("CSF", "GM", "WM", "lesion"))

WELL_SITE = dataclasses.replace(SOURCE_SITE, population=Population(lesions=(0, 0)))
ILL_SITE = dataclasses.replace(SOURCE_SITE, population=Population(lesions=(3, 3), tumours=1.0))


@pytest.fixture(scope="module")
def ill_case():
    return simulate_case(5, ("T1", "T2", "FLAIR"), ILL_SITE)


@pytest.fixture(scope="module")
def well_case():
    return simulate_case(5, ("T1",), WELL_SITE)


@pytest.fixture(scope="module")
def county_case():
    return simulate_case(5, ("T1",), TARGET_SITE)


@pytest.fixture(scope="module")
def county_cohort(tmp_path_factory):
    return simulate_cohort(tmp_path_factory.mktemp("county"), 2, seed=5, contrasts=("T1",), site=TARGET_SITE)


def tissue_medians(case, contrast):
    """Median intensity a class: partial volumes at the borders hardly move it."""
    return [float(np.median(case.images[contrast][case.labels == index])) for index in range(5)]


def test_same_seed_gives_the_same_bits_whatever_other_contrasts_are_made(ill_case):
    again = simulate_case(5, ("FLAIR", "T1"), ILL_SITE)
    assert list(again.images) == ["FLAIR", "T1"]
    for contrast, image in again.images.items():
        assert np.array_equal(image, ill_case.images[contrast])
    assert np.array_equal(ill_case.labels, again.labels)
    assert ill_case.geometry == again.geometry


def test_another_seed_gives_another_brain(county_cohort):
    brain, other = (read_volume(case.labels).array > 0 for case in county_cohort.cases)
    assert 0.7 < 2 * np.sum(brain & other) / (brain.sum() + other.sum()) < 0.97


def test_shapes_and_types(ill_case):
    assert ill_case.geometry.size == (64, 72, 48)
    assert ill_case.labels.shape == ill_case.geometry.shape
    assert ill_case.labels.dtype == np.int16
    assert all(image.dtype == np.float32 for image in ill_case.images.values())
    assert all(image.shape == ill_case.geometry.shape for image in ill_case.images.values())


@pytest.mark.parametrize(("fixture", "diagonal"), [("well_case", (1, 1, 1)), ("county_case", (-1, -1, 1))])
def test_grid_is_a_slightly_oblique_rotation_of_the_site_orientation(request, fixture, diagonal):
    geometry = request.getfixturevalue(fixture).geometry
    direction = np.asarray(geometry.direction).reshape(3, 3)
    assert np.allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    assert np.linalg.det(direction) == pytest.approx(1.0)
    cosines = np.diag(direction) * diagonal
    assert np.all(cosines > np.cos(np.deg2rad(15)))
    assert np.all(cosines < 1.0)


def test_brain_lies_inside_the_scan_around_the_world_origin(ill_case):
    where = np.argwhere(ill_case.labels > 0)[:, ::-1]
    matrix = ill_case.geometry.index_to_lps
    centre = (matrix @ np.append(where.mean(axis=0), 1.0))[:3]
    assert np.all(np.abs(centre) < 15.0)
    litres = len(where) * ill_case.geometry.voxel_volume / 1e6
    assert 0.7 < litres < 1.4


def test_all_labels_are_present_in_plausible_shares(ill_case):
    counts = np.bincount(ill_case.labels.ravel(), minlength=5)
    assert len(counts) == 5
    share = counts[1:] / counts[1:].sum()
    assert 0.1 < share[CSF - 1] < 0.45
    assert share[GM - 1] > 0.3
    assert share[WM - 1] > 0.15
    assert 0.002 < share[LESION - 1] < 0.2


def test_population_without_lesions_has_none(well_case):
    assert not np.any(well_case.labels == LESION)


def test_lesions_lie_in_what_was_white_matter(ill_case, well_case):
    before = well_case.labels[ill_case.labels == LESION]
    assert np.mean(before == WM) > 0.6
    assert np.mean(before == CSF) < 0.05


def test_tissue_contrast_follows_the_sequence(ill_case):
    _, csf, gm, wm, lesion = tissue_medians(ill_case, "T1")
    assert csf < lesion < wm
    assert csf < gm < wm
    _, csf, gm, wm, lesion = tissue_medians(ill_case, "T2")
    assert wm < gm < lesion < csf
    _, csf, gm, wm, lesion = tissue_medians(ill_case, "FLAIR")
    assert csf < wm < gm < lesion


def test_images_are_skull_stripped(ill_case):
    for image in ill_case.images.values():
        assert np.all(image[ill_case.labels > 0] > 0)
        assert np.mean(image[ill_case.labels == 0] == 0) > 0.9
        assert np.all(np.isfinite(image))


def test_sites_differ_in_contrast_and_grid(county_case, well_case):
    def grey_to_white(case):
        image = case.images["T1"]
        return np.median(image[case.labels == GM]) / np.median(image[case.labels == WM])

    # The spoiled gradient echo separates grey from white matter less than the inversion recovery.
    assert grey_to_white(county_case) > grey_to_white(well_case) + 0.1
    assert county_case.geometry.spacing != well_case.geometry.spacing


def test_spin_echo_signal_by_hand():
    sequence = Sequence("spin", tr=np.log(2) * 1000, te=np.log(4) * 100)
    signal = sequence.signal(np.array([1000.0]), np.array([100.0]), np.array([0.8]))
    assert signal == pytest.approx([0.8 * 0.5 * 0.25])


def test_inversion_recovery_nulls_a_tissue_at_its_null_time():
    sequence = Sequence("inversion", tr=1e6, te=0.0, ti=4000 * np.log(2))
    signal = sequence.signal(np.array([4000.0]), np.array([2000.0]), np.array([1.0]))
    assert signal == pytest.approx([0], abs=1e-9)


def test_spoiled_echo_at_a_right_angle_is_saturation_recovery():
    arguments = np.array([650.0]), np.array([80.0]), np.array([0.7])
    spoiled = Sequence("spoiled", tr=500, te=10, flip=90).signal(*arguments)
    assert spoiled == pytest.approx(Sequence("spin", tr=500, te=10).signal(*arguments))


def test_smooth_noise_is_standardised_and_smooth():
    field = smooth_noise(np.random.default_rng(0), (40, 30, 20), 8.0)
    assert field.shape == (40, 30, 20)
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1] > 0.95


def test_cohort_on_disk_is_the_simulated_case(county_cohort, county_case):
    case = county_cohort.cases[0]
    assert [case.name for case in county_cohort.cases] == ["county-0005", "county-0006"]
    image = read_volume(case.images["T1"].path)
    assert np.array_equal(image.array, county_case.images["T1"])
    assert image.geometry.difference(county_case.geometry) is None
    assert np.array_equal(county_cohort.scheme.encode(read_volume(case.labels).array), county_case.labels)


def test_cohort_list_reads_back(county_cohort):
    read = read_cohort(county_cohort.cases[0].labels.parent.parent / "cohort.json")
    assert [case.name for case in read.cases] == [case.name for case in county_cohort.cases]
    written, found = (c.cases[0].images["T1"].path.resolve() for c in (county_cohort, read))
    assert found == written
    assert read.scheme == county_cohort.scheme


def test_unlabelled_cohort_has_neither_labels_nor_scheme(tmp_path):
    cohort = simulate_cohort(tmp_path, 1, seed=7, labelled=False)
    assert cohort.scheme is None
    assert cohort.cases[0].labels is None
    assert not list(tmp_path.rglob("labels*"))


@pytest.mark.parametrize(
    "arguments", [{"seed": -1}, {"seed": 1, "contrasts": ("PET",)}], ids=["negative seed", "unknown contrast"]
)
def test_impossible_requests_are_refused(arguments):
    with pytest.raises(SettingsError):
        simulate_case(**arguments)


def test_empty_cohort_is_refused(tmp_path):
    with pytest.raises(SettingsError):
        simulate_cohort(tmp_path, 0, seed=1)
