"""Every task on real files, from request to result."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tiny_training import tiny_model
from told import Told

from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.case import ChannelFile, Cohort
from TransferRiskLib.cases.load import load_case
from TransferRiskLib.cases.segmentation_files import write_labelmap, write_seg_nrrd
from TransferRiskLib.errors import (
    Cancelled,
    CaseError,
    DeviceError,
    ImageError,
    LabelError,
    SettingsError,
    StorageError,
)
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.composite import EepAveraged
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.evaluate import evaluate, find_prediction
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
from TransferRiskLib.tasks.results import AdaptResult
from TransferRiskLib.tasks.segment import segment
from TransferRiskLib.volumes.io import read_header, read_volume, write_volume

CPU = PredictionSettings(device="cpu", overlap=0.0)
BRIEF = {
    "steps": 4,
    "probe_steps": 2,
    "validate_every": 2,
    "augmentation": AugmentationSettings.off(),
    "batch_size": 1,
}


def without_labels(cohort: Cohort) -> Cohort:
    return Cohort(tuple(dataclasses.replace(case, labels=None) for case in cohort.cases))


def reference_statistics(bundle: Path, cohort: Cohort):
    """Joint, conditional and the risk of the first case, by plain NumPy in float64."""
    model = open_model(bundle)
    joint = np.zeros((5, 4))
    risks = []
    loaded = [load_case(case, ("T1",), scheme=cohort.scheme) for case in cohort.cases]
    states = [predict_states(model, case, CPU).astype(np.float64) for case in loaded]
    for case, theta in zip(loaded, states, strict=True):
        for y in range(5):
            joint[y] += theta[:, case.labels == y].sum(axis=1)
    conditional = joint / joint.sum(axis=0)
    for case, theta in zip(loaded, states, strict=True):
        eep = np.einsum("yz,zkji->ykji", conditional, theta)
        risks.append(-np.log(np.take_along_axis(eep, case.labels[None].astype(int), 0)[0]))
    prior = joint.sum(axis=1) / joint.sum()
    entropy = -(prior * np.log(prior)).sum()
    leep = -np.concatenate([risk.ravel() for risk in risks]).mean()
    return joint, risks, prior, leep, (leep + entropy) / entropy


def test_map_agrees_with_a_float64_reference_on_the_image_grid(bundle, cohort, tmp_path):
    result = map_risk(MapRequest(bundle, CohortInput(cohort), tmp_path, prediction=CPU), Progress())
    joint, risks, prior, leep, normalised = reference_statistics(bundle, cohort)
    saved = json.loads(result.statistics.read_text())
    np.testing.assert_allclose(saved["joint"], joint, rtol=1e-9)
    assert result.score.leep == pytest.approx(leep, abs=1e-6)
    assert result.score.normalised == pytest.approx(normalised, abs=1e-6)
    for case, maps, risk in zip(cohort.cases, result.cases, risks, strict=True):
        written = read_volume(maps.maps["risk"])
        assert written.geometry.difference(read_header(case.images["T1"].path).geometry) is None
        assert written.array.dtype == np.float32
        np.testing.assert_allclose(written.array, risk, atol=2e-6)
        labels = read_volume(case.labels).array
        gain = read_volume(maps.maps["gain"]).array
        np.testing.assert_allclose(gain, -risk - np.log(prior)[labels], atol=1e-5)
        spot = np.linalg.inv(written.geometry.index_to_lps) @ [*maps.worst_lps, 1]
        i, j, k = np.rint(spot[:3]).astype(int)
        assert written.array[k, j, i] > np.median(risk)
    rows = {(row.case, row.label): row for row in result.risk}
    first = risks[0]
    assert rows[cohort.cases[0].name, "all"].mean == pytest.approx(first.mean(), rel=1e-5)
    with result.summary.open() as handle:
        assert len(list(csv.DictReader(handle))) == len(result.risk)


def test_uncompressed_maps_are_the_same_in_another_file(bundle, cohort, tmp_path):
    given = CohortInput(dataclasses.replace(cohort, cases=cohort.cases[:1]))
    packed, plain = (
        map_risk(
            MapRequest(bundle, given, tmp_path / str(compress), prediction=CPU, compress=compress), Progress()
        ).cases[0]
        for compress in (True, False)
    )
    assert list(plain.maps) == list(packed.maps) and len(plain.maps) == 5
    for kind, path in plain.maps.items():
        assert (path.name, packed.maps[kind].name) == (f"{kind}.nii", f"{kind}.nii.gz")
        one, other = read_volume(path), read_volume(packed.maps[kind])
        np.testing.assert_array_equal(one.array, other.array)
        assert one.geometry.difference(other.geometry) is None and one.array.dtype == other.array.dtype
        assert path.stat().st_size == 352 + one.array.nbytes
    assert sorted(path.name for path in plain.maps["risk"].parent.iterdir()) == sorted(
        path.name for path in plain.maps.values()
    )


def test_one_map_that_cannot_be_written_ends_the_task(bundle, cohort, tmp_path):
    given = CohortInput(dataclasses.replace(cohort, cases=cohort.cases[:1]))
    (tmp_path / cohort.cases[0].name / "gain.nii.gz" / "in-the-way").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"gain\.nii\.gz"):
        map_risk(MapRequest(bundle, given, tmp_path, prediction=CPU), Progress())
    assert not list(tmp_path.rglob(".writing-*"))


def test_maps_without_labels_need_statistics_and_give_the_expected_risk(bundle, cohort, tmp_path):
    scans = CohortInput(without_labels(cohort))
    with pytest.raises(LabelError, match="No case has labels"):
        map_risk(MapRequest(bundle, scans, tmp_path / "none", prediction=CPU), Progress())
    known = map_risk(MapRequest(bundle, CohortInput(cohort), tmp_path / "a", prediction=CPU), Progress())
    request = MapRequest(bundle, scans, tmp_path / "b", statistics=known.statistics, prediction=CPU)
    result = map_risk(request, Progress())
    assert result.score is None and set(result.cases[0].maps) == {"expected-risk", "eep-segmentation"}
    for one, other in zip(known.cases, result.cases, strict=True):
        for kind in other.maps:
            np.testing.assert_array_equal(
                read_volume(one.maps[kind]).array, read_volume(other.maps[kind]).array
            )


def test_no_map_of_an_earlier_run_passes_for_one_of_the_new_statistics(bundle, cohort, tmp_path):
    everything = MapRequest(bundle, CohortInput(cohort), tmp_path, prediction=CPU)
    map_risk(everything, Progress())
    map_risk(dataclasses.replace(everything, maps=("risk",)), Progress())
    assert [file.name for file in (tmp_path / cohort.cases[0].name).iterdir()] == ["risk.nii.gz"]


def test_statistics_of_another_model_with_the_same_labels_are_refused(bundle, cohort, tmp_path):
    model = tiny_model("CSF", "GM", "WM", seed=7)
    card = open_model(bundle).card
    other = save_bundle(tmp_path / "other", card, model.network, model.config)
    known = map_risk(MapRequest(bundle, CohortInput(cohort), tmp_path / "a", prediction=CPU), Progress())
    scans = CohortInput(without_labels(cohort))
    request = MapRequest(other, scans, tmp_path / "b", statistics=known.statistics, prediction=CPU)
    with pytest.raises(SettingsError, match=r"statistics\.json: holds statistics of the outputs of another"):
        map_risk(request, Progress())
    anonymous = json.loads(known.statistics.read_text())
    del anonymous["model"]
    known.statistics.write_text(json.dumps(anonymous))
    assert map_risk(request, Progress()).cases


def test_rank_sorts_models_and_maps_channels_of_each(bundle, cohort, tmp_path):
    import shutil

    twin = tmp_path / "twin"
    shutil.copytree(bundle, twin)
    card = json.loads((twin / "configs" / "card.json").read_text())
    card["channels"], card["name"] = ["FLAIR"], "twin"
    (twin / "configs" / "card.json").write_text(json.dumps(card))
    target = CohortInput(cohort, channels={"FLAIR": "T1"})
    result = rank(RankRequest((bundle, twin), target, tmp_path / "out", CPU), Progress())
    assert {score.model for score in result.scores} == {"tiny tissue", "twin"}
    assert result.scores[0].normalised == pytest.approx(result.scores[1].normalised, abs=1e-9)
    _, _, _, leep, _ = reference_statistics(bundle, cohort)
    assert result.scores[0].leep == pytest.approx(leep, abs=1e-6)
    with pytest.raises(SettingsError, match="No model has a channel 'CT'"):
        wrong = CohortInput(cohort, channels={"CT": "T1", "FLAIR": "T1"})
        rank(RankRequest((bundle, twin), wrong, tmp_path / "wrong", CPU), Progress())


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


class StopInStage(Progress):
    """Asks to stop some steps into the stage of that name."""

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(lambda: self.current == name and self.steps >= steps)
        self.current, self.steps = "", 0

    def stage(self, name: str, total: int | None = None) -> None:
        self.current, self.steps = name, 0

    def step(self, advance: int = 1, message: str = "") -> None:
        self.steps += advance


def test_an_adaptation_cancelled_in_every_part_resumes_to_the_same_model(bundle, cohort, tmp_path):
    settings = preset_settings("recommended", **BRIEF)
    whole = adapt(AdaptRequest(bundle, CohortInput(cohort), tmp_path / "whole", settings, CPU), Progress())
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path / "parts", settings, CPU)
    for stage in ("Fold 2", "From scratch 1", "Final training"):
        with pytest.raises(Cancelled):
            adapt(request, StopInStage(stage, 2))
    resumed = adapt(request, Progress())
    assert resumed.resumed and not whole.resumed
    one, other = (open_model(result.bundle).network.state_dict() for result in (whole, resumed))
    assert all(bool((one[name] == other[name]).all()) for name in one)
    assert (resumed.validation, resumed.audit, resumed.eep_weight) == (
        whole.validation,
        whole.audit,
        whole.eep_weight,
    )


def test_a_folder_with_another_adaptation_is_refused_unless_restarted(bundle, cohort, tmp_path):
    first = AdaptRequest(bundle, CohortInput(cohort), tmp_path, preset_settings("plain", **BRIEF), CPU)
    done = adapt(first, Progress())
    assert adapt(first, Progress()) == done, "a complete run is not repeated"
    other = dataclasses.replace(first, settings=preset_settings("paper", **BRIEF))
    with pytest.raises(SettingsError, match="another adaptation"):
        adapt(other, Progress())
    again = adapt(dataclasses.replace(other, restart=True), Progress())
    assert from_json(AdaptResult, to_json(again)) == again


@pytest.mark.parametrize("theirs", ["bundle/model.txt", "work/notes.txt", "result.json"])
@pytest.mark.parametrize("restart", [False, True])
def test_what_no_adaptation_has_made_is_never_replaced(bundle, cohort, tmp_path, theirs, restart):
    file = tmp_path / theirs
    file.parent.mkdir(exist_ok=True)
    file.write_text("somebody's")
    settings = preset_settings("plain", **BRIEF)
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU, restart=restart)
    with pytest.raises(SettingsError, match="is there already"):
        adapt(request, Progress())
    assert file.read_text() == "somebody's"


def test_the_source_model_is_not_replaced_by_its_own_adaptation(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    first = adapt(AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU), Progress())
    again = AdaptRequest(first.bundle, CohortInput(cohort), tmp_path, settings, CPU, restart=True)
    with pytest.raises(SettingsError, match="is the source model itself"):
        adapt(again, Progress())
    assert open_model(first.bundle).card.labels.names == cohort.scheme.names


def test_a_request_saved_into_the_output_folder_stays_what_it_is(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU)
    saved = tmp_path / "request.json"
    saved.write_text(json.dumps(to_json(request)))
    done = adapt(request, Progress())
    assert adapt(from_json(AdaptRequest, json.loads(saved.read_text())), Progress()) == done


def test_a_finished_run_is_found_where_it_lies_and_anew_where_its_model_is_gone(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path / "run", settings, CPU)
    adapt(request, Progress())
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = dataclasses.replace(request, output=tmp_path / "moved")
    result = adapt(moved, Progress())
    assert result.bundle == tmp_path / "moved" / "bundle" and result.history.is_file()
    result.bundle.rename(tmp_path / "taken away")
    assert adapt(moved, Progress()).bundle.is_dir()


def test_the_card_of_an_adapted_model_says_what_it_was_trained_on(bundle, cohort, tmp_path):
    cases = tuple(dataclasses.replace(case, images={"T2": case.images["T1"]}) for case in cohort.cases)
    target = CohortInput(Cohort(cases, cohort.scheme), channels={"t1": "T2"})
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    result = adapt(AdaptRequest(bundle, target, tmp_path, settings, CPU), Progress())
    card = open_model(result.bundle).card
    assert (card.channels, card.contrasts, result.channels) == (("T1",), ("T2",), {"t1": "T2"})


def test_one_scan_under_two_names_is_never_on_both_sides(bundle, cohort, tmp_path):
    same = dataclasses.replace(cohort.cases[0], name="again")
    cases = CohortInput(Cohort((cohort.cases[0], same), cohort.scheme))
    settings = preset_settings("plain", **{**BRIEF, "folds": 2})
    progress = Told()
    result = adapt(AdaptRequest(bundle, cases, tmp_path, settings, CPU), progress)
    assert result.validation == {}, "nothing can be held out"
    assert "again have the same images" in progress.warnings[0]
    assert any("Validation needs at least two subjects" in text for text in progress.warnings)


def test_labels_that_were_corrected_make_another_adaptation(bundle, cohort, tmp_path):
    case = cohort.cases[0]
    own = tmp_path / "labels.nii.gz"
    own.write_bytes(case.labels.read_bytes())
    cases = Cohort((dataclasses.replace(case, labels=own),), cohort.scheme)
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cases), tmp_path / "run", settings, CPU)
    first = adapt(request, Progress())
    assert adapt(request, Progress()) == first
    labels = read_volume(own)
    labels.array[labels.array == 4] = 2
    write_volume(labels, own)
    with pytest.raises(SettingsError, match="files that have changed since"):
        adapt(request, Progress())


def test_a_folder_that_a_run_is_writing_into_is_refused(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU)

    class Second(Progress):
        refused = False

        def metrics(self, step, values):
            with pytest.raises(StorageError, match="another run is writing into it"):
                adapt(request, Progress())
            self.refused = True

    progress = Second()
    assert adapt(request, progress).bundle.is_dir() and progress.refused
    assert not list(tmp_path.glob(".*"))


def test_an_adaptation_that_failed_before_it_began_leaves_its_folder_free(bundle, cohort, tmp_path):
    wrong = preset_settings("plain", **BRIEF, patch_size=(7, 7, 7))
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, wrong, CPU)
    with pytest.raises(SettingsError, match="not divisible"):
        adapt(request, Progress())
    right = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    assert adapt(dataclasses.replace(request, settings=right), Progress()).bundle.is_dir()


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


def test_torchscript_sources_are_mapped_and_adapted(bundle, cohort, tmp_path):
    script = bundle / "models" / "model.ts"
    settings = preset_settings("recommended", **{**BRIEF, "folds": 0, "eep_weight": 0.5})
    result = adapt(AdaptRequest(script, CohortInput(cohort), tmp_path, settings, CPU), Progress())
    model = open_model(result.bundle)
    assert model.card.labels.names == cohort.scheme.names
    loaded = load_case(cohort.cases[0], ("T1",), scheme=cohort.scheme)
    assert predict_states(model, loaded, CPU).shape[0] == 5
