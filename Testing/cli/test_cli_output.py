"""What the command line prints, and the exit code it ends with."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from TransferRiskLib import errors
from TransferRiskLib.cli.main import main
from TransferRiskLib.cli.parsing import COMMANDS, parse
from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.records import from_json
from TransferRiskLib.tasks.results import (
    AdaptResult,
    CaseMaps,
    ClassSummary,
    DemoResult,
    EvaluateResult,
    MapResult,
    ModelScore,
    RankResult,
    SegmentedScan,
    SegmentResult,
)

SCORE = ModelScore("good", Path("models/good"), -0.25, 0.75, {"lesion": 0.5})
RESULTS: dict[str, tuple[str, Any, str]] = {
    "rank": (
        "rank:rank",
        RankResult((SCORE,), Path("ranking.csv")),
        "good   0.750  -0.250   0.500",
    ),
    "map": (
        "map:map_risk",
        MapResult(
            SCORE, Path("statistics.json"), Path("summary.csv"),
            (CaseMaps("anna", {"risk": Path("anna/risk.nii.gz")}, (1.0, 2.0, 3.0)),),
            (ClassSummary("anna", "lesion", 10, 1.5, 1.25, 0.1, 4.0, 0.125),),
        ),
        "anna  lesion      1.500   1.250  4.000         0.125",
    ),
    "adapt": (
        "adapt:adapt",
        AdaptResult(
            Path("out/bundle"), Path("history.csv"), {"lesion": 0.8},
            (AuditRow("lesion", 0.8, 0.5, 2, 1, 1),), 0.5, ("lesion",),
        ),
        "lesion        0.800         0.500       0.300  1 of 2",
    ),
    "segment": (
        "segment:segment",
        SegmentResult((SegmentedScan("anna", Path("l.nii.gz"), Path("s.seg.nrrd")),)),
        "anna: s.seg.nrrd",
    ),
    "evaluate": ("evaluate:evaluate", EvaluateResult({"lesion": 0.5}, Path("metrics.csv")), "lesion  0.500"),
    "demo": ("demo:demo", DemoResult(Path("findings.json"), {"recommended": 0.9}), "recommended      0.900"),
}  # fmt: skip


@pytest.fixture
def request_file(tmp_path: Path) -> Any:
    """A request for any command, as a file."""

    def write(command: str) -> str:
        target = {"cohort": {"cases": [{"name": "anna", "images": {}}]}}
        document: dict[str, Any] = {"output": "out", "target": target}
        if command == "rank":
            document["models"] = ["a"]
        elif command == "evaluate":
            document["predictions"] = "p"
        elif command == "demo":
            del document["target"]
        else:
            document["model"] = "m"
        path = tmp_path / f"{command}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    return write


def fails(error: BaseException) -> Any:
    def task(request: Any, progress: Any) -> None:
        raise error

    return task


@pytest.mark.parametrize("command", RESULTS)
def test_json_on_stdout_is_the_result_record(
    command: str, replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task, result, _ = RESULTS[command]

    def stand_in(request: Any, progress: Any) -> Any:
        progress.stage("Working", 2)
        progress.step()
        progress.message("half way")
        return result

    replace_task(task, stand_in)
    assert main([command, "--request", request_file(command), "--json"]) == 0
    printed = capsys.readouterr()
    assert from_json(type(result), json.loads(printed.out)) == result
    assert "half way" in printed.err


@pytest.mark.parametrize("command", RESULTS)
def test_people_get_a_table(
    command: str, replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    task, result, line = RESULTS[command]
    replace_task(task, lambda request, progress: result)
    assert main([command, "--request", request_file(command)]) == 0
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("normalised", "warned"), [(0.099, True), (0.1, False)])
def test_a_model_that_tells_next_to_nothing_is_called_so(
    normalised: float, warned: bool, replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    score = ModelScore("stranger", Path("models/stranger"), -0.5, normalised, {})
    result = MapResult(score, Path("statistics.json"), Path("summary.csv"), ())
    replace_task("map:map_risk", lambda request, progress: result)
    assert main(["map", "--request", request_file("map")]) == 0
    assert ("too little to find its errors by" in capsys.readouterr().out) is warned


def test_every_command_is_covered_here() -> None:
    assert {command.name for command in COMMANDS} == set(RESULTS)


def test_undefined_numbers_are_null(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = float("nan")
    replace_task("evaluate:evaluate", lambda r, p: EvaluateResult({"lesion": nan}, Path("metrics.csv")))
    assert main(["--json", "evaluate", "--request", request_file("evaluate")]) == 0
    assert json.loads(capsys.readouterr().out)["dice"] == {"lesion": None}


def test_quiet_hides_progress_but_not_warnings(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def stand_in(request: Any, progress: Any) -> Any:
        progress.stage("Working", 2)
        progress.message("an aside")
        progress.message("the class is absent", "warning")
        return RESULTS["demo"][1]

    replace_task("demo:demo", stand_in)
    assert main(["demo", "--quiet", "--request", request_file("demo")]) == 0
    assert capsys.readouterr().err == "warning: the class is absent\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingsError("x"), 2),
        (errors.GeometryError("x"), 3),
        (errors.LabelError("x"), 4),
        (errors.CaseError("x"), 5),
        (errors.UntrustedModelError("x"), 6),
        (errors.DeviceError("x"), 7),
        (errors.StorageError("x"), 8),
        (errors.DivergedError("x"), 9),
        (errors.Cancelled("x"), 130),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 7),
        (OSError(28, "No space left on device", "a.nii"), 8),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_exit_code_tells_what_went_wrong(
    error: BaseException, code: int, replace_task: Any, request_file: Any
) -> None:
    replace_task("demo:demo", fails(error))
    assert main(["demo", "--request", request_file("demo")]) == code


def test_an_error_is_one_line_with_file_and_hint(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_task("demo:demo", fails(errors.ImageError("is truncated.", file="a.nii", hint="Copy it again.")))
    main(["demo", "--request", request_file("demo")])
    assert capsys.readouterr().err == "error: a.nii: is truncated. Copy it again.\n"


def test_a_lack_of_memory_says_what_to_do(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_task("demo:demo", fails(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")))
    assert main(["demo", "--json", "--request", request_file("demo")]) == 7
    told = capsys.readouterr()
    assert told.err.startswith("error: There was not enough memory. Close other programs")
    assert json.loads(told.out)["error"]["kind"] == "DeviceError"


def test_an_error_as_json(replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    replace_task("demo:demo", fails(errors.ImageError("is truncated.", file="a.nii", hint="Copy it again.")))
    assert main(["demo", "--json", "--request", request_file("demo")]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "ImageError",
        "message": "is truncated.",
        "file": "a.nii",
        "hint": "Copy it again.",
        "exit_code": 3,
    }


def test_traceback_only_with_debug(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_task("demo:demo", fails(ZeroDivisionError("oops")))
    main(["demo", "--request", request_file("demo")])
    plain = capsys.readouterr().err
    main(["demo", "--debug", "--request", request_file("demo")])
    debug = capsys.readouterr().err
    assert "Traceback" not in plain and "unexpected ZeroDivisionError: oops" in plain
    assert "Traceback" in debug


def test_a_failed_scan_is_told_by_the_exit_code(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = (SegmentedScan("anna", Path("l.nii.gz")), SegmentedScan("bert", error="is truncated."))
    replace_task("segment:segment", lambda request, progress: SegmentResult(scans))
    assert main(["segment", "--request", request_file("segment")]) == 10
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["anna: l.nii.gz", "bert: failed: is truncated.", "1 of 2 scans segmented"]


def test_models_show(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "two_model"]) == 0
    assert "channels:      T1, FLAIR" in capsys.readouterr().out.splitlines()
    assert main(["models", "show", "two_model", "--json"]) == 0
    assert from_json(ModelCard, json.loads(capsys.readouterr().out)).channels == ("T1", "FLAIR")
    assert main(["models", "show", "absent"]) == 6


@pytest.mark.parametrize("command", [None, *(command.name for command in COMMANDS)])
def test_help_teaches(command: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"] if command is None else [command, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"transferrisk {command or 'adapt'} " in text
    assert "  130  The user stopped the work" in text
    assert "   10  Finished, but some scans or models failed" in text


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["adapt", "--help"])
    text = capsys.readouterr().out
    assert "weights=class-calibrated   (none | paper | linear | class-calibrated | gain" in text
    assert "augmentation.bias_field=0.2" in text
    assert "Strength of a smooth multiplicative field (log scale)." in text


@pytest.mark.parametrize("arguments", [["--help"], ["adapt", "--help"], ["--version"]])
def test_help_does_not_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom TransferRiskLib.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert ended.code == 0\n"
        "heavy = {'torch', 'monai', 'SimpleITK', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_seen_enough_gets_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "TransferRiskLib.cli", "models", "show", "--json", str(tmp_path)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_what_comes_next_after_adapting_can_be_copied_into_a_shell(
    replace_task: Any, request_file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    result = AdaptResult(Path("my run/bundle"), Path("history.csv"), channels={"T1": "T2 TSE"})
    replace_task("adapt:adapt", lambda request, progress: result)
    assert main(["adapt", "--request", request_file("adapt")]) == 0
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("next: transferrisk ")
    ]
    words = shlex.split(line.removeprefix("next: transferrisk "))
    words[words.index("SCANS")] = str(Path.cwd())
    options = parse(words)
    assert options.model == Path("my run/bundle") and options.channel == ["T1=T2 TSE"]
