"""Segmentations of real files, from request to result; one scan that fails costs the others nothing."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
from small_adaptations import CPU, without_labels

from TransferRiskLib.cases.case import ChannelFile, Cohort
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.evaluate import find_prediction
from TransferRiskLib.tasks.requests import (
    CohortInput,
    SegmentRequest,
)
from TransferRiskLib.tasks.segment import segment
from TransferRiskLib.volumes.io import read_volumes


def test_segment_reports_a_broken_scan_and_goes_on(bundle, cohort, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"not an image")
    cases = without_labels(cohort).cases
    mixed = (cases[0], dataclasses.replace(cases[1], images={"T1": ChannelFile(broken)}), cases[2])
    result = segment(
        SegmentRequest(bundle, CohortInput(Cohort(mixed)), tmp_path / "out", prediction=CPU), Progress()
    )
    assert [scan.error is None for scan in result.scans] == [True, False, True]
    assert "broken.nii.gz" in result.scans[1].error
    with (tmp_path / "out" / "segments.csv").open() as handle:
        assert [row["status"] == "done" for row in csv.DictReader(handle)] == [True, False, True]


def test_a_scan_that_memory_does_not_suffice_for_costs_the_others_nothing(
    bundle, cohort, tmp_path, monkeypatch
):
    first, message = cohort.cases[0].name, "DefaultCPUAllocator: can't allocate memory"

    def predicted(model, loaded, *rest):
        if loaded.name == first:
            raise RuntimeError(message)
        return predict_states(model, loaded, *rest)

    monkeypatch.setattr("TransferRiskLib.tasks.segment.predict_states", predicted)
    request = SegmentRequest(bundle, CohortInput(without_labels(cohort)), tmp_path, prediction=CPU)
    scans = segment(request, Progress()).scans
    assert "not enough memory" in scans[0].error and [scan.error for scan in scans[1:]] == [None, None]
    message = "a mistake of ours"
    with pytest.raises(RuntimeError, match=message):
        segment(request, Progress())


def test_nothing_of_an_earlier_segmentation_passes_for_the_new_one(bundle, cohort, tmp_path):
    case = without_labels(cohort).cases[0]
    (tmp_path / case.name).mkdir()
    (tmp_path / case.name / "notes.txt").write_text("the user's")
    request = SegmentRequest(bundle, CohortInput(Cohort((case,))), tmp_path, True, True, CPU)
    segment(request, Progress())
    segment(dataclasses.replace(request, probabilities=False, uncertainty=False), Progress())
    there = {file.name for file in (tmp_path / case.name).iterdir()}
    assert there == {"segmentation.nii.gz", "segmentation.seg.nrrd", "notes.txt"}
    broken = dataclasses.replace(case, images={"T1": ChannelFile(tmp_path / "gone.nii.gz")})
    failed = dataclasses.replace(request, target=CohortInput(Cohort((broken,))))
    assert segment(failed, Progress()).scans[0].error
    assert [file.name for file in (tmp_path / case.name).iterdir()] == ["notes.txt"]


def test_a_name_that_is_too_long_for_a_folder_is_cut(bundle, cohort, tmp_path):
    case = dataclasses.replace(without_labels(cohort).cases[0], name="脑" * 120)
    request = SegmentRequest(bundle, CohortInput(Cohort((case,))), tmp_path, prediction=CPU)
    (scan,) = segment(request, Progress()).scans
    assert scan.segmentation.parent.name.startswith("脑" * 66 + "-") and scan.segmentation.exists()
    assert find_prediction(tmp_path, case.name) == scan.segmentation


def test_uncompressed_volumes_are_the_same_in_another_file(bundle, cohort, tmp_path):
    case = without_labels(cohort).cases[0]
    request = SegmentRequest(bundle, CohortInput(Cohort((case,))), tmp_path / "packed", True, True, CPU)
    (packed,) = segment(request, Progress()).scans
    (plain,) = segment(
        dataclasses.replace(request, output=tmp_path / "plain", compress=False), Progress()
    ).scans
    assert {plain.uncertainty.name, plain.probabilities.name} == {"uncertainty.nii", "probabilities.nii"}
    for one, other in ((plain.uncertainty, packed.uncertainty), (plain.probabilities, packed.probabilities)):
        for volume, same in zip(read_volumes(one), read_volumes(other), strict=True):
            np.testing.assert_array_equal(volume.array, same.array)
            assert volume.geometry == same.geometry
    segment(dataclasses.replace(request, output=tmp_path / "plain"), Progress())
    there = {file.name for file in plain.uncertainty.parent.iterdir()}
    assert there == {path.name for path in packed.uncertainty.parent.iterdir()}, "none of the former stays"
