"""Runs the cells of a study: each once, resumed where it stopped, beside other processes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.bench import Bench, Stores
from experiments.claims import Claims
from experiments.config import ScenarioSpec
from experiments.predicting import (
    Predictor,
    adapted_predictor,
    eep_predictor,
    ensemble_predictor,
    keep,
    mix_predictor,
    source_predictor,
)
from experiments.rows import Row, measured, write_rows
from experiments.sources import Busy, source_model
from experiments.splits import Fold
from experiments.study import Cell, Study
from TransferRiskLib.atomic import write_json, write_text
from TransferRiskLib.errors import Cancelled, TransferRiskError
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

WAIT_SECONDS = 5.0
"""Between looks at what other processes are at work on."""


@dataclass
class Outcome:
    """Cells that were run here, and those that failed with why."""

    run: list[Cell] = field(default_factory=list)
    failed: dict[Cell, TransferRiskError] = field(default_factory=dict)


class Engine:
    """Works on a study.

    Args:
        study: What to do.
        progress: Asked for cancel.
        say: Gets a line a finished cell.
        tuned: Scenario, fold and method to what tuning chose.
        wait: Waits for other processes.
    """

    def __init__(
        self,
        study: Study,
        progress: Progress,
        say: Callable[[str], None],
        tuned: Callable[[str, int, str], dict[str, Any]] = lambda scenario, fold, method: {},
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.study, self.progress, self.say, self.tuned, self.wait = study, progress, say, tuned, wait
        self.claims = Claims(study.output / "claims")
        self.stores = Stores()
        self._bench: tuple[tuple[str, int, int, int], Bench] | None = None
        self._hopeless: dict[Path, TransferRiskError] = {}

    def run(self, cells: Iterable[Cell]) -> Outcome:
        """Run the cells that are not done; those that another process has are waited for.

        A cell that fails with a known error is reported and left; the others go on.

        Raises:
            Cancelled: asked to stop; running again continues.
        """
        outcome = Outcome()
        waiting = list(cells)
        while waiting:
            later = []
            for cell in waiting:
                self.progress.check()
                if self.study.done(cell):
                    continue
                try:
                    if self._claim_and_run(cell):
                        outcome.run.append(cell)
                except Busy:
                    later.append(cell)
                except Cancelled:
                    raise
                except TransferRiskError as error:
                    outcome.failed[cell] = error
                    write_text(self.study.cell_folder(cell) / "error.txt", f"{error}\n")
                    self.say(f"{cell.name} failed: {error}")
            if later and len(later) == len(waiting):
                self.wait(WAIT_SECONDS)
            waiting = later
        return outcome

    def bench(self, group: tuple[str, int, int, int]) -> Bench:
        """What the cells of a group share; the last one is kept.

        Raises:
            Busy: another process trains the source.
        """
        if self._bench is None or self._bench[0] != group:
            scenario = self.study.experiment.scenario(group[0])
            fold = self.study.folds(group[0])[group[1]]
            source = self._source(scenario, fold)
            self._bench = group, Bench(self.study, group, source, self.stores, self.progress)
        return self._bench[1]

    def _source(self, scenario: ScenarioSpec, fold: Fold) -> SourceModel:
        """A fold's source; one that could not be trained is not tried again for every cell."""
        folder = self.study.source_folder(scenario, fold)
        if folder in self._hopeless:
            raise self._hopeless[folder]
        try:
            return source_model(self.study, scenario, fold, self.claims, self.progress)
        except Cancelled:
            raise
        except TransferRiskError as error:
            self._hopeless[folder] = error
            raise

    def _claim_and_run(self, cell: Cell) -> bool:
        with self.claims.claimed(cell.name) as ours:
            if not ours:
                raise Busy
            if self.study.done(cell):  # it was finished a moment ago
                return False
            self._run(cell)
            return True

    def _run(self, cell: Cell) -> None:
        study, folder = self.study, self.study.cell_folder(cell)
        bench = self.bench(cell.group)
        work = folder / "work"
        base = self._base(cell)
        kept = None if base is None else self._trained(base)  # not on this cell's clock
        with _Clock(work / "seconds.json") as clock:
            predictor = self._predictor(cell, bench, work, kept)
            rows: list[Row] = []
            for case in bench.test:
                self.progress.check()
                rows += measured(bench.loaded(case), predictor.probabilities(case), bench.scheme)
            score = bench.normalised_score
        common = {
            "seconds": round(clock.seconds, 1),
            "trainings": predictor.trainings,
            "normalised_score": f"{score:.6g}",
        }
        write_rows(study.rows_file(cell), study.experiment.name, cell, rows, common)
        shutil.rmtree(work, ignore_errors=True)
        (folder / "error.txt").unlink(missing_ok=True)
        self._forget(cell)
        mean = 100 * sum(row["dice_lc"] for row in rows) / len(rows)
        self.say(f"{cell.name}: Dice {mean:.1f} ({clock.seconds:.0f} s)")

    def _predictor(self, cell: Cell, bench: Bench, work: Path, kept: Path | None) -> Predictor:
        method = self.study.experiment.methods[cell.method]
        if method.kind == "source":
            return source_predictor(bench)
        if method.kind == "eep":
            return eep_predictor(bench)
        if kept is not None:
            return mix_predictor(bench, cell.method, kept)
        if method.kind == "ensemble":
            return ensemble_predictor(bench, cell.method, work, self._chosen(cell))
        return self._adapted(cell, bench, work)

    def _adapted(self, cell: Cell, bench: Bench, work: Path) -> Predictor:
        predictor = adapted_predictor(bench, cell.method, work, self._chosen(cell))
        if any(not self.study.done(mix) for mix in self._mixes(cell)):
            assert predictor.adapted is not None, "an adaptation adapts"
            keep(predictor.adapted, self._kept(cell))
        return predictor

    def _chosen(self, cell: Cell) -> dict[str, Any]:
        base = self.study.experiment.methods[cell.method].of or cell.method
        return self.tuned(cell.scenario, cell.fold, base)

    # -- trained models that mixes use ----------------------------------------------------------

    def _kept(self, cell: Cell) -> Path:
        return self.study.cell_folder(cell) / "adapted.pt"

    def _base(self, cell: Cell) -> Cell | None:
        """The cell whose trained model a mix uses; None for other methods."""
        method = self.study.experiment.methods[cell.method]
        return replace(cell, method=method.of) if method.kind == "mix" and method.of else None

    def _mixes(self, cell: Cell) -> list[Cell]:
        """The cells that mix a cell's trained model."""
        same = [other for other in self.study.cells if other.group == cell.group]
        return [other for other in same if self._base(other) == cell]

    def _trained(self, cell: Cell) -> Path:
        """The trained model of a cell; it is trained where it is not there (any more).

        Raises:
            Busy: another process trains it.
        """
        kept = self._kept(cell)
        if kept.is_file():
            return kept
        with self.claims.claimed(cell.name) as ours:
            if not ours:
                raise Busy
            if not self.study.done(cell):
                self._run(cell)
            elif not kept.is_file():  # the mix is new: the rows stay as they are
                work = self.study.cell_folder(cell) / "work"
                self._adapted(cell, self.bench(cell.group), work)
                shutil.rmtree(work, ignore_errors=True)
        return kept

    def _forget(self, cell: Cell) -> None:
        """Remove a trained model once no mix waits for it."""
        base = self._base(cell) or cell
        if all(self.study.done(mix) for mix in self._mixes(base)):
            self._kept(base).unlink(missing_ok=True)


class _Clock:
    """Seconds of work, over interruptions."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.before = 0.0
        if file.is_file():
            self.before = float(json.loads(file.read_text(encoding="utf-8")))
        self.started = time.monotonic()
        self.seconds = 0.0

    def __enter__(self) -> _Clock:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.seconds = self.before + time.monotonic() - self.started
        if kind is not None:
            write_json(self.file, self.seconds)
