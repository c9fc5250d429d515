"""FeTS and BraTS folders: channels, labels, regions and institutions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.layouts_fets import REGION_MERGES, read_institutions
from TransferRiskLib.cases.load import check_cohort, load_case
from TransferRiskLib.cases.merging import region_merge
from TransferRiskLib.errors import CaseError, LabelError

CHANNELS = ("T1", "T1ce", "T2", "FLAIR")
SUFFIXES = ("t1", "t1ce", "t2", "flair")
NAMES = tuple(f"FeTS21_Training_{number:03d}" for number in (1, 2, 4, 11))
INSTITUTION_OF = dict(zip(NAMES, ("1", "1", "18", "2"), strict=True))
# 25 degrees about S; axes of length one, anisotropic voxels, away from the origin
COS, SIN = float(np.cos(np.deg2rad(25))), float(np.sin(np.deg2rad(25)))


def seg_values():
    """Boxes of edema (2), enhancing tumour (4), necrosis (1): 45, 18, 2 voxels, each inside the last."""
    values = np.zeros((5, 6, 7), np.uint8)
    values[1:4, 1:4, 1:6] = 2
    values[1:3, 1:4, 2:5] = 4
    values[1:3, 2, 3] = 1
    return values


def contrast_values(number):
    return np.random.default_rng(number).integers(1, 900, (5, 6, 7)).astype(np.int16)


def put(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.9, 1.0, 2.5))
    image.SetOrigin((3.5, -239.0, 12.0))
    image.SetDirection((COS, -SIN, 0.0, SIN, COS, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(path))
    return path


def put_case(folder, name, without=(), prefix=None, ending=".nii.gz"):
    for number, suffix in enumerate(SUFFIXES):
        if suffix not in without:
            put(folder / name / f"{prefix or name}_{suffix}{ending}", contrast_values(number))
    if "seg" not in without:
        put(folder / name / f"{prefix or name}_seg{ending}", seg_values())


def put_partition(path, rows):
    path.write_text("Partition_ID,Subject_ID\n" + "".join(f"{i},{s}\n" for s, i in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A small release: four cases of three institutions."""
    folder = tmp_path_factory.mktemp("FeTS2021")
    for name in NAMES:
        put_case(folder, name)
    put_partition(folder / "partitioning_1.csv", INSTITUTION_OF.items())
    return folder


class TestCases:
    def test_channels_labels_and_grid_are_those_of_the_files(self, release):
        cohort = read_cohort(release)
        assert tuple(case.name for case in cohort.cases) == NAMES
        assert [label.value for label in cohort.scheme.labels] == [0, 1, 2, 4]
        assert cohort.scheme.names == ("background", "necrotic core", "edema", "enhancing tumour")
        check_cohort(cohort, CHANNELS, labelled=True)
        for case in cohort.cases:
            assert tuple(case.images) == CHANNELS
        loaded = load_case(cohort.cases[0], ("FLAIR", "T1ce"), scheme=cohort.scheme)
        np.testing.assert_array_equal(loaded.images[0], contrast_values(SUFFIXES.index("flair")))
        np.testing.assert_array_equal(loaded.images[1], contrast_values(SUFFIXES.index("t1ce")))
        np.testing.assert_array_equal(loaded.labels, np.array([0, 1, 2, -9, 3])[seg_values()])
        assert loaded.geometry.spacing == pytest.approx((0.9, 1.0, 2.5))
        # the voxel (i, j, k) = (2, 1, 3) lies at origin + direction (1.8, 1.0, 7.5)
        expected = (3.5 + 1.8 * COS - 1.0 * SIN, -239.0 + 1.8 * SIN + 1.0 * COS, 12.0 + 7.5)
        found = loaded.geometry.index_to_lps @ (2, 1, 3, 1)
        np.testing.assert_allclose(found[:3], expected, atol=1e-3)

    @pytest.mark.parametrize(
        ("name", "prefix", "ending"),
        [
            ("FeTS2022_00000", None, ".nii.gz"),
            ("BraTS2021_00000", None, ".nii.gz"),
            ("BraTS20_Training_001", None, ".nii"),
            ("patient_7", "BraTS19_CBICA_AAB_1", ".nii.gz"),
        ],
    )
    def test_any_prefix_is_accepted_when_all_five_files_are_there(self, tmp_path, name, prefix, ending):
        put_case(tmp_path, name, prefix=prefix, ending=ending)
        cohort = read_cohort(tmp_path)
        (case,) = cohort.cases
        assert (case.name, tuple(case.images)) == (name, CHANNELS)
        loaded = load_case(case, ("T2",), scheme=cohort.scheme)
        assert np.bincount(loaded.labels.ravel()).tolist() == [165, 2, 27, 16]

    def test_a_case_without_seg_is_a_scan_to_segment_and_more_images_are_more_channels(self, tmp_path):
        put_case(tmp_path, "A_1")
        put_case(tmp_path, "A_2", without=("seg",))
        put(tmp_path / "A_2" / "A_2_adc.nii.gz", contrast_values(7))
        first, second = read_cohort(tmp_path).cases
        assert (first.labels.name, second.labels) == ("A_1_seg.nii.gz", None)
        assert tuple(second.images) == (*CHANNELS, "adc")

    def test_a_missing_contrast_is_named(self, tmp_path):
        put_case(tmp_path, "A_1")
        put_case(tmp_path, "A_2", without=("t1ce",))
        with pytest.raises(CaseError, match=r"A_2: has no file A_2_t1ce\.nii\.gz.*labels\.json"):
            read_cohort(tmp_path)

    def test_labels_of_another_name_beside_fets_cases_are_not_taken_for_theirs(self, tmp_path):
        put_case(tmp_path, "A_1")
        put_case(tmp_path, "A_2", without=("seg",))
        put(tmp_path / "A_2" / "A_2_label.nii.gz", seg_values())
        with pytest.raises(CaseError, match=r"no file A_2_seg"):
            read_cohort(tmp_path)


