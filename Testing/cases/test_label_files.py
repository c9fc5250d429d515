"""Label schemes from dataset.json, ITK-SNAP and simple JSON files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from TransferRiskLib.cases.label_files import read_label_scheme, scheme_to_json, unlabelled_value_of
from TransferRiskLib.cases.labels import UNLABELLED, Label, LabelMapping, LabelScheme
from TransferRiskLib.errors import LabelError

SNAP = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0   51        1  1  1    "Label 1"
    7     0  204    0        1  1  0    "white matter"
"""


def put_json(path, document):
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def pairs(scheme):
    return [(label.name, label.value) for label in scheme.labels]


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "background", "1": "Anterior", "2": "Posterior"},
        {"background": 0, "Anterior": 1, "Posterior": 2},
        {"background": "0", "Anterior": "1", "Posterior": "2"},
        {"Anterior": 1, "Posterior": 2},
        {"Posterior": 2, "Anterior": 1, "ignore": 3, "background": 0},
        [{"name": "Anterior", "value": 1}, {"name": "Posterior", "value": 2}],
    ],
    ids=["Decathlon", "nnU-Net", "text values", "no background", "ignore", "list"],
)
def test_labels_of_a_dataset_json_have_names_and_values(tmp_path, labels):
    scheme = read_label_scheme(put_json(tmp_path / "dataset.json", {"name": "x", "labels": labels}))
    assert scheme.labels[0].name == "background" and scheme.labels[0].value == 0
    assert sorted(pairs(scheme)[1:]) == [("Anterior", 1), ("Posterior", 2)]
    assert len({label.colour for label in scheme.labels}) == 3


def test_simple_json_may_hold_the_labels_alone(tmp_path):
    scheme = read_label_scheme(put_json(tmp_path / "labels.json", {"background": 0, "lesion": 4}))
    assert pairs(scheme) == [("background", 0), ("lesion", 4)]


def test_a_scheme_survives_a_round_trip(tmp_path):
    scheme = LabelScheme(
        (
            Label("Background", 3, (0.0, 0.0, 0.1)),
            Label("Läsion", 0, (0.25, 0.5, 1.0), "SCT:52988006 Lesion"),
            Label("edema", 17),
        )
    )
    (tmp_path / "labels.json").write_text(json.dumps({"labels": scheme_to_json(scheme)}), encoding="utf-8")
    assert read_label_scheme(tmp_path / "labels.json") == scheme


def test_an_itksnap_file_gives_names_values_and_colours(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text(SNAP)
    scheme = read_label_scheme(path)
    assert pairs(scheme) == [("background", 0), ("Label 1", 1), ("white matter", 7)]
    assert scheme.labels[1].colour == (1.0, 0.0, 0.2)


def test_nnunets_ignore_label_is_the_unlabelled_value():
    assert unlabelled_value_of({"labels": {"background": 0, "x": 1, "ignore": 2}}) == 2
    assert unlabelled_value_of({"labels": {"background": 0, "x": 1}}) is None


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        ({"background": 0, "whole": [1, 2], "core": 2}, "region-based labels.*'whole'.*not supported"),
        ({"background": 0, "a": 1, "b": 1}, "share the value"),
        ({"background": 0, "a": 1, "A": 2}, "share the name"),
        ({"clear": 0, "a": 1}, "value 0 'clear'; no label is the background"),
        ({"background": 0, "a": 1.5}, "no whole number"),
        ({"background": 0, "a": "one"}, "no whole number"),
        ({}, "describes no labels"),
        ("lesion", "describes no labels"),
        ([{"name": "a"}], "no whole number as value"),
        ([{"value": 1}], "no name for label number 0"),
        ([{"name": "a", "value": 1, "colour": [255, 0, 0]}], "the colour"),
        ([{"name": "a", "value": 1, "hue": 3}], "unknown field 'hue'"),
    ],
)
def test_contradictory_labels_are_refused(tmp_path, labels, cause):
    path = put_json(tmp_path / "dataset.json", {"labels": labels})
    with pytest.raises(LabelError, match=cause) as caught:
        read_label_scheme(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("a.json", b"{", "not valid JSON"),
        ("a.txt", b"lesion = 1\n", "no ITK-SNAP label"),
        ("a.label", b"# nothing\n", "describes no labels"),
        ("a.label", b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, cause):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelError, match=cause):
        read_label_scheme(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LabelError, match="does not exist"):
        read_label_scheme(tmp_path / "absent.json")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_values_are_encoded_and_decoded(dtype):
    scheme = LabelScheme((Label("background", 0), Label("a", 30), Label("b", 7)))
    values = np.array([[0, 30], [7, 99]], dtype=dtype)
    indices = scheme.encode(values, unlabelled_value=99)
    assert indices.dtype == np.int16
    np.testing.assert_array_equal(indices, [[0, 1], [2, UNLABELLED]])
    np.testing.assert_array_equal(scheme.decode(np.array([0, 1, 2])), [0, 30, 7])
    with pytest.raises(LabelError, match="no label has: 99"):
        scheme.encode(values)


def test_values_that_span_a_wide_range_are_encoded():
    scheme = LabelScheme((Label("background", 0), Label("a", 1_000_000), Label("b", -5)))
    values = np.array([-5, 1_000_000, 0], dtype=np.int32)
    np.testing.assert_array_equal(scheme.encode(values), [2, 1, 0])


def test_a_mapping_leaves_unlabelled_voxels_alone():
    mapping = LabelMapping(LabelScheme.of("a", "b"), LabelScheme.of("c"), {"a": "c", "b": None})
    np.testing.assert_array_equal(mapping.apply(np.array([-1, 0, 1, 2])), [-1, 0, 1, -1])
