"""Sparse annotation: a value, a mask, slices, a box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case_files import GRID, image_values, label_values, labelled_case, put
from scipy.spatial.transform import Rotation

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.cases.load import check_cohort, load_case
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.volumes.geometry import Geometry

PARTS = LabelScheme.of("anterior", "posterior")


class TestAnnotation:
    def labels_of(self, tmp_path, annotation, **changed):
        return load_case(labelled_case(tmp_path, annotation, **changed), ("T1",), scheme=PARTS).labels

    def test_a_value_marks_unlabelled_voxels(self, tmp_path):
        values = label_values()
        values[5] = 255
        labels = self.labels_of(tmp_path, Annotation(unlabelled_value=255), label=values)
        assert (labels[5] == UNLABELLED).all()
        np.testing.assert_array_equal(labels[:5], label_values()[:5])

    def test_a_mask_marks_what_is_annotated(self, tmp_path):
        mask = np.zeros(GRID.shape, np.uint8)
        mask[:, :4] = 9
        path = put(tmp_path / "annotated.nii.gz", mask)
        labels = self.labels_of(tmp_path, Annotation(mask=path))
        np.testing.assert_array_equal(labels, np.where(mask > 0, label_values().astype(int), UNLABELLED))

    @pytest.mark.parametrize(("axis", "place"), [("i", 2), ("j", 1), ("k", 0)])
    def test_annotated_slices_count_along_a_voxel_axis(self, tmp_path, axis, place):
        labels = self.labels_of(tmp_path, Annotation(slices=(2, 3), axis=axis))
        annotated = np.moveaxis(labels, place, 0)
        assert (annotated[[0, 1, 4, 5]] == UNLABELLED).all()
        np.testing.assert_array_equal(annotated[2:4], np.moveaxis(label_values(), place, 0)[2:4])

    def test_a_box_is_in_physical_space(self, tmp_path):
        # voxel centres: i at -4, -3, ...; j at 10, 11.2, ...; k at 3, 5, 7, ...
        labels = self.labels_of(tmp_path, Annotation(box=(-3.0, 11.0, 4.9, 0.5, 14.0, 9.1)))
        inside = np.zeros(GRID.shape, bool)
        inside[1:4, 1:4, 1:5] = True
        np.testing.assert_array_equal(labels != UNLABELLED, inside)

    def test_a_box_in_an_oblique_image_is_not_aligned_with_voxels(self, tmp_path):
        rotation = Rotation.from_euler("z", 30, degrees=True).as_matrix()
        grid = Geometry((9, 9, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(rotation.ravel().tolist()))
        image = put(tmp_path / "T1.nii", image_values(0, grid), grid)
        labels = put(tmp_path / "label.nii", np.ones(grid.shape, np.uint8), grid)
        box = (-1.0, 2.0, 0.5, 2.0, 6.0, 2.5)
        case = Case("c", {"T1": ChannelFile(image)}, labels, Annotation(box=box))
        annotated = load_case(case, ("T1",), scheme=LabelScheme.of("x")).labels != UNLABELLED
        for k, j, i in np.ndindex(grid.shape):
            left, posterior, superior = rotation @ (i, j, k)
            expected = -1 <= left <= 2 and 2 <= posterior <= 6 and 0.5 <= superior <= 2.5
            assert annotated[k, j, i] == expected

    def test_all_conditions_must_be_met(self, tmp_path):
        mask = np.zeros(GRID.shape, np.uint8)
        mask[:, :, :4] = 1
        values = label_values()
        values[2] = 255
        annotation = Annotation(
            mask=put(tmp_path / "mask.nii", mask),
            slices=(1, 2),
            box=(-100.0, 11.0, -100.0, 100.0, 100.0, 100.0),
            unlabelled_value=255,
        )
        labels = self.labels_of(tmp_path, annotation, label=values)
        expected = np.full(GRID.shape, UNLABELLED)
        expected[1, 1:, :4] = label_values()[1, 1:, :4]
        np.testing.assert_array_equal(labels, expected)

    @pytest.mark.parametrize(
        "annotation",
        [
            Annotation(slices=(0, 6)),
            Annotation(slices=(-1,)),
            Annotation(slices=()),
            Annotation(box=(1, 0, 0, 0, 1, 1)),
        ],
        ids=["too high", "negative", "none", "box inside out"],
    )
    def test_impossible_conditions_are_refused(self, tmp_path, annotation):
        with pytest.raises(LabelError, match=r"label\.nii\.gz: The annotated"):
            self.labels_of(tmp_path, annotation)

    def test_an_empty_annotation_is_refused(self, tmp_path):
        annotation = Annotation(box=(900.0, 900.0, 900.0, 901.0, 901.0, 901.0))
        with pytest.raises(LabelError, match=r"label\.nii\.gz: holds no annotated voxel"):
            self.labels_of(tmp_path, annotation)

    def test_foreground_outside_the_annotation_does_not_count(self, tmp_path):
        with pytest.raises(LabelError, match="only background among its annotated voxels"):
            self.labels_of(tmp_path, Annotation(slices=(0,)))

    @pytest.mark.parametrize("cheap", [True, False])
    def test_a_mask_on_another_grid_is_refused(self, tmp_path, cheap):
        other = replace(GRID, origin=(-4.4, 10.0, 3.0))
        mask = put(tmp_path / "mask.nii", np.ones(GRID.shape, np.uint8), other)
        case = labelled_case(tmp_path, Annotation(mask=mask))
        with pytest.raises(GeometryError, match=r"mask\.nii: does not lie on the grid"):
            if cheap:
                check_cohort(Cohort((case,), PARTS), ("T1",))
            else:
                load_case(case, ("T1",), scheme=PARTS)
