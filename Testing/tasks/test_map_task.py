"""Risk maps and rankings on real files, by a float64 reference."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from small_adaptations import CPU, without_labels
from tiny_training import tiny_model

from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.load import load_case
from TransferRiskLib.errors import (
    LabelError,
    SettingsError,
    StorageError,
)
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.map import map_risk
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import CohortInput, MapRequest, RankRequest
from TransferRiskLib.volumes.io import read_header, read_volume


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
