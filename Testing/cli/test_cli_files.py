"""The command line on real files: cohorts as they lie in folders, saved requests, single scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.case import ChannelFile
from TransferRiskLib.cli.main import main
from TransferRiskLib.tasks.results import MapResult, SegmentResult


def write_image(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture
def scans(models: Path) -> Path:
    """`images/anna.nii.gz` with `labels/anna.nii.gz`, of which nobody says what the values mean."""
    values = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    write_image(models / "scans" / "images" / "anna.nii.gz", values)
    write_image(models / "scans" / "labels" / "anna.nii.gz", (values > 60).astype(np.uint8))
    (models / "names.json").write_text('{"background": 0, "lesion": 1}', encoding="utf-8")
    return models / "scans"


def test_files_without_a_channel_name_get_the_model_s(scans: Path, replace_task: Any) -> None:
    got: list[Any] = []
    result = MapResult(None, Path("s.json"), Path("s.csv"), ())
    replace_task("map:map_risk", lambda request, progress: got.append(request) or result)
    assert run("map t1_model --cases scans --labels names.json -o out --save-request r.json") == 0
    (case,) = got[0].target.cohort.cases
    assert case.images == {"T1": ChannelFile(Path("scans/images/anna.nii.gz"))}
    assert got[0].target.cohort.scheme.names == ("background", "lesion")
    assert main(["map", "--request", "r.json"]) == 0
    assert got[1] == got[0]


def test_one_scan_is_segmented_under_its_own_name(scans: Path, replace_task: Any) -> None:
    got: list[Any] = []
    replace_task("segment:segment", lambda request, progress: got.append(request) or SegmentResult(()))
    assert run("segment t1_model --cases scans/images/anna.nii.gz -o out") == 0
    assert run("segment t1_model --channel T1=scans/images/anna.nii.gz -o out") == 0
    for request in got:
        (case,) = request.target.cohort.cases
        assert (case.name, case.images) == ("anna", {"T1": ChannelFile(Path("scans/images/anna.nii.gz"))})


def test_an_absent_folder_is_a_case_error(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("map t1_model --cases nowhere -o out") == 5
    assert capsys.readouterr().err.startswith("error: nowhere: does not exist.")
