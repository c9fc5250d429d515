"""iSeg folders: Analyze pairs side by side, some without labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.load import check_cohort, load_case
from TransferRiskLib.errors import CaseError, ImageError, LabelError

SHAPE = (4, 5, 6)


def label_values():
    """A block of CSF (10), in it GM (150), in it WM (250): 60, 18 and 2 voxels with their inside."""
    values = np.zeros(SHAPE, np.uint8)
    values[:, 1:4, 1:6] = 10
    values[1:3, 1:4, 2:5] = 150
    values[1:3, 2, 3] = 250
    return values


def contrast_values(subject, part):
    return np.random.default_rng([subject, len(part), ord(part[-1])]).integers(1, 900, SHAPE).astype(np.int16)


def put_pair(path, array, geometry=None):
    """A NIfTI pair; without `geometry` its magic is removed, which makes it Analyze 7.5."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 1.0))
    if geometry is not None:
        spacing, origin, direction = geometry
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))
    if geometry is None:
        header = path.read_bytes()
        path.write_bytes(header[:344] + bytes(4))


def put_subject(folder, number, parts=("T1", "T2", "label"), geometry=None):
    folder.mkdir(exist_ok=True)
    for part in parts:
        array = label_values() if part == "label" else contrast_values(number, part)
        put_pair(folder / f"subject-{number}-{part}.hdr", array, geometry)
    return folder


@pytest.fixture
def release(tmp_path):
    for number in (1, 2, 10):
        put_subject(tmp_path, number)
    return put_subject(tmp_path, 11, ("T1", "T2"))


def test_subjects_come_in_the_order_of_their_numbers_with_channels_and_labels(release):
    cohort = read_cohort(release)
    assert [case.name for case in cohort.cases] == ["subject-1", "subject-2", "subject-10", "subject-11"]
    assert all(tuple(case.images) == ("T1", "T2") for case in cohort.cases)
    assert [case.labels is not None for case in cohort.cases] == [True, True, True, False]
    assert cohort.scheme.names == ("background", "CSF", "GM", "WM")
    assert [label.value for label in cohort.scheme.labels] == [0, 10, 150, 250]
    check_cohort(cohort, ("T1", "T2"))
    loaded = load_case(cohort.cases[2], ("T2", "T1"), scheme=cohort.scheme)
    np.testing.assert_array_equal(loaded.images[0], contrast_values(10, "T2"))
    np.testing.assert_array_equal(loaded.images[1], contrast_values(10, "T1"))
    assert np.bincount(loaded.labels.ravel()).tolist() == [60, 42, 16, 2]
    assert loaded.labels[1, 2, 3] == 3


def test_analyze_has_no_origin_and_no_direction_so_the_axes_are_taken_as_lps(release):
    loaded = load_case(read_cohort(release).cases[0], ("T1",), scheme=read_cohort(release).scheme)
    np.testing.assert_array_equal(loaded.geometry.index_to_lps, np.eye(4))
    assert loaded.geometry.orientation == "LPS"


def test_pairs_that_are_nifti_keep_their_oblique_grid(tmp_path):
    cos, sin = float(np.cos(0.3)), float(np.sin(0.3))
    geometry = ((0.8, 1.1, 2.0), (5.0, -7.0, 30.0), (cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0))
    put_subject(tmp_path, 1, geometry=geometry)
    cohort = read_cohort(tmp_path)
    loaded = load_case(cohort.cases[0], ("T1", "T2"), scheme=cohort.scheme)
    np.testing.assert_allclose(loaded.geometry.direction, geometry[2], atol=1e-5)
    assert loaded.geometry.spacing == pytest.approx(geometry[0])
    assert loaded.geometry.origin == pytest.approx(geometry[1])
    assert np.bincount(loaded.labels.ravel()).tolist() == [60, 42, 16, 2]


def test_a_folder_without_any_labels_has_no_scheme(tmp_path):
    cohort = read_cohort(put_subject(tmp_path / "testing", 24, ("T1", "T2")))
    assert cohort.scheme is None
    assert [(case.name, set(case.images)) for case in cohort.cases] == [("subject-24", {"T1", "T2"})]


def test_a_label_file_in_the_folder_decides(release):
    mine = {"background": 0, "fluid": 10, "grey": 150, "white": 250}
    (release / "labels.json").write_text(json.dumps(mine))
    assert read_cohort(release).scheme.names == ("background", "fluid", "grey", "white")


def test_a_foreign_file_in_the_folder_makes_it_a_plain_one(release):
    put_pair(release / "template-T1.hdr", contrast_values(0, "T1"))
    cohort = read_cohort(release)
    assert cohort.scheme is None and len(cohort.cases) == 5


def test_a_subject_without_a_contrast_is_named(release):
    for half in ("hdr", "img"):
        (release / f"subject-2-T2.{half}").unlink()
    with pytest.raises(CaseError, match=r"subject-2-T1\.hdr: has no subject-2-T2\.hdr beside it"):
        read_cohort(release)


@pytest.mark.parametrize("part", ["T1", "T2", "label"])
@pytest.mark.parametrize("half", ["hdr", "img"])
def test_half_a_pair_is_refused_before_long_work(release, part, half):
    missing = f"subject-1-{part}.{half}"
    (release / missing).unlink()
    cohort = read_cohort(release)
    with pytest.raises(ImageError, match=rf"subject-1-{part}\..*{missing} is missing"):
        check_cohort(cohort, ("T1", "T2"))


def test_values_of_another_encoding_are_refused(release):
    put_pair(release / "subject-1-label.hdr", label_values() // 50)
    cohort = read_cohort(release)
    with pytest.raises(LabelError, match=r"no label has: 3, 5\."):
        load_case(cohort.cases[0], ("T1",), scheme=cohort.scheme)
