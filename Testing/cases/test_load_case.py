"""Loading a case: channels by name, grids, labels, annotation, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_files import GRID, image_values, label_values, labelled_case, put
from scipy.spatial.transform import Rotation

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile, Cohort
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.cases.load import check_cohort, load_case, target_scheme
from TransferRiskLib.cases.segmentation_files import write_seg_nrrd
from TransferRiskLib.errors import CaseError, GeometryError, ImageError, LabelError
from TransferRiskLib.volumes.geometry import Geometry

PARTS = LabelScheme.of("anterior", "posterior")


class TestChannels:
    def test_channels_come_in_the_order_of_the_card_whatever_their_case(self, tmp_path):
        loaded = load_case(labelled_case(tmp_path), ("flair", "t1"), scheme=PARTS)
        assert loaded.channels == ("flair", "t1")
        assert loaded.images.dtype == np.float32
        np.testing.assert_array_equal(loaded.images[0], image_values(2))
        np.testing.assert_array_equal(loaded.images[1], image_values(1))

    def test_a_missing_channel_names_what_there_is_and_how_to_map_it(self, tmp_path):
        with pytest.raises(CaseError, match=r"no channel 'T2'.*has: T1, FLAIR.*map it: T2=T1"):
            load_case(labelled_case(tmp_path), ("T1", "T2"), scheme=PARTS)

    def test_a_single_channel_is_not_taken_for_another_by_position(self, tmp_path):
        case = Case("c", {"image": ChannelFile(put(tmp_path / "c.nii", image_values()))})
        with pytest.raises(CaseError, match="no channel 'T1'"):
            load_case(case, ("T1",))
        mapped = load_case(case, ("T1",), channel_map={"t1": "IMAGE"})
        np.testing.assert_array_equal(mapped.images[0], image_values())

    def test_a_name_that_only_begins_alike_is_no_match(self, tmp_path):
        case = Case("c", {"T1ce": ChannelFile(put(tmp_path / "c.nii", image_values()))})
        with pytest.raises(CaseError, match="no channel 'T1'"):
            load_case(case, ("T1",))

    def test_mapping_a_channel_nobody_asked_for_is_refused(self, tmp_path):
        with pytest.raises(CaseError, match="no channel 'T2' to map"):
            load_case(labelled_case(tmp_path), ("T1",), scheme=PARTS, channel_map={"T2": "FLAIR"})

    def test_components_of_a_4d_file_are_channels(self, tmp_path):
        import SimpleITK as sitk

        arrays = [image_values(seed) for seed in (5, 6, 7)]
        joined = sitk.JoinSeries([sitk.GetImageFromArray(array) for array in arrays])
        sitk.WriteImage(joined, str(tmp_path / "four.nii.gz"))
        names = {"A": 0, "B": 1, "C": 2}
        case = Case("c", {name: ChannelFile(tmp_path / "four.nii.gz", n) for name, n in names.items()})
        loaded = load_case(case, ("C", "A"))
        np.testing.assert_array_equal(loaded.images, np.stack([arrays[2], arrays[0]]))

    def test_which_image_of_a_4d_file_is_meant_is_never_guessed(self, tmp_path):
        import SimpleITK as sitk

        joined = sitk.JoinSeries([sitk.GetImageFromArray(image_values(seed)) for seed in (5, 6)])
        sitk.WriteImage(joined, str(tmp_path / "T1.nii.gz"))
        case = Case("c", {"T1": ChannelFile(tmp_path / "T1.nii.gz")})
        with pytest.raises(ImageError, match="holds 2 images where one is expected"):
            load_case(case, ("T1",))
        with pytest.raises(ImageError, match="holds 2 images where one is expected"):
            check_cohort(Cohort((case,)), ("T1",))
        found = read_cohort(tmp_path, channels=("T1",)).cases[0]
        with pytest.raises(ImageError, match="holds 2 images where one is expected"):
            load_case(found, ("T1",))
        named = Case("c", {"T1": ChannelFile(tmp_path / "T1.nii.gz", 0)})
        np.testing.assert_array_equal(load_case(named, ("T1",)).images[0], image_values(5))


class TestGrids:
    def test_the_grid_is_that_of_the_cases_first_image(self, tmp_path):
        coarse = Geometry((4, 7, 6), (2.0, 1.2, 2.0), (-3.5, 10.0, 3.0), GRID.direction)
        flair = put(tmp_path / "FLAIR.nii", image_values(3, coarse), coarse)
        t1 = put(tmp_path / "T1.nii", image_values(1))
        case = Case("c", {"T1": ChannelFile(t1), "FLAIR": ChannelFile(flair)})
        loaded = load_case(case, ("FLAIR",))
        assert loaded.source == t1
        assert loaded.geometry.difference(GRID) is None
        # the coarse voxel (0, 0, 0) spans the fine voxels 0 and 1; beyond its centre it is extended
        assert loaded.images[0, 0, 0, 0] == pytest.approx(image_values(3, coarse)[0, 0, 0])

    def test_rounding_of_headers_is_no_other_grid(self, tmp_path):
        other = replace(GRID, origin=(-4.0005, 10.0, 3.0))
        files = {"T1": put(tmp_path / "T1.nii", image_values(1))}
        files["T2"] = put(tmp_path / "T2.nii", image_values(2, other), other)
        loaded = load_case(Case("c", {n: ChannelFile(f) for n, f in files.items()}), ("T1", "T2"))
        np.testing.assert_array_equal(loaded.images[1], image_values(2))

    @pytest.mark.parametrize("cheap", [True, False])
    def test_a_channel_elsewhere_is_refused(self, tmp_path, cheap):
        far = replace(GRID, origin=(-2.0, 10.0, 3.0))  # covers 6 of 8 voxels: 75 %
        files = {"T1": put(tmp_path / "T1.nii", image_values(1))}
        files["T2"] = put(tmp_path / "T2.nii", image_values(2, far), far)
        case = Case("c", {n: ChannelFile(f) for n, f in files.items()})
        with pytest.raises(GeometryError, match=r"T2\.nii: covers 75% of the box of T1\.nii.*voxels"):
            if cheap:
                check_cohort(Cohort((case,)), ("T1", "T2"))
            else:
                load_case(case, ("T1", "T2"))

    @pytest.mark.parametrize(
        "changes",
        [
            {"origin": (-3.5, 10.0, 3.0)},
            {"spacing": (1.1, 1.2, 2.0)},
            {"origin": (96.0, 10.0, 3.0)},
            {"direction": tuple(Rotation.from_euler("z", 5, degrees=True).as_matrix().ravel().tolist())},
        ],
        ids=["half a voxel off", "other spacing", "no overlap", "rotated"],
    )
    @pytest.mark.parametrize("cheap", [True, False])
    def test_labels_off_the_grid_are_refused_with_both_geometries(self, tmp_path, changes, cheap):
        case = labelled_case(tmp_path)
        put(tmp_path / "label.nii.gz", label_values(), replace(GRID, **changes))
        with pytest.raises(GeometryError, match=r"label\.nii\.gz.*Labels: 8 x 7 x 6.*Image: 8 x 7 x 6"):
            if cheap:
                check_cohort(Cohort((case,), PARTS), ("T1",))
            else:
                load_case(case, ("T1",), scheme=PARTS)

    def test_cropped_labels_are_padded_with_background(self, tmp_path):
        case = labelled_case(tmp_path)
        crop = replace(GRID, size=(4, 4, 5), origin=(-2.0, 10.0, 5.0))  # starts at voxel (2, 0, 1)
        put(tmp_path / "label.nii.gz", label_values()[1:6, 0:4, 2:6], crop)
        np.testing.assert_array_equal(load_case(case, ("T1",), scheme=PARTS).labels, label_values())

    def test_labels_larger_than_the_image_are_cropped(self, tmp_path):
        case = labelled_case(tmp_path)
        larger = replace(GRID, size=(10, 9, 8), origin=(-5.0, 8.8, 1.0))  # one voxel more on each side
        put(tmp_path / "label.nii.gz", np.pad(label_values(), 1), larger)
        np.testing.assert_array_equal(load_case(case, ("T1",), scheme=PARTS).labels, label_values())

    def test_labels_stored_in_another_axis_order_land_where_they_belong(self, tmp_path):
        case = labelled_case(tmp_path)
        flipped = replace(
            GRID, origin=(-4.0 + 7.0, 10.0, 3.0), direction=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        )
        put(tmp_path / "label.nii.gz", label_values()[:, :, ::-1].copy(), flipped)
        np.testing.assert_array_equal(load_case(case, ("T1",), scheme=PARTS).labels, label_values())


class TestBadIntensities:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_voxels_that_are_not_numbers_are_refused(self, tmp_path, value):
        bad = image_values()
        bad[2, 3, 4] = bad[0, 0, 0] = value
        with pytest.raises(ImageError, match=r"FLAIR\.nii\.gz: holds 2 voxels that are not numbers"):
            load_case(labelled_case(tmp_path, FLAIR=bad), ("T1", "FLAIR"), scheme=PARTS)

    def test_a_constant_image_is_refused(self, tmp_path):
        bad = np.full(GRID.shape, 4, np.int16)
        with pytest.raises(ImageError, match=r"T1\.nii\.gz: is constant: every voxel is 4"):
            load_case(labelled_case(tmp_path, T1=bad), ("T1",), scheme=PARTS)

    def test_values_beyond_single_precision_are_named(self, tmp_path):
        case = labelled_case(tmp_path, T1=image_values().astype(np.float64) * -1e300)
        with pytest.raises(ImageError, match=r"T1\.nii\.gz: holds values from -\d.* more than single"):
            load_case(case, ("T1",), scheme=PARTS)

    def test_a_bad_channel_that_is_not_asked_for_does_no_harm(self, tmp_path):
        case = labelled_case(tmp_path, FLAIR=np.zeros(GRID.shape, np.int16))
        assert load_case(case, ("T1",), scheme=PARTS).images.shape == (1, *GRID.shape)


class TestLabels:
    def test_a_case_without_labels_has_neither_labels_nor_scheme(self, tmp_path):
        loaded = load_case(replace(labelled_case(tmp_path), labels=None), ("T1",), scheme=PARTS)
        assert loaded.labels is None and loaded.scheme is None

    def test_values_become_class_indices(self, tmp_path):
        case = labelled_case(tmp_path, label=label_values() * 100)
        scheme = LabelScheme(
            tuple(replace(label, value=v) for label, v in zip(PARTS.labels, (0, 200, 100), strict=True))
        )
        labels = load_case(case, ("T1",), scheme=scheme).labels
        assert labels.dtype == np.int16
        np.testing.assert_array_equal(labels, np.array([0, 2, 1])[label_values()])

    def test_values_that_the_scheme_does_not_know_are_refused(self, tmp_path):
        case = labelled_case(tmp_path)
        with pytest.raises(LabelError, match=r"label\.nii\.gz.*no label has: 2.*lesion=1"):
            load_case(case, ("T1",), scheme=LabelScheme.of("lesion"))

    def test_values_between_the_labels_are_refused(self, tmp_path):
        case = labelled_case(tmp_path, label=label_values() * np.float32(0.75))
        with pytest.raises(LabelError, match=r"label\.nii\.gz: holds 36 values that are no whole numbers"):
            load_case(case, ("T1",), scheme=PARTS)

    def test_whole_numbers_stored_as_floats_are_labels(self, tmp_path):
        case = labelled_case(tmp_path, label=label_values().astype(np.float32))
        np.testing.assert_array_equal(load_case(case, ("T1",), scheme=PARTS).labels, label_values())

    @pytest.mark.parametrize("cheap", [True, False])
    def test_values_without_a_scheme_are_refused(self, tmp_path, cheap):
        case = labelled_case(tmp_path)
        with pytest.raises(LabelError, match="nothing says what they mean"):
            check_cohort(Cohort((case,)), ("T1",)) if cheap else load_case(case, ("T1",))

    def test_labels_without_foreground_are_refused_unless_allowed(self, tmp_path):
        case = labelled_case(tmp_path, label=np.zeros(GRID.shape, np.uint8))
        with pytest.raises(LabelError, match="only background among its annotated voxels"):
            load_case(case, ("T1",), scheme=PARTS)
        allowed = load_case(case, ("T1",), scheme=PARTS, require_foreground=False)
        assert (allowed.labels == 0).all()

    def test_several_components_are_no_label_map(self, tmp_path):
        import SimpleITK as sitk

        case = labelled_case(tmp_path)
        sitk.WriteImage(
            sitk.JoinSeries([sitk.GetImageFromArray(label_values())] * 2), str(tmp_path / "label.nii.gz")
        )
        with pytest.raises(LabelError, match="2 components where one label map"):
            load_case(case, ("T1",), scheme=PARTS)

    def test_a_truncated_label_map_is_refused(self, tmp_path):
        case = labelled_case(tmp_path)
        case.labels.write_bytes(case.labels.read_bytes()[:-30])
        for act in (
            lambda: load_case(case, ("T1",), scheme=PARTS),
            lambda: check_cohort(Cohort((case,), PARTS), ("T1",)),
        ):
            with pytest.raises(ImageError, match=r"label\.nii\.gz"):
                act()


class TestMerging:
    def test_labels_are_merged_by_name(self, tmp_path):
        merge = {"Anterior": "hippocampus", "posterior": "hippocampus"}
        loaded = load_case(labelled_case(tmp_path), ("T1",), scheme=PARTS, merge=merge)
        assert loaded.scheme.names == ("background", "hippocampus")
        np.testing.assert_array_equal(loaded.labels, label_values() > 0)

    def test_a_label_mapped_to_nothing_is_unlabelled(self, tmp_path):
        merge = {"anterior": "head", "posterior": None}
        loaded = load_case(labelled_case(tmp_path), ("T1",), scheme=PARTS, merge=merge)
        np.testing.assert_array_equal(loaded.labels, np.array([0, 1, UNLABELLED])[label_values()])

    def test_a_target_scheme_decides_the_class_indices(self, tmp_path):
        target = LabelScheme.of("posterior", "anterior", "lesion")
        loaded = load_case(labelled_case(tmp_path), ("T1",), scheme=PARTS, target=target)
        assert loaded.scheme == target
        np.testing.assert_array_equal(loaded.labels, np.array([0, 2, 1])[label_values()])

    def test_the_target_scheme_keeps_order_and_colours(self):
        scheme = LabelScheme.of("edema", "necrosis", "enhancing")
        merged = target_scheme(scheme, {"enhancing": "core", "edema": "edema", "necrosis": "core"})
        assert merged.names == ("background", "edema", "core")
        assert [label.value for label in merged.labels] == [0, 1, 2]
        assert merged.labels[2].colour == scheme.labels[2].colour
        assert target_scheme(scheme, None) is scheme

    @pytest.mark.parametrize(
        ("merge", "cause"),
        [
            ({"anterior": "a"}, "says nothing of the label 'posterior'"),
            ({"anterior": "a", "posterior": "b", "body": "c"}, "no label 'body'"),
            ({"anterior": None, "posterior": "background"}, "no label besides the background"),
        ],
    )
    def test_a_mapping_that_does_not_fit_is_refused(self, tmp_path, merge, cause):
        with pytest.raises(LabelError, match=cause):
            target_scheme(PARTS, merge)
        with pytest.raises(LabelError, match=cause):
            check_cohort(Cohort((labelled_case(tmp_path),), PARTS), ("T1",), merge=merge)


class TestSegmentationsAsLabels:
    def test_segments_are_matched_by_name_not_by_value(self, tmp_path):
        case = replace(labelled_case(tmp_path), labels=tmp_path / "label.seg.nrrd")
        write_seg_nrrd(label_values(), GRID, LabelScheme.of("POSTERIOR", "Anterior"), case.labels)
        labels = load_case(case, ("T1",), scheme=PARTS).labels
        np.testing.assert_array_equal(labels, np.array([0, 2, 1])[label_values()])

    def test_without_a_scheme_the_segments_are_the_scheme(self, tmp_path):
        case = replace(labelled_case(tmp_path), labels=tmp_path / "label.seg.nrrd")
        write_seg_nrrd(label_values(), GRID, PARTS, case.labels)
        assert load_case(case, ("T1",)).scheme.names == PARTS.names

    def test_an_unknown_segment_is_refused(self, tmp_path):
        case = replace(labelled_case(tmp_path), labels=tmp_path / "label.seg.nrrd")
        write_seg_nrrd(label_values(), GRID, LabelScheme.of("anterior", "amygdala"), case.labels)
        with pytest.raises(LabelError, match=r"label\.seg\.nrrd: has a segment 'amygdala'.*posterior"):
            load_case(case, ("T1",), scheme=PARTS)

    def test_the_value_of_a_segment_may_mark_unlabelled_voxels(self, tmp_path):
        case = labelled_case(tmp_path, Annotation(unlabelled_value=2))
        case = replace(case, labels=tmp_path / "label.seg.nrrd")
        write_seg_nrrd(label_values(), GRID, LabelScheme.of("anterior", "not looked at"), case.labels)
        labels = load_case(case, ("T1",), scheme=PARTS).labels
        np.testing.assert_array_equal(labels, np.array([0, 1, UNLABELLED])[label_values()])


class TestCohortChecks:
    def test_a_sound_cohort_passes(self, tmp_path):
        check_cohort(Cohort((labelled_case(tmp_path),), PARTS), ("T1", "FLAIR"), labelled=True)

    def test_no_cases_and_repeated_names_are_refused(self, tmp_path):
        with pytest.raises(CaseError, match="no cases"):
            check_cohort(Cohort(()), ("T1",))
        case = labelled_case(tmp_path)
        with pytest.raises(CaseError, match="2 cases are named 'case'"):
            check_cohort(Cohort((case, case), PARTS), ("T1",))

    def test_missing_labels_are_refused_where_they_are_needed(self, tmp_path):
        case = replace(labelled_case(tmp_path), labels=None)
        check_cohort(Cohort((case,)), ("T1",))
        with pytest.raises(CaseError, match="has no labels"):
            check_cohort(Cohort((case,)), ("T1",), labelled=True)

    def test_a_missing_channel_file_and_component_are_refused(self, tmp_path):
        case = labelled_case(tmp_path)
        with pytest.raises(CaseError, match="no channel 'T2'"):
            check_cohort(Cohort((case,), PARTS), ("T2",))
        beyond = replace(case, images={"T1": ChannelFile(case.images["T1"].path, 1)})
        with pytest.raises(ImageError, match="number 1"):
            check_cohort(Cohort((beyond,), PARTS), ("T1",))
        case.images["T1"].path.unlink()
        with pytest.raises(ImageError, match=r"T1\.nii\.gz: does not exist"):
            check_cohort(Cohort((case,), PARTS), ("T1",))


def test_real_cases_load(real_data):
    folder = real_data / "open_ms_4modal" / "patient19"
    images = {name: ChannelFile(folder / f"{name}.nii.gz") for name in ("FLAIR", "T1", "T1ce", "T2")}
    case = Case("patient19", images, folder / "label.nii.gz")
    loaded = load_case(case, ("T1", "FLAIR"), scheme=LabelScheme.of("lesion"))
    assert loaded.images.shape == (2, *loaded.geometry.shape)
    assert int((loaded.labels == 1).sum()) == 49769  # as the data's own README counts
