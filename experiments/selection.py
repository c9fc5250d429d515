"""Some of the cells, and what they are and take in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from experiments.claims import Claims
from experiments.methods import trainings
from experiments.sources import is_trained
from experiments.splits import draw
from experiments.study import Cell, Study
from TransferRiskLib.errors import SettingsError

KEYS = ("scenario", "fold", "k", "seed", "method")


def parse_only(texts: Iterable[str]) -> dict[str, set[str]]:
    """`scenario=a,k=1,k=3` as key to values; a key given again means either value.

    Raises:
        SettingsError: a part that is no `key=value`, or an unknown key.
    """
    wanted: dict[str, set[str]] = {}
    for part in (part for text in texts for part in text.split(",")):
        key, equals, value = part.strip().partition("=")
        if key not in KEYS or not equals or not value:
            raise SettingsError(
                f"--only does not understand {part!r}.", hint=f"Give KEY=VALUE with {', '.join(KEYS)}."
            )
        wanted.setdefault(key, set()).add(value)
    return wanted


def selected(cells: Sequence[Cell], wanted: Mapping[str, set[str]]) -> list[Cell]:
    """The cells that have one of the values of every key.

    Raises:
        SettingsError: a value that no cell has.
    """
    for key, values in wanted.items():
        known = {str(getattr(cell, key)) for cell in cells}
        strangers = sorted(values - known)
        if strangers:
            raise SettingsError(
                f"No cell has {key}={strangers[0]}.", hint=f"There are: {', '.join(sorted(known))}."
            )
    return [c for c in cells if all(str(getattr(c, key)) in values for key, values in wanted.items())]


def described(study: Study, cells: Sequence[Cell]) -> list[str]:
    """A line a source and a cell, with the trainings that it takes, and the sums."""
    claims = Claims(study.output / "claims")
    sources = dict.fromkeys(
        study.source_folder(study.experiment.scenario(cell.scenario), study.fold(cell)) for cell in cells
    )
    lines = []
    for folder in sources:
        state = _state(is_trained(folder), claims.taken(f"source-{folder.name}"))
        lines.append(f"{state:8} source {folder.name}")
    total, left = 0, 0
    for cell in cells:
        count = _trainings(study, cell)
        done = study.done(cell)
        total, left = total + count, left + (0 if done else count)
        lines.append(f"{_state(done, claims.taken(cell.name)):8} {cell.name}, {count} trainings")
    done_cells = sum(map(study.done, cells))
    done_sources = sum(map(is_trained, sources))
    lines.append(
        f"{len(sources)} sources, {done_sources} done; {len(cells)} cells, {done_cells} done; "
        f"{total} trainings, {left} to do"
    )
    return lines


def _trainings(study: Study, cell: Cell) -> int:
    scenario, fold = study.experiment.scenario(cell.scenario), study.fold(cell)
    cases = study.cases(scenario, fold.pool)
    train = draw(fold.pool, cases, cell.k, cell.seed, scenario.one_case_per_subject).train
    return trainings(study.experiment, cell.method, [case.group for case in train], cell.seed)


def _state(done: bool, taken: bool) -> str:
    return "done" if done else "running" if taken else "to do"
