"""Rows outlive the choice of a model: which volume serves which channel of which model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from TransferRiskLib.cases.channels import check_covered
from TransferRiskLib.errors import GeometryError
from TransferRiskLib.jobs import events
from TransferRiskLib.models.card_files import card_to_json, read_card
from TransferRiskLib.mrml.nodes import volume_from_node
from TransferRiskLib.session.handover import with_names
from TransferRiskLib.session.row_volumes import volumes_for, with_volume
from TransferRiskLib.session.state import CaseRow


@pytest.mark.parametrize(
    ("channels", "model", "expected"),
    [
        ({"image": "a"}, ("T1",), {"T1": "a"}),
        ({"T1": "a"}, ("FLAIR",), {"FLAIR": "a"}),
        ({"t1": "a", "flair": "b"}, ("T1", "FLAIR"), {"T1": "a", "FLAIR": "b"}),
        ({"T1": "a", "T2": "b"}, ("t2",), {"t2": "b"}),
        ({"T1": "a", "T2": "b"}, ("FLAIR",), {}),
        ({"image": "a"}, ("T1", "FLAIR"), {}),
        ({"T1": "a"}, ("T1", "FLAIR"), {"T1": "a"}),
        ({"T1": "a"}, ("FLAIR", "T2"), {}),
        ({}, ("T1",), {}),
    ],
)
def test_a_channel_takes_its_own_volume_and_the_only_channel_the_only_volume(channels, model, expected):
    assert volumes_for(CaseRow("", "Anna", channels), model) == expected


@pytest.mark.parametrize(
    ("channels", "model", "chosen", "expected"),
    [
        ({"image": "a"}, ("T1",), ("T1", "b"), {"T1": "b"}),
        ({"t1": "a"}, ("T1",), ("T1", "b"), {"T1": "b"}),
        ({"T1": "a"}, ("FLAIR",), ("FLAIR", "b"), {"T1": "a", "FLAIR": "b"}),
        ({"T1": "a"}, ("FLAIR",), ("FLAIR", None), {}),
        ({"image": "a"}, ("T1",), ("T1", None), {}),
        ({"T1": "a", "FLAIR": "b"}, ("FLAIR",), ("FLAIR", None), {"T1": "a"}),
        ({"T1": "a"}, ("T1", "FLAIR"), ("FLAIR", "b"), {"T1": "a", "FLAIR": "b"}),
        ({"T1": "a"}, ("T1", "FLAIR"), ("FLAIR", None), {"T1": "a"}),
    ],
)
def test_a_choice_replaces_what_served_and_leaves_other_models_theirs(channels, model, chosen, expected):
    assert with_volume(CaseRow("", "Anna", channels), model, *chosen) == expected


@pytest.fixture
def models(bundle, tmp_path):
    """Models of the labels anterior and posterior, by what they were trained on."""

    def made(name, *channels):
        path = shutil.copytree(bundle, tmp_path / "models" / name)
        card = card_to_json(read_card(bundle))
        card.update(name=name, channels=list(channels), contrasts=list(channels))
        (path / "configs" / "card.json").write_text(json.dumps(card))
        return path

    return {"T1": made("one", "T1"), "FLAIR": made("two", "FLAIR"), "both": made("both", "T1", "FLAIR")}


@pytest.fixture
def two(stage, models, add_scan):
    """Two complete cases that were added before any model was chosen; the list holds the models."""
    stage.models.set_folder(str(next(iter(models.values())).parent))
    for seed, name in enumerate(("Anna", "Ben")):
        add_scan(name, seed)
    stage.cases.add_from_scene()
    return stage


def lacks(session):
    return [session.cases.missing(row.key) for row in session.cases.rows]


def test_cases_that_were_there_before_the_model_serve_it(two, scene, models, played, finish):
    anna = scene.GetFirstNodeByName("Anna").GetID()
    assert lacks(two) == [[], []]
    two.models.choose(models["T1"])
    assert lacks(two) == [[], []]
    assert two.cases.volumes(two.cases.rows[0].key) == {"T1": anna}
    two.maps.compute()
    finish(two, lambda: bool(played.submitted))
    assert [list(case.images) for case in played.submitted[0][1].target.cohort.cases] == [["T1"], ["T1"]]
    two.jobs.disconnect()
    assert two.adapting.estimate() is not None
    two.models.choose(None)
    assert [dict(row.channels) for row in two.cases.rows] == [
        {"image": scene.GetFirstNodeByName(name).GetID()} for name in ("Anna", "Ben")
    ]


def test_a_model_of_another_contrast_takes_the_rows_and_gives_them_back(stage, models, add_scan):
    stage.models.set_folder(str(models["T1"].parent))
    stage.models.choose(models["T1"])
    volume, _ = add_scan("Anna_T1")
    (key,) = stage.cases.add_from_scene()
    stage.models.choose(models["FLAIR"])
    assert stage.cases.missing(key) == []
    assert stage.cases.remarks(key) == ["two was trained on FLAIR; the volume is named T1."]
    assert stage.models.can_rank() == stage.maps.can_compute() == (True, "")
    other, _ = add_scan("Anna_FLAIR", labelled=False)
    stage.cases.set_channel(key, "FLAIR", other.GetID())
    assert stage.cases.volumes(key) == {"FLAIR": other.GetID()}
    stage.models.choose(models["T1"])
    assert stage.cases.volumes(key) == {"T1": volume.GetID()}
    stage.models.choose(models["both"])
    assert stage.cases.missing(key) == []


def test_models_are_compared_whatever_model_is_chosen(two, models, played, finish):
    two.models.choose(models["both"])
    assert lacks(two) == [["There is no volume for T1.", "There is no volume for FLAIR."]] * 2
    assert two.maps.can_compute()[0] is False
    assert two.models.can_rank() == (True, "")
    two.models.rank()
    finish(two, lambda: bool(played.submitted))
    request = played.submitted[0][1]
    assert set(request.models) >= {models["T1"], models["FLAIR"]} and models["both"] not in request.models
    assert [len(case.images) for case in request.target.cohort.cases] == [1, 1], "one volume, one file"
    (name,) = request.target.cohort.cases[0].images
    asked = {"T1", "FLAIR"} - {name}
    assert {channel: request.target.channels[channel] for channel in asked} == dict.fromkeys(asked, name)


def test_cases_of_two_volumes_are_compared_by_models_of_either_and_of_both(
    stage, models, add_scan, played, finish
):
    stage.models.set_folder(str(models["T1"].parent))
    stage.models.choose(models["both"])
    add_scan("Anna_T1")
    add_scan("Anna_FLAIR", labelled=False)
    stage.cases.add_from_scene()
    stage.models.rank()
    finish(stage, lambda: bool(played.submitted))
    request = played.submitted[0][1]
    assert set(models.values()) <= set(request.models)
    (case,) = request.target.cohort.cases
    assert set(case.images) == {"T1", "FLAIR"} and request.target.channels == {}


def test_scans_to_segment_serve_a_model_of_another_contrast_too(stage, models, add_scan, played, finish):
    stage.models.set_folder(str(models["T1"].parent))
    volume, _ = add_scan("Anna", labelled=False)
    stage.segmenting.add_from_scene()
    (row,) = stage.segmenting.rows
    for name in ("T1", "FLAIR"):
        stage.segmenting.set_model(models[name])
        assert stage.segmenting.volumes(row.key) == {name: volume.GetID()}
        assert stage.segmenting.missing(row.key) == []
    stage.segmenting.segment()
    finish(stage, lambda: bool(played.submitted))
    (case,) = played.submitted[0][1].target.cohort.cases
    assert list(case.images) == ["FLAIR"]


@pytest.mark.parametrize(
    ("shift", "share"),
    [(0.0, None), (1.5, None), (10.0, "50%"), (500.0, "0%")],  # the box is 20 mm wide
)
def test_channels_that_lie_apart_are_said_before_anything_is_started(
    stage, scene, models, add_scan, shift, share
):
    stage.models.set_folder(str(models["both"].parent))
    stage.models.choose(models["both"])
    add_scan("Anna_T1")
    other, _ = add_scan("Anna_FLAIR", labelled=False)
    x, y, z = other.GetOrigin()
    other.SetOrigin(x + shift, y, z)
    (key,) = stage.cases.add_from_scene()
    expected = f"The volume Anna_FLAIR covers {share} of Anna_T1: register the two and resample it first."
    assert stage.cases.missing(key) == ([] if share is None else [expected])
    assert stage.maps.can_compute()[0] is (share is None)


@pytest.mark.parametrize("task", ["map", "adapt"])
def test_a_failure_that_is_about_two_volumes_names_both(stage, models, add_scan, played, task):
    stage.models.set_folder(str(models["both"].parent))
    stage.models.choose(models["both"])
    volume, _ = add_scan("Anna_T1")
    add_scan("Anna_FLAIR", labelled=False)
    stage.cases.add_from_scene()
    if task == "map":
        stage.maps.compute()
    else:
        stage.adapting.start()
    while not played.submitted:
        stage.tick()
    first, other = played.submitted[0][1].target.cohort.cases[0].images.values()
    grid = volume_from_node(volume).geometry
    far = replace(grid, origin=(500.0, 0.0, 0.0))
    with pytest.raises(GeometryError) as raised:  # what the worker would say, had the volume been moved
        check_covered(far, other.path, grid, first.path)
    error = raised.value
    played.say(events.Failed("GeometryError", error.message, error.hint, error.file))
    stage.tick()
    text = stage.jobs.outcome.message
    t1, flair = "Anna_T1 (T1 of Anna)", "Anna_FLAIR (FLAIR of Anna)"
    assert text.startswith(f"{flair}: covers 0% of the box of {t1}; at least 90% is needed.")
    assert f"{t1}: {grid.describe()}" in text and ".nrrd" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/t/x/0001.nrrd: is constant.", "a: is constant."),
        ("beside 0001.nrrd.", "beside a."),
        ("0002.nrrd, '0001.nrrd' and (0001.nrrd)", "0001.nrrd, 'a' and (a)"),
        ("C:\\t\\0001.nrrd: 0003.nrrd", "C:\\t\\0001.nrrd: 0003.nrrd"),
        ("/home/me/0001.nrrd", "/home/me/0001.nrrd"),
        ("scan-0001.nrrd, x.0001.nrrd, 0001.nrrd.gz", "scan-0001.nrrd, x.0001.nrrd, 0001.nrrd.gz"),
        ("10001.nrrd and 0001xnrrd", "10001.nrrd and 0001xnrrd"),
    ],
)  # fmt: skip
def test_files_become_what_they_are_and_nothing_else_changes(text, expected):
    assert with_names(text, {"/t/x/0001.nrrd": "a", "/t/x/0002.nrrd": "0001.nrrd"}) == expected
    assert with_names(text, {}) == text


def test_one_volume_for_two_channels_is_remarked_on(stage, scene, models, add_scan):
    stage.models.set_folder(str(models["both"].parent))
    stage.models.choose(models["both"])
    volume, segmentation = add_scan("Anna")
    key = stage.cases.add("Anna")
    for channel in ("T1", "FLAIR"):
        stage.cases.set_channel(key, channel, volume.GetID())
    stage.cases.set_segmentation(key, segmentation.GetID())
    assert stage.cases.remarks(key) == ["Several channels are one and the same volume: Anna."]
    another, _ = add_scan("Berta", labelled=False)
    stage.cases.set_channel(key, "FLAIR", another.GetID())
    assert stage.cases.remarks(key) == []
