"""Cohorts written down as CSV and JSON lists."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from case_files import GRID, image_values, label_values, labelled_case, put

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile, Cohort
from TransferRiskLib.cases.cohorts import read_cohort, write_cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import check_cohort
from TransferRiskLib.errors import CaseError

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


class TestLists:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_a_csv_has_a_column_a_channel(self, tmp_path, delimiter):
        image(tmp_path / "scans" / "a1.nii.gz")
        image(tmp_path / "scans" / "a2.nii.gz")
        label(tmp_path / "drawn.nii.gz")
        rows = [
            ["Name", "subject", "labels", "T1", "FLAIR"],
            ["case 1", "s1", "drawn.nii.gz", "scans/a1.nii.gz", "scans/a2.nii.gz"],
            ["case 2", "", "", "scans/a1.nii.gz", ""],
            ["", "", "", "", ""],
        ]
        path = tmp_path / "list.csv"
        path.write_text("\ufeff" + "\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8")
        cohort = read_cohort(path, labels=put_json(tmp_path / "labels.json", PARTS))
        assert shown(cohort) == {
            "case 1": ({"T1": "a1.nii.gz", "FLAIR": "a2.nii.gz"}, "drawn.nii.gz"),
            "case 2": ({"T1": "a1.nii.gz"}, None),
        }
        assert [case.group for case in cohort.cases] == ["s1", "case 2"]
        assert read_cohort(path).scheme == cohort.scheme  # labels.json beside the list

    @pytest.mark.parametrize(
        ("header", "twice"),
        [
            ("name,T1,T1", "T1"),
            ("name,T1,t1", "t1"),
            ("name,T1,label,labels", "labels"),
            ("name,Name,T1", "name"),
        ],
    )
    def test_two_columns_for_one_thing_are_refused(self, tmp_path, header, twice):
        image(tmp_path / "a.nii")
        row = ",".join("a.nii" for _ in header.split(","))
        (tmp_path / "list.csv").write_text(f"{header}\n{row}\n")
        with pytest.raises(CaseError, match=f"two columns for '{twice}'"):
            read_cohort(tmp_path / "list.csv")

    def test_channels_that_differ_in_capitals_only_are_refused(self, tmp_path):
        image(tmp_path / "a.nii")
        case = {"name": "c", "images": {"T1": "a.nii", "t1": "a.nii"}}
        with pytest.raises(CaseError, match="names two channels 't1'"):
            read_cohort(put_json(tmp_path / "list.json", [case]))

    def test_a_mask_column_limits_the_annotation(self, tmp_path):
        image(tmp_path / "a.nii")
        label(tmp_path / "l.nii")
        mask = put(tmp_path / "m.nii", np.ones(GRID.shape, np.uint8))
        (tmp_path / "list.csv").write_text("name,labels,mask,T1\na,l.nii,m.nii,a.nii\n")
        assert read_cohort(tmp_path / "list.csv").cases[0].annotation == Annotation(mask=mask)

    @pytest.mark.parametrize(
        ("text", "cause"),
        [
            ("", "has the columns"),
            ("T1\na.nii\n", "has the columns"),
            ("name,labels\nx,a.nii\n", "has the columns"),
            ("name,T1\nx,absent.nii\n", r"absent\.nii: does not exist.*line 2"),
            ("name,T1\n,a.nii\n", "no name in line 2"),
            ("name,T1\nx,\n", "no image for the case 'x'"),
            ("name,T1\nx,a.nii,extra\n", "wrong number of cells in line 2"),
            ("name,T1\nx\n", "wrong number of cells in line 2"),
            ("name,T1\nx,a.nii\nx,a.nii\n", "2 cases named 'x'"),
            ("name,T1\n", "holds no cases"),
        ],
    )
    def test_a_bad_csv_is_refused(self, tmp_path, text, cause):
        image(tmp_path / "a.nii")
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(CaseError, match=cause):
            read_cohort(tmp_path / "list.csv")

    def test_a_cohort_survives_a_round_trip_wherever_it_is_written(self, tmp_path):
        case = labelled_case(tmp_path / "data")
        mask = put(tmp_path / "data" / "m.nii.gz", np.ones(GRID.shape, np.uint8))
        annotation = Annotation(mask, (1, 3), "j", (0.0, 1.0, 2.0, 3.0, 4.0, 5.5), 255)
        cohort = Cohort(
            (
                replace(case, annotation=annotation, subject="s"),
                Case("bare", {"T1": ChannelFile(case.images["T1"].path, 0)}),
            ),
            LabelScheme.of("anterior", "posterior"),
            "study",
        )
        path = tmp_path / "lists" / "deep" / "cohort.json"
        write_cohort(cohort, path)
        assert "../../data/T1.nii.gz" in path.read_text()
        back = read_cohort(path)
        resolved = [{name: file.path.resolve() for name, file in case.images.items()} for case in back.cases]
        assert resolved[0] == {name: file.path.resolve() for name, file in case.images.items()}
        assert back.scheme == cohort.scheme and back.name == "study"
        assert back.cases[0].group == "s" and back.cases[1].group == "bare"
        assert back.cases[0].labels.resolve() == case.labels.resolve()
        assert back.cases[0].annotation.mask.resolve() == mask.resolve()
        assert replace(back.cases[0].annotation, mask=mask) == annotation
        assert back.cases[1].labels is None and back.cases[1].annotation == Annotation()
        check_cohort(back, ("T1",))
        assert read_cohort(path.parent).name == "study"  # the folder of a cohort.json is the cohort

    def test_a_json_list_may_be_short(self, tmp_path):
        image(tmp_path / "a.nii")
        put_json(tmp_path / "labels.json", PARTS)
        document = {"cases": [{"name": "a", "images": {"T1": "a.nii"}}], "labels": "labels.json"}
        cohort = read_cohort(put_json(tmp_path / "list.json", document))
        assert shown(cohort) == {"a": ({"T1": "a.nii"}, None)}
        assert len(cohort.scheme) == 3
        bare = read_cohort(put_json(tmp_path / "bare.json", document["cases"]))
        assert shown(bare) == shown(cohort)

    @pytest.mark.parametrize(
        ("entry", "cause"),
        [
            ({"name": "a"}, "no images for case 0"),
            ({"name": "a", "images": {}}, "no image for the case 'a'"),
            ({"images": {"T1": "a.nii"}}, "no name in case 0"),
            ({"name": "a", "images": {"T1": "b.nii"}}, r"b\.nii: does not exist"),
            ({"name": "a", "images": {"T1": 3}}, "not a list of cases"),
            ({"name": "a", "images": {"T1": "a.nii"}, "lables": "a.nii"}, "unknown field 'lables'"),
            ({"name": "a", "images": {"T1": "a.nii"}, "annotation": {"axis": "z"}}, "annotation.axis"),
            ({"name": "a", "images": {"T1": "a.nii"}, "labels": 3}, "labels must be a text"),
        ],
    )
    def test_a_bad_json_list_is_refused(self, tmp_path, entry, cause):
        image(tmp_path / "a.nii")
        with pytest.raises(CaseError, match=cause):
            read_cohort(put_json(tmp_path / "list.json", {"cases": [entry]}))

    def test_text_that_is_no_json_is_refused(self, tmp_path):
        (tmp_path / "list.json").write_text("[{")
        with pytest.raises(CaseError, match="not valid JSON"):
            read_cohort(tmp_path / "list.json")
