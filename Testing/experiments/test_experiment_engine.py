"""A study from end to end on tiny balls: rows, resuming, shared folders, what is kept for mixes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from tiny_study import cells_of, engine_of, rows_of, tiny, tiny_study, write_balls

from experiments import engine as engine_module
from experiments.__main__ import main
from experiments.engine import Engine
from experiments.rows import COLUMNS
from experiments.sources import is_trained
from experiments.study import Study
from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.errors import Cancelled, DivergedError
from TransferRiskLib.progress import Progress


class StopAfter(Progress):
    """Asks to stop at the given check."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped by the test")


def test_a_run_from_the_command_line_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_balls(tmp_path / "data")
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(tiny()), encoding="utf-8")
    output = tmp_path / "run"
    arguments = [
        "run",
        str(config),
        "--output",
        str(output),
        "--data",
        str(tmp_path / "data"),
        "--device",
        "cpu",
    ]

    assert main([*arguments, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "1 sources, 0 done; 5 cells, 0 done; 3 trainings, 3 to do" in shown
    assert not output.exists(), "a dry run makes nothing"

    assert main(arguments) == 0
    assert "5 cells run, 5 of 5 done" in capsys.readouterr().out
    with (output / "results.csv").open(newline="", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == 5 * 2, "two test cases with one label each"
    assert {row["study"] for row in table} == {"tiny"}
    trainings = {row["method"]: row["trainings"] for row in table}
    assert trainings == {"source": "0", "eep": "0", "plain": "1", "plain-eep": "0", "plain-twice": "2"}
    assert len({row["normalised_score"] for row in table}) == 1, "it belongs to the cell, not to the method"
    assert len({(row["case"], row["subject"]) for row in table}) == 2
    assert not list(output.glob("cells/*/work")) + list(output.glob("cells/*/adapted.pt"))
    assert not list((output / "claims").iterdir())
    provenance = json.loads((output / "provenance.json").read_text(encoding="utf-8"))
    assert {"versions", "platform", "threads", "device"} <= set(provenance["runs"][0])
    assert json.loads((output / "study.json").read_text(encoding="utf-8"))["config"] == tiny()

    times = {file: file.stat().st_mtime_ns for file in output.glob("cells/*/rows.csv")}
    assert main(arguments) == 0
    assert "0 cells run, 5 of 5 done" in capsys.readouterr().out
    assert times == {file: file.stat().st_mtime_ns for file in output.glob("cells/*/rows.csv")}
    assert main([*arguments, "--dry-run", "--only", "method=plain,method=eep"]) == 0
    assert "2 cells, 2 done; 1 trainings, 0 to do" in capsys.readouterr().out

    config.write_text(json.dumps(tiny(budget={"steps": 4})), encoding="utf-8")
    assert main(arguments) == 2
    assert "another 'budget'" in capsys.readouterr().err
    config.write_text(json.dumps(tiny(seeds=[0, 1])), encoding="utf-8")
    assert main([*arguments, "--only", "seed=1,method=eep"]) == 0
    assert "1 cells run" in capsys.readouterr().out
    assert main([*arguments, "--only", "method=magic"]) == 2
    assert "magic" in capsys.readouterr().err


def test_a_killed_cell_continues_to_the_same_rows(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny_study(trained)
    engine_of(whole)[0].run(cells_of(whole, "plain"))
    expected = [(row["case"], row["dice"], row["hd95"]) for row in rows_of(whole, "plain")]

    again = Study(whole.experiment, trained / "again", whole.data)
    shutil.copytree(whole.output / "sources", again.output / "sources")
    steps: list[int] = []
    step = Trainer._step

    def counted(trainer: Trainer) -> None:
        steps.append(trainer.run.step)
        if len(steps) == 3 and "again" in str(trainer.plan.folder):
            trainer._save()
            raise KeyboardInterrupt
        step(trainer)

    monkeypatch.setattr(Trainer, "_step", counted)
    with pytest.raises(KeyboardInterrupt):
        engine_of(again)[0].run(cells_of(again, "plain"))
    assert steps == [0, 1, 2]
    assert not list((again.output / "claims").iterdir()), "the claim is given back"
    engine_of(again)[0].run(cells_of(again, "plain"))
    assert steps == [0, 1, 2, 2], "the finished steps are not repeated"
    assert [(row["case"], row["dice"], row["hd95"]) for row in rows_of(again, "plain")] == expected


def test_a_cancelled_run_says_so_and_continues(trained: Path) -> None:
    study = tiny_study(trained)
    with pytest.raises(Cancelled):
        engine_of(study, StopAfter(3))[0].run(study.cells)
    done = sum(map(study.done, study.cells))
    assert done < len(study.cells)
    engine, said = engine_of(study)
    outcome = engine.run(study.cells)
    assert len(outcome.run) == len(said) == len(study.cells) - done


def test_a_source_is_trained_once(tmp_path: Path) -> None:
    study = tiny_study(tmp_path, seeds=[0, 1])
    engine_of(study)[0].run(cells_of(study, "eep"))
    (folder,) = (study.output / "sources").iterdir()
    assert is_trained(folder)
    assert not (folder / "work").exists()
    card = folder / "bundle" / "configs" / "card.json"
    made = card.stat().st_mtime_ns
    engine_of(study)[0].run(cells_of(study, "source"))
    assert card.stat().st_mtime_ns == made


def test_what_another_process_has_is_waited_for(trained: Path) -> None:
    study = tiny_study(trained)
    cells = cells_of(study, "source", "eep")
    other = engine_of(study)[0]
    waits: list[float] = []
    claim = other.claims.claimed(cells[0].name)

    def finish(seconds: float) -> None:
        waits.append(seconds)
        claim.__exit__(None, None, None)

    assert claim.__enter__()
    said: list[str] = []
    outcome = Engine(study, Progress(), said.append, wait=finish).run(cells)
    assert len(waits) == 1, "first the cell that is free, then waiting for the other"
    assert outcome.run == [cells[1], cells[0]]


def test_a_cell_that_another_process_finished_meanwhile_is_left_alone(trained: Path) -> None:
    study = tiny_study(trained)
    (cell,) = cells_of(study, "eep")
    claim = engine_of(study)[0].claims.claimed(cell.name)
    assert claim.__enter__()

    def finish(seconds: float) -> None:
        study.rows_file(cell).parent.mkdir(parents=True)
        study.rows_file(cell).write_text("theirs", encoding="utf-8")
        claim.__exit__(None, None, None)

    assert Engine(study, Progress(), lambda text: None, wait=finish).run([cell]).run == []
    assert study.rows_file(cell).read_text(encoding="utf-8") == "theirs"


def test_a_failing_cell_does_not_stop_the_others(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tiny_study(trained)

    def diverges(*arguments: object) -> None:
        raise DivergedError("not a number", hint="lower the rate")

    monkeypatch.setattr(engine_module, "adapted_predictor", diverges)
    engine, said = engine_of(study)
    outcome = engine.run(cells_of(study, "plain", "eep"))
    (failed,) = outcome.failed
    assert failed.method == "plain"
    assert [cell.method for cell in outcome.run] == ["eep"]
    error = study.cell_folder(failed) / "error.txt"
    assert "not a number" in error.read_text(encoding="utf-8")
    assert any("plain failed" in line for line in said)
    monkeypatch.undo()
    assert not engine_of(study)[0].run([failed]).failed
    assert not error.exists()


def test_a_source_that_cannot_be_trained_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def diverges(*arguments: object) -> None:
        tries.append("source")
        raise DivergedError("not a number")

    monkeypatch.setattr(engine_module, "source_model", diverges)
    study = tiny_study(tmp_path)
    assert len(engine_of(study)[0].run(study.cells).failed) == len(study.cells)
    assert tries == ["source"]
