"""All tasks on real files, from request to result, and requests that cannot work."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from small_adaptations import BRIEF, CPU, without_labels

from TransferRiskLib.adaptation.settings import preset_settings
from TransferRiskLib.cases.case import ChannelFile, Cohort
from TransferRiskLib.cases.segmentation_files import write_labelmap, write_seg_nrrd
from TransferRiskLib.errors import (
    CaseError,
    DeviceError,
    ImageError,
    StorageError,
)
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.composite import EepAveraged
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.evaluate import evaluate
from TransferRiskLib.tasks.map import map_risk
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import (
    AdaptRequest,
    CohortInput,
    EvaluateRequest,
    MapRequest,
    RankRequest,
    SegmentRequest,
)
from TransferRiskLib.tasks.segment import segment
from TransferRiskLib.volumes.io import read_header, read_volume, write_volume


def test_adapt_segment_evaluate_from_end_to_end(bundle, cohort, tmp_path):
    settings = preset_settings("recommended", **BRIEF, eep_weight=0.5)
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path / "adapted", settings, CPU)
    result = adapt(request, Progress())
    assert {row.label for row in result.audit} <= set(cohort.scheme.names)
    assert set(result.validation) == {"CSF", "GM", "WM", "lesion"}
    model = open_model(result.bundle)
    assert isinstance(model.network, EepAveraged)
    assert model.card.labels.names == cohort.scheme.names
    provenance = json.loads((result.bundle / "configs" / "provenance.json").read_text())
    assert provenance["models"][0]["name"] == "tiny tissue" and len(provenance["cases"]) == 3
    assert "3 labelled cases" in (result.bundle / "docs" / "README.md").read_text()
    assert not (tmp_path / "adapted" / "work").exists()

    scans = CohortInput(without_labels(cohort))
    ask = SegmentRequest(result.bundle, scans, tmp_path / "scans", probabilities=True, prediction=CPU)
    segmented = segment(ask, Progress())
    for case, scan in zip(cohort.cases, segmented.scans, strict=True):
        assert scan.error is None
        geometry = read_header(case.images["T1"].path).geometry
        for path in (scan.labelmap, scan.uncertainty):
            assert read_header(path).geometry.difference(geometry) is None
        assert read_header(scan.probabilities).components == 5
    metrics = evaluate(EvaluateRequest(tmp_path / "scans", CohortInput(cohort), tmp_path / "m"), Progress())
    assert set(metrics.dice) == {"CSF", "GM", "WM", "lesion", "all"}
    prediction = read_volume(segmented.scans[0].labelmap).array
    truth = read_volume(cohort.cases[0].labels).array
    both, sizes = ((prediction == 2) & (truth == 2)).sum(), (prediction == 2).sum() + (truth == 2).sum()
    with metrics.table.open() as handle:
        row = next(
            r for r in csv.DictReader(handle) if r["case"] == cohort.cases[0].name and r["label"] == "GM"
        )
    assert float(row["dice"]) == pytest.approx(2 * both / sizes)


@pytest.mark.parametrize("name", ["segmentation.nii.gz", "segmentation.seg.nrrd"])
def test_evaluate_merges_the_labels_of_predictions_as_those_of_the_cases(cohort, tmp_path, name):
    """The truth as prediction agrees with itself whatever is merged: values without names are the cases'."""
    case = cohort.cases[0]
    truth = read_volume(case.labels)
    indices = cohort.scheme.encode(truth.array)
    write = write_seg_nrrd if name.endswith(".seg.nrrd") else write_labelmap
    write(indices, truth.geometry, cohort.scheme, tmp_path / "p" / case.name / name)
    merge = {"CSF": "background", "GM": "brain", "WM": "brain", "lesion": None}
    target = CohortInput(Cohort((case,), cohort.scheme), merge=merge)
    assert evaluate(EvaluateRequest(tmp_path / "p", target, tmp_path / "m"), Progress()).dice["brain"] == 1
    swapped = {"CSF": "GM", "GM": "CSF", "WM": "background", "lesion": "background"}
    if not name.endswith(".seg.nrrd"):
        target = dataclasses.replace(target, merge=swapped)
        assert evaluate(EvaluateRequest(tmp_path / "p", target, tmp_path / "s"), Progress()).dice["all"] == 1