MINE = {"background": 0, "a": 1, "b": 2, "c": 4}


class TestGenericFolders:
    """What names its labels otherwise, or lacks one of the five files, is a plain folder a case."""

    def test_a_label_file_given_or_in_the_folder_decides(self, tmp_path):
        put_case(tmp_path / "data", "A_1")
        put_case(tmp_path / "data", "A_2", without=("t1ce",))
        mine = tmp_path / "mine.json"
        mine.write_text(json.dumps(MINE))
        given = read_cohort(tmp_path / "data", labels=mine)
        (tmp_path / "data" / "labels.json").write_text(json.dumps(MINE))
        for cohort in (given, read_cohort(tmp_path / "data")):
            assert cohort.scheme.names == ("background", "a", "b", "c")
            assert [set(case.images) for case in cohort.cases] == [set(SUFFIXES), set(SUFFIXES) - {"t1ce"}]

    def test_four_contrasts_and_labels_are_not_enough(self, tmp_path):
        put_case(tmp_path, "A_1", without=("t1ce",))
        cohort = read_cohort(tmp_path)
        assert cohort.scheme is None
        assert set(cohort.cases[0].images) == {"t1", "t2", "flair"}

    def test_files_of_two_prefixes_are_not_of_one_release(self, tmp_path):
        put_case(tmp_path, "A_1", without=("seg",))
        put(tmp_path / "A_1" / "B_9_seg.nii.gz", seg_values())
        assert read_cohort(tmp_path).scheme is None


class TestRegions:
    @pytest.mark.parametrize(
        ("region", "values"),
        [("whole tumour", (1, 2, 4)), ("tumour core", (1, 4)), ("enhancing tumour", (4,))],
    )
    def test_a_region_is_a_binary_target(self, release, region, values):
        cohort = read_cohort(release)
        loaded = load_case(cohort.cases[0], ("T1",), scheme=cohort.scheme, merge=REGION_MERGES[region])
        assert loaded.scheme.names == ("background", region)
        np.testing.assert_array_equal(loaded.labels, np.isin(seg_values(), values).astype(int))

    def test_there_are_three_regions(self):
        assert set(REGION_MERGES) == {"whole tumour", "tumour core", "enhancing tumour"}

    def test_a_region_of_any_scheme(self):
        scheme = LabelScheme.of("CSF", "GM", "WM")
        merge = region_merge(scheme, "brain", ["gm", "WM"])
        assert merge == {"CSF": "background", "GM": "brain", "WM": "brain"}
        with pytest.raises(LabelError, match="no label 'fat'"):
            region_merge(scheme, "brain", ["fat"])


class TestInstitutions:
    def test_cases_by_institution(self, release):
        cohort = read_cohort(release)
        found = read_institutions(release / "partitioning_1.csv", cohort.cases)
        names = {institution: [case.name for case in cases] for institution, cases in found.items()}
        assert names == {"1": [NAMES[0], NAMES[1]], "18": [NAMES[2]], "2": [NAMES[3]]}
        assert found["18"] == (cohort.cases[2],)

    def test_more_columns_spaces_and_a_byte_order_mark_do_not_matter(self, tmp_path):
        path = tmp_path / "partitioning_2.csv"
        path.write_bytes("\ufeffPartition_ID, Subject_ID,TrainOrVal\r\n3, a ,train\r\n".encode())
        cases = (Case("a", {}), Case("b", {}))
        assert read_institutions(path, cases) == {"3": (cases[0],)}

    def test_subjects_that_no_folder_has_are_named(self, release, tmp_path):
        rows = [*INSTITUTION_OF.items(), ("FeTS21_Training_500", "3"), ("FeTS21_Training_501", "3")]
        path = put_partition(tmp_path / "partitioning_1.csv", rows)
        cause = r"partitioning_1\.csv: names 2 of 6 subjects that no folder has: FeTS21_Training_500, FeTS21_"
        with pytest.raises(CaseError, match=cause):
            read_institutions(path, read_cohort(release).cases)

    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            (b"Site,Subject_ID\n1,a\n", r"has the columns \['Site', 'Subject_ID'\]"),
            (b"", r"has the columns \[\]"),
            (b"Partition_ID,Subject_ID\n", "names no subject"),
            (b"Partition_ID,Subject_ID\n1,a\n2,a\n", "names 'a' again in line 3"),
            (b"Partition_ID,Subject_ID\n1\n", "no institution or no subject in line 2"),
            (b"Partition_ID,Subject_ID\n,a\n", "no institution or no subject in line 2"),
            (b"Partition_ID,Subject_ID\n1,\xff\n", "is not a CSV file in UTF-8"),
            (b'Partition_ID,Subject_ID\n1,"a\n', "is not a CSV file in UTF-8"),
        ],
    )
    def test_a_list_that_is_none_is_refused(self, tmp_path, content, cause):
        path = tmp_path / "partitioning_1.csv"
        path.write_bytes(content)
        with pytest.raises(CaseError, match=cause):
            read_institutions(path, (Case("a", {}),))

    def test_a_missing_list_is_refused(self, tmp_path):
        with pytest.raises(CaseError, match="does not exist"):
            read_institutions(tmp_path / "partitioning_1.csv", ())
