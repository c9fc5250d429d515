"""Which subjects test, and which cases train: subjects are never on two sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.config import ScenarioSpec
from TransferRiskLib.cases.case import Case
from TransferRiskLib.errors import SettingsError


@dataclass(frozen=True)
class Fold:
    """Subjects that test, and subjects to draw training cases from."""

    number: int
    test: tuple[str, ...]
    pool: tuple[str, ...]


@dataclass(frozen=True)
class Draw:
    """What one cell trains on.

    Attributes:
        train: k labelled cases.
        spare: Cases of the pool's other subjects: what choices of a method may be made on.
    """

    train: tuple[Case, ...]
    spare: tuple[Case, ...]


def split(scenario: ScenarioSpec, subjects: Sequence[str]) -> tuple[Fold, ...]:
    """The folds of a scenario: one with a fixed test set, or one a subject.

    Args:
        scenario: Says how many test, and the seed that chooses them.
        subjects: All that take part.

    Raises:
        SettingsError: nothing is left to train on.
    """
    names = sorted(subjects)
    if scenario.test == "leave-one-out":
        if len(names) < 2:
            raise SettingsError(f"scenarios.{scenario.name}: one subject cannot both test and train.")
        return tuple(
            Fold(n, (name,), tuple(other for other in names if other != name)) for n, name in enumerate(names)
        )
    if scenario.test >= len(names):
        raise SettingsError(
            f"scenarios.{scenario.name}: {scenario.test} test subjects of {len(names)} leave none."
        )
    np.random.default_rng(scenario.split_seed).shuffle(names)
    return (Fold(0, tuple(names[: scenario.test]), tuple(names[scenario.test :])),)


def draw(
    pool: Sequence[str],
    cases: Sequence[Case],
    k: int,
    seed: int,
    one_case_per_subject: bool = True,
    usable: Callable[[Case], bool] = lambda case: True,
) -> Draw:
    """k training cases of a fold's pool.

    Args:
        pool: Subjects, in the fold's order.
        cases: Labelled cases of all of them; others are passed over.
        k: Training cases.
        seed: With k, shuffles the pool.
        one_case_per_subject: Of every subject one case takes part, chosen by the seed; otherwise all
            of them, the last subject's up to k.
        usable: Asked of a case before it trains; others are left out altogether.

    Raises:
        SettingsError: fewer than k cases.
    """
    order = list(pool)
    np.random.default_rng([seed, k]).shuffle(order)
    of: dict[str, list[Case]] = {name: [] for name in order}
    for case in cases:
        if case.group in of:
            of[case.group].append(case)
    if one_case_per_subject:
        of = {name: [some[seed % len(some)]] for name, some in of.items()}
    train: list[Case] = []
    used = 0
    while len(train) < k and used < len(order):
        train += [case for case in of[order[used]] if usable(case)]
        used += 1
    if len(train) < k:
        raise SettingsError(f"There are {len(train)} cases to train on, fewer than k = {k}.")
    return Draw(tuple(train[:k]), tuple(case for name in order[used:] for case in of[name]))