def test_an_output_folder_that_cannot_be_is_a_storage_error(bundle, cohort, tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    target = CohortInput(cohort)
    for task, request in (
        (rank, RankRequest((bundle,), target, file, CPU)),
        (map_risk, MapRequest(bundle, target, file, prediction=CPU)),
        (map_risk, MapRequest(bundle, target, file / "below", prediction=CPU)),
        (adapt, AdaptRequest(bundle, target, file, preset_settings("plain", **BRIEF), CPU)),
        (segment, SegmentRequest(bundle, target, file, prediction=CPU)),
    ):
        with pytest.raises(StorageError, match="choose another one"):
            task(request, Progress())
    assert file.read_text() == "no folder"


@pytest.mark.parametrize("names", [("p:1", "p_1"), ("anna", "Anna")])
def test_cases_whose_results_would_overwrite_one_another_are_refused(bundle, cohort, tmp_path, names):
    cases = tuple(
        dataclasses.replace(case, name=name) for case, name in zip(cohort.cases, names, strict=False)
    )
    target = CohortInput(Cohort(cases, cohort.scheme))
    with pytest.raises(CaseError, match="would go into one folder"):
        segment(SegmentRequest(bundle, target, tmp_path / "out", prediction=CPU), Progress())
    with pytest.raises(CaseError, match="would go into one folder"):
        map_risk(MapRequest(bundle, target, tmp_path / "out", prediction=CPU), Progress())
    with pytest.raises(CaseError, match="would go into one folder"):
        evaluate(EvaluateRequest(tmp_path, target, tmp_path / "out"), Progress())
    assert not (tmp_path / "out").exists()


def test_requests_that_cannot_work_are_refused_before_any_work(bundle, cohort, tmp_path):
    unlabelled = CohortInput(without_labels(cohort))
    with pytest.raises(CaseError, match="has no labels"):
        adapt(AdaptRequest(bundle, unlabelled, tmp_path / "a"), Progress())
    with pytest.raises(CaseError, match="no channel 'T2'"):
        adapt(AdaptRequest(bundle, CohortInput(cohort, {"T1": "T2"}), tmp_path / "b"), Progress())
    with pytest.raises(CaseError, match="There are no cases"):
        map_risk(MapRequest(bundle, CohortInput(Cohort(())), tmp_path / "c"), Progress())
    twice = CohortInput(Cohort((cohort.cases[0], cohort.cases[0]), cohort.scheme))
    with pytest.raises(CaseError, match="Two cases are called"):
        map_risk(MapRequest(bundle, twice, tmp_path / "d"), Progress())
    assert not any(tmp_path.iterdir()), "nothing is written for a request that cannot work"


def test_a_device_that_is_not_there_is_said_before_any_case_is_read(bundle, cohort, tmp_path, monkeypatch):
    def read(*_, **__):
        raise AssertionError("a case was read")

    monkeypatch.setattr("TransferRiskLib.tasks.target.load_case", read)
    target, nowhere = CohortInput(cohort), PredictionSettings(device="cuda:9999")
    for task, request in (
        (rank, RankRequest((bundle,), target, tmp_path, nowhere)),
        (map_risk, MapRequest(bundle, target, tmp_path, prediction=nowhere)),
        (adapt, AdaptRequest(bundle, target, tmp_path, preset_settings("plain"), nowhere)),
        (segment, SegmentRequest(bundle, target, tmp_path, prediction=nowhere)),
    ):
        with pytest.raises(DeviceError, match="CUDA"):
            task(request, Progress())


def test_a_broken_last_case_is_found_before_the_first_is_predicted(bundle, cohort, tmp_path, monkeypatch):
    image = read_volume(cohort.cases[2].images["T1"].path)
    image.array[3, 3, 3] = np.nan
    write_volume(image, tmp_path / "hole.nrrd")
    bad = dataclasses.replace(cohort.cases[2], images={"T1": ChannelFile(tmp_path / "hole.nrrd")})
    target = CohortInput(Cohort((*cohort.cases[:2], bad), cohort.scheme))

    def predicted(*_):
        raise AssertionError("a case was predicted")

    monkeypatch.setattr("TransferRiskLib.tasks.stored_states.predict_states", predicted)
    for task, request in (
        (map_risk, MapRequest(bundle, target, tmp_path / "map", prediction=CPU)),
        (rank, RankRequest((bundle,), target, tmp_path / "rank", CPU)),
    ):
        with pytest.raises(ImageError, match=r"hole\.nrrd: holds 1 voxels that are not numbers"):
            task(request, Progress())
    assert not (tmp_path / "map").exists() and not (tmp_path / "rank").exists()
