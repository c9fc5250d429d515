"""Cohorts from every layout, and folders that are none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from case_files import GRID, image_values, label_values, put

from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.cases.load import check_cohort, load_case
from TransferRiskLib.cases.segmentation_files import write_seg_nrrd
from TransferRiskLib.errors import CaseError, LabelError

PARTS = {"background": 0, "anterior": 1, "posterior": 2}


def put_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def image(path, seed=0):
    return put(path, image_values(seed))


def label(path):
    return put(path, label_values())


def shown(cohort):
    """Names, channels and label files, for comparison."""
    return {
        case.name: (
            {name: file.path.name for name, file in case.images.items()},
            case.labels.name if case.labels else None,
        )
        for case in cohort.cases
    }


class TestFolderACase:
    def test_stems_name_the_channels(self, tmp_path):
        for name in ("b", "a"):
            image(tmp_path / name / "T1.nii.gz")
            image(tmp_path / name / "flair.nrrd")
        label(tmp_path / "a" / "label.nii.gz")
        (tmp_path / "notes").mkdir()
        put_json(tmp_path / "labels.json", PARTS)
        cohort = read_cohort(tmp_path)
        channels = {"T1": "T1.nii.gz", "flair": "flair.nrrd"}
        assert shown(cohort) == {"a": (channels, "label.nii.gz"), "b": (channels, None)}
        assert [case.name for case in cohort.cases] == ["a", "b"]
        assert cohort.scheme.names == ("background", "anterior", "posterior")
        assert cohort.name == tmp_path.name

    def test_stems_may_repeat_the_folders_name(self, tmp_path):
        image(tmp_path / "BraTS_001" / "BraTS_001_t1ce.nii.gz")
        label(tmp_path / "BraTS_001" / "BraTS_001_seg.nii.gz")
        assert shown(read_cohort(tmp_path)) == {
            "BraTS_001": ({"t1ce": "BraTS_001_t1ce.nii.gz"}, "BraTS_001_seg.nii.gz")
        }

    def test_segment_names_are_the_scheme_when_no_label_file_is_there(self, tmp_path):
        for name, names in (("a", ("x", "y")), ("b", ("y", "z"))):
            image(tmp_path / name / "T1.nii.gz")
            path = tmp_path / name / "Segmentation.seg.nrrd"
            write_seg_nrrd(label_values(), GRID, LabelScheme.of(*names), path)
        cohort = read_cohort(tmp_path)
        assert cohort.scheme.names == ("background", "x", "y", "z")
        loaded = load_case(cohort.cases[1], ("T1",), scheme=cohort.scheme)
        np.testing.assert_array_equal(loaded.labels, np.array([0, 2, 3])[label_values()])

    def test_a_pair_of_header_and_data_is_one_file(self, tmp_path):
        (tmp_path / "a").mkdir()
        for name, values in (("T1", image_values()), ("label", label_values())):
            sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "a" / f"{name}.hdr"))
        assert shown(read_cohort(tmp_path)) == {"a": ({"T1": "T1.hdr"}, "label.hdr")}
        (tmp_path / "a" / "T1.hdr").unlink()
        assert shown(read_cohort(tmp_path)) == {"a": ({"T1": "T1.img"}, "label.hdr")}

    def test_two_label_files_and_labels_alone_are_refused(self, tmp_path):
        label(tmp_path / "a" / "label.nii.gz")
        with pytest.raises(CaseError, match="labels but no image"):
            read_cohort(tmp_path)
        image(tmp_path / "a" / "T1.nii.gz")
        label(tmp_path / "a" / "seg.nii.gz")
        with pytest.raises(CaseError, match=r"seg\.nii\.gz: is a second label file beside label\.nii\.gz"):
            read_cohort(tmp_path)

    def test_two_files_of_a_channel_are_refused(self, tmp_path):
        image(tmp_path / "a" / "T1.nii.gz")
        image(tmp_path / "a" / "t1.nrrd")
        with pytest.raises(CaseError, match="second file for the channel"):
            read_cohort(tmp_path)


class TestImagesAndLabels:
    def test_a_file_a_case(self, tmp_path):
        for name in ("h_190", "h_003"):
            image(tmp_path / "images" / f"{name}.nii.gz")
        label(tmp_path / "labels" / "h_003.nii.gz")
        put_json(tmp_path / "dataset_info.json", {})
        channel = {"image": "h_003.nii.gz"}
        assert shown(read_cohort(tmp_path))["h_003"] == (channel, "h_003.nii.gz")
        assert shown(read_cohort(tmp_path))["h_190"][1] is None
        named = read_cohort(tmp_path, channels=("T1",))
        assert shown(named)["h_003"][0] == {"T1": "h_003.nii.gz"}

    def test_a_channel_suffix_groups_files(self, tmp_path):
        for channel in ("T1", "FLAIR", "MyContrast"):
            image(tmp_path / "images" / f"p_1_{channel}.nii.gz")
        label(tmp_path / "labels" / "p_1_seg.nii.gz")
        cohort = read_cohort(tmp_path, channels=("MyContrast", "T1"))
        images, labels = shown(cohort)["p_1"]
        assert set(images) == {"T1", "FLAIR", "MyContrast"} and labels == "p_1_seg.nii.gz"

    def test_a_label_file_with_more_to_its_name_is_matched_if_it_is_the_only_one(self, tmp_path):
        for name in ("p_1", "p_12"):
            image(tmp_path / "images" / f"{name}_T1.nii.gz")
            label(tmp_path / "labels" / f"{name}_csf1_gm2.nii.gz")
        assert {name: labels for name, (_, labels) in shown(read_cohort(tmp_path)).items()} == {
            "p_1": "p_1_csf1_gm2.nii.gz",
            "p_12": "p_12_csf1_gm2.nii.gz",
        }

    def test_labels_of_no_image_are_refused(self, tmp_path):
        image(tmp_path / "images" / "a.nii.gz")
        label(tmp_path / "labels" / "b.nii.gz")
        with pytest.raises(CaseError, match=r"b\.nii\.gz: holds labels of no image"):
            read_cohort(tmp_path)

    def test_components_of_4d_files_take_the_given_names_in_order(self, tmp_path):
        (tmp_path / "images").mkdir()
        arrays = [sitk.GetImageFromArray(image_values(seed)) for seed in (1, 2)]
        sitk.WriteImage(sitk.JoinSeries(arrays), str(tmp_path / "images" / "a.nii.gz"))
        (case,) = read_cohort(tmp_path, channels=("T1", "T2")).cases
        loaded = load_case(case, ("T2",))
        np.testing.assert_array_equal(loaded.images[0], image_values(2))
        assert set(read_cohort(tmp_path).cases[0].images) == {"image0", "image1"}


class TestDecathlon:
    def make(self, folder, **changes):
        (folder / "imagesTr").mkdir(parents=True)
        arrays = [sitk.GetImageFromArray(image_values(seed)) for seed in (1, 2)]
        sitk.WriteImage(sitk.JoinSeries(arrays), str(folder / "imagesTr" / "B_1.nii.gz"))
        label(folder / "labelsTr" / "B_1.nii.gz")
        document = {
            "name": "BRATS",
            "modality": {"0": "FLAIR", "1": "T1w"},
            "labels": {"0": "background", "1": "edema", "2": "core"},
            "training": [{"image": "./imagesTr/B_1.nii.gz", "label": "./labelsTr/B_1.nii.gz"}],
            "test": ["./imagesTs/B_2.nii.gz"],
        }
        put_json(folder / "dataset.json", {**document, **changes})
        return folder

    def test_modalities_are_components(self, tmp_path):
        cohort = read_cohort(self.make(tmp_path / "Task01"))
        (case,) = cohort.cases
        assert {name: file.component for name, file in case.images.items()} == {"FLAIR": 0, "T1w": 1}
        assert cohort.scheme.names == ("background", "edema", "core")
        # the joined images lie on another grid than the labels, which are not looked at here
        loaded = load_case(replace(case, labels=None), ("t1W",))
        np.testing.assert_array_equal(loaded.images[0], image_values(2))

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            ({"training": []}, "lists no training cases"),
            ({"training": [{"label": "x"}]}, "without an image"),
            ({"training": [{"image": "./imagesTr/B_9.nii.gz"}]}, r"B_9\.nii\.gz: is listed"),
            ({"modality": {}}, "no usable 'modality'"),
            ({"modality": {"0": "T1", "1": "t1"}}, "no usable 'modality'"),
            ({"modality": {"1": "T1"}}, "no usable 'modality'"),
        ],
    )
    def test_an_incomplete_dataset_is_refused(self, tmp_path, changes, cause):
        with pytest.raises(CaseError, match=cause):
            read_cohort(self.make(tmp_path / "Task01", **changes))


class TestNnUnet:
    def make(self, folder, **changes):
        for name in ("c_1", "c_2"):
            for number in (0, 1):
                image(folder / "imagesTr" / f"{name}_000{number}.nii.gz", seed=number)
        label(folder / "labelsTr" / "c_1.nii.gz")
        document = {
            "channel_names": {"0": "T2", "1": "ADC"},
            "labels": {"background": 0, "zone": 1, "ignore": 2},
            "numTraining": 2,
            "file_ending": ".nii.gz",
        }
        put_json(folder / "dataset.json", {**document, **changes})
        return folder

    def test_channels_are_numbered_files(self, tmp_path):
        cohort = read_cohort(self.make(tmp_path / "Dataset001_P"))
        assert shown(cohort) == {
            "c_1": ({"T2": "c_1_0000.nii.gz", "ADC": "c_1_0001.nii.gz"}, "c_1.nii.gz"),
            "c_2": ({"T2": "c_2_0000.nii.gz", "ADC": "c_2_0001.nii.gz"}, None),
        }
        assert cohort.scheme.names == ("background", "zone")

    def test_the_ignore_label_is_unlabelled(self, tmp_path):
        cohort = read_cohort(self.make(tmp_path))
        labels = load_case(cohort.cases[0], ("ADC",), scheme=cohort.scheme).labels
        np.testing.assert_array_equal(labels, np.array([0, 1, UNLABELLED])[label_values()])

    def test_the_older_form_with_modality_is_told_from_a_decathlon_task(self, tmp_path):
        training = [{"image": "./imagesTr/c_1.nii.gz", "label": "./labelsTr/c_1.nii.gz"}]
        folder = self.make(tmp_path, modality={"0": "T2", "1": "ADC"}, training=training)
        document = json.loads((folder / "dataset.json").read_text())
        del document["channel_names"]
        put_json(folder / "dataset.json", document)
        assert set(shown(read_cohort(folder))["c_1"][0]) == {"T2", "ADC"}

    def test_a_missing_channel_is_refused(self, tmp_path):
        folder = self.make(tmp_path)
        (folder / "imagesTr" / "c_2_0001.nii.gz").unlink()
        with pytest.raises(CaseError, match="'c_2' lacks the channel 'ADC'"):
            read_cohort(folder)

    def test_an_unnumbered_file_and_orphaned_labels_are_refused(self, tmp_path):
        folder = self.make(tmp_path)
        label(folder / "labelsTr" / "c_9.nii.gz")
        with pytest.raises(CaseError, match=r"c_9\.nii\.gz: holds labels of no image"):
            read_cohort(folder)
        image(folder / "imagesTr" / "c_3_0002.nii.gz")
        with pytest.raises(CaseError, match=r"c_3_0002.*number of a channel"):
            read_cohort(folder)

    def test_regions_are_refused(self, tmp_path):
        with pytest.raises(LabelError, match="region-based"):
            read_cohort(self.make(tmp_path, labels={"background": 0, "whole": [1, 2], "core": 2}))

    def test_a_label_file_replaces_the_datasets_labels(self, tmp_path):
        folder = self.make(tmp_path / "d", labels={"background": 0, "whole": [1, 2], "core": 2})
        document = json.loads((folder / "dataset.json").read_text())
        document["labels"] = {"background": 0, "a": 1, "b": 2}
        put_json(folder / "dataset.json", document)
        cohort = read_cohort(folder, labels=put_json(tmp_path / "mine.json", PARTS))
        assert cohort.scheme.names == ("background", "anterior", "posterior")


class TestOtherInputs:
    def test_images_side_by_side(self, tmp_path):
        for channel in ("FLAIR", "T1"):
            image(tmp_path / f"B_9_{channel}.nii.gz")
        label(tmp_path / "B_9_label.nii.gz")
        image(tmp_path / "other.nii.gz")
        assert shown(read_cohort(tmp_path)) == {
            "B_9": ({"FLAIR": "B_9_FLAIR.nii.gz", "T1": "B_9_T1.nii.gz"}, "B_9_label.nii.gz"),
            "other": ({"image": "other.nii.gz"}, None),
        }

    def test_a_single_image_is_a_cohort_of_one(self, tmp_path):
        path = image(tmp_path / "scan_T1.nii.gz")
        assert shown(read_cohort(path)) == {"scan": ({"T1": "scan_T1.nii.gz"}, None)}

    def test_a_missing_an_empty_and_an_unknown_folder_name_the_layouts(self, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "unknown" / "deep" / "deeper").mkdir(parents=True)
        (tmp_path / "unknown" / "readme.md").write_text("hello")
        for name, cause in (("absent", "does not exist"), ("empty", "no cases"), ("unknown", "no cases")):
            with pytest.raises(CaseError, match=rf"{cause}.*a folder a case.*nnU-Net.*CSV"):
                read_cohort(tmp_path / name)

    def test_a_file_of_another_kind_is_refused(self, tmp_path):
        (tmp_path / "paper.pdf").write_text("x")
        with pytest.raises(CaseError, match="is no cohort"):
            read_cohort(tmp_path / "paper.pdf")

    def test_a_dataset_json_of_another_kind_is_refused(self, tmp_path):
        put_json(tmp_path / "dataset.json", {"labels": {"0": "background"}})
        with pytest.raises(CaseError, match="neither a Decathlon nor an nnU-Net"):
            read_cohort(tmp_path)

    def test_hidden_files_are_passed_over(self, tmp_path):
        image(tmp_path / "images" / "a.nii.gz")
        (tmp_path / "images" / "._a.nii.gz").write_bytes(b"resource fork")
        assert list(shown(read_cohort(tmp_path))) == ["a"]


@pytest.mark.parametrize(
    ("folder", "count", "channel"),
    [
        ("msd_hippocampus", 100, "T1"),
        ("oasis_hippocampus_crops", 24, "T1"),
        ("oasis_t1_tissue", 4, "T1"),
        ("brats2013_flair_t1c", 3, "FLAIR"),
        ("msd_brats_crops", 1, "T1ce"),
    ],
)
def test_real_folders_are_recognised(real_data, folder, count, channel):
    cohort = read_cohort(real_data / folder, channels=("T1",))
    assert len(cohort.cases) == count
    assert all(case.labels is not None for case in cohort.cases)
    names = ("a", "b", "c", "d")
    check_cohort(replace(cohort, scheme=LabelScheme.of(*names)), (channel,), labelled=True)
    loaded = load_case(cohort.cases[0], (channel,), scheme=LabelScheme.of(*names))
    assert loaded.images.shape[0] == 1 and (loaded.labels > 0).any()
