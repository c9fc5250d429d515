"""Options of the command line become exactly the request that the task gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from TransferRiskLib.adaptation.settings import preset_settings
from TransferRiskLib.cases.case import ChannelFile, Cohort
from TransferRiskLib.cli.main import main
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.tasks.requests import (
    AdaptRequest,
    CohortInput,
    DemoRequest,
    EvaluateRequest,
    MapRequest,
    RankRequest,
    SegmentRequest,
)
from TransferRiskLib.tasks.results import (
    AdaptResult,
    DemoResult,
    EvaluateResult,
    MapResult,
    RankResult,
    SegmentResult,
)

TASKS = {
    "rank": ("rank:rank", RankResult((), Path("ranking.csv"))),
    "map": ("map:map_risk", MapResult(None, Path("s.json"), Path("s.csv"), ())),
    "adapt": ("adapt:adapt", AdaptResult(Path("out/bundle"), Path("history.csv"))),
    "segment": ("segment:segment", SegmentResult(())),
    "evaluate": ("evaluate:evaluate", EvaluateResult({}, Path("metrics.csv"))),
    "demo": ("demo:demo", DemoResult(Path("findings.json"), {})),
}


@pytest.fixture
def requested(replace_task: Any, models: Path, cohort_calls: list) -> Any:
    """Run a command line whose tasks are recorded; the request that the task got."""

    def run(text: str) -> Any:
        got = []
        for task, result in TASKS.values():
            replace_task(task, lambda request, progress, result=result: got.append(request) or result)
        assert main(text.split()) == 0
        return got[0]

    return run


def test_rank_needs_the_channels_of_all_models_by_the_names_of_the_cases(
    requested: Any, cohort_calls: list, cohort: Cohort
) -> None:
    request = requested(
        "rank t1_model two_model --cases scans --labels l.json --channel T1=T2 -o out --device cpu --mirror"
    )
    assert request == RankRequest(
        (Path("t1_model"), Path("two_model")),
        CohortInput(cohort, {"T1": "T2"}),
        Path("out"),
        PredictionSettings(device="cpu", mirror=True),
    )
    assert cohort_calls == [{"path": Path("scans"), "channels": ("T2", "FLAIR"), "labels": Path("l.json")}]


def test_defaults_are_those_of_the_records(requested: Any, cohort: Cohort) -> None:
    target = CohortInput(cohort)
    assert requested("map t1_model --cases c -o out") == MapRequest(Path("t1_model"), target, Path("out"))
    assert requested("adapt t1_model --cases c -o out") == AdaptRequest(Path("t1_model"), target, Path("out"))
    assert requested("segment t1_model --cases c -o out") == SegmentRequest(
        Path("t1_model"), target, Path("out")
    )
    assert requested("demo -o out") == DemoRequest(Path("out"))


def test_map_options(requested: Any, cohort: Cohort) -> None:
    request = requested(
        "map t1_model --cases c -o out --maps risk gain --statistics s.json --overlap 0.25 --window-batch 3 "
        "--full-precision --merge Front=lesion --merge Back= --select bert"
    )
    only_bert = Cohort(cohort.cases[1:], cohort.scheme, cohort.name)
    assert request == MapRequest(
        Path("t1_model"),
        CohortInput(only_bert, {}, {"Front": "lesion", "Back": None}),
        Path("out"),
        ("risk", "gain"),
        Path("s.json"),
        PredictionSettings(overlap=0.25, batch_size=3, mixed_precision=False),
    )


def test_adapt_options(requested: Any) -> None:
    request = requested(
        "adapt t1_model --cases c -o out --name mine --restart --preset paper --steps 12 --seed 3 "
        "--folds auto --eep-weight 0.25 --no-audit --set weights=gain --set augmentation.noise=0 "
        "--set weight_refresh=0.25,0.5 --set patch-size=[8,8,4]"
    )
    expected = preset_settings(
        "paper", steps=12, seed=3, folds=None, eep_weight=0.25, audit=False, weights="gain",
        weight_refresh=(0.25, 0.5), patch_size=(8, 8, 4),
    )  # fmt: skip
    assert request.settings.augmentation.noise == 0.0
    assert request.settings.augmentation.rotation == expected.augmentation.rotation
    without_noise = request.settings.__class__(
        **{**vars(request.settings), "augmentation": expected.augmentation}
    )
    assert without_noise == expected
    assert (request.name, request.restart) == ("mine", True)


def test_segment_options(requested: Any, cohort: Cohort) -> None:
    request = requested("segment t1_model --cases c -o out --probabilities --no-uncertainty --channel T1=T2")
    assert request == SegmentRequest(
        Path("t1_model"),
        CohortInput(cohort, {"T1": "T2"}),
        Path("out"),
        probabilities=True,
        uncertainty=False,
    )


def test_segment_takes_a_file_a_channel_in_the_order_of_the_card(requested: Any) -> None:
    request = requested("segment two_model --channel FLAIR=scan.nrrd#1 --channel T1=scan.nrrd#0 -o out")
    (case,) = request.target.cohort.cases
    assert case.name == "scan"
    assert list(case.images.items()) == [
        ("T1", ChannelFile(Path("scan.nrrd"), 0)),
        ("FLAIR", ChannelFile(Path("scan.nrrd"), 1)),
    ]
    assert request.target.channels == {}


def test_evaluate_needs_no_channels(requested: Any, cohort_calls: list, cohort: Cohort) -> None:
    request = requested("evaluate results --cases c -o out")
    assert request == EvaluateRequest(Path("results"), CohortInput(cohort), Path("out"))
    assert cohort_calls[0]["channels"] is None


def test_demo_options(requested: Any) -> None:
    assert requested("demo -o out --seed 4 --quick") == DemoRequest(Path("out"), seed=4, quick=True)


@pytest.mark.parametrize(
    "command", ["rank t1_model", "map t1_model", "adapt t1_model", "segment t1_model", "evaluate p"]
)
def test_a_saved_request_is_the_same_request(requested: Any, models: Path, command: str) -> None:
    first = requested(f"{command} --cases c -o out --merge lesion= --save-request saved/request.json")
    name = command.split()[0]
    assert requested(f"{name} --request saved/request.json") == first
    elsewhere = requested(f"{name} --request=saved/request.json --output elsewhere")
    assert elsewhere.output == Path("elsewhere")
    assert elsewhere.target == first.target


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("map t1_model --cases c -o out --channel T1", "--channel T1 is not of the form MODEL=CASE"),
        ("map t1_model --cases c -o out --channel CT=T2", "no channel 'CT'. It has: T1"),
        ("map t1_model --cases c -o out --channel T1=", "names no channel"),
        ("map t1_model --cases c -o out --merge a=b --merge a=c", "names 'a' twice"),
        ("map t1_model --cases c -o out --overlap 1.5", "overlap"),
        ("adapt t1_model --cases c -o out --set nonsense=1", "no field 'nonsense'"),
        ("adapt t1_model --cases c -o out --set augmentation.x=1", "no field 'augmentation.x'"),
        ("adapt t1_model --cases c -o out --set steps", "FIELD=VALUE"),
        ("adapt t1_model --cases c -o out --steps many", 'steps must be a whole number, not "many"'),
        ("adapt t1_model --cases c -o out --set weights=heavy", 'weights must be one of "none", "paper"'),
        ("adapt t1_model --cases c -o out --set steps=0", "at least 1"),
        ("segment two_model --channel T1=a.nii -o out", "the model's channel 'FLAIR'"),
        ("segment t1_model -o out", "the model's channel 'T1'"),
        ("rank --request absent.json", "absent.json: No request can be read"),
        ("rank t1_model --request r.json", "models cannot be given beside it"),
        ("map t1_model --request r.json --mirror", "mirror, model cannot be given beside it"),
    ],
)
def test_wrong_options_are_explained(
    models: Path, cohort_calls: list, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    assert main(text.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert says in error


def test_an_unknown_case_is_explained(
    models: Path, cohort_calls: list, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", "t1_model", "--cases", "c", "-o", "out", "--select", "carl"]) == 5
    assert "There is no case 'carl'. The cases are: anna, bert." in capsys.readouterr().err


def test_a_request_with_an_unknown_field_names_file_and_field(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "r.json").write_text('{"output": "out", "sed": 1}', encoding="utf-8")
    assert main(["demo", "--request", "r.json"]) == 2
    error = capsys.readouterr().err
    assert "r.json" in error and "'sed'" in error


@pytest.mark.parametrize(
    "text", ["", "rank", "map --cases c -o out", "demo", "demo -o out --sed 1", "models"]
)
def test_missing_or_unknown_options_end_with_the_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(text.split())
    assert ended.value.code == 2
    assert "usage: transferrisk" in capsys.readouterr().err
