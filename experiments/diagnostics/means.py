"""Means over test cases with intervals over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap, Rows, interval
from experiments.summary.tables import interval_text
from TransferRiskLib.reports.tables import MISSING, format_number


@dataclass(frozen=True)
class Mean:
    """The mean over cases and its 95 % interval over subjects; the interval is None with one subject."""

    mean: float
    interval: tuple[float, float] | None
    cases: int

    def text(self, digits: int = 2) -> str:
        """`0.91 [0.88, 0.93]`."""
        ends = interval_text(self.interval, digits).replace("+", "")
        return f"{format_number(self.mean, digits)} {ends}".strip()


def mean_over_cases(
    values: Sequence[float | None], subjects: Sequence[str], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Mean | None:
    """The mean of the values there are, resampling subjects; None where there is none.

    Args:
        values: One a case; None where undefined.
        subjects: Of the cases.
        bootstrap: How the interval is made.
    """
    known = [(value, subject) for value, subject in zip(values, subjects, strict=True) if value is not None]
    if not known:
        return None
    numbers = np.array([value for value, _ in known])
    names = sorted({subject for _, subject in known})
    people = np.array([names.index(subject) for _, subject in known])
    same = np.zeros(len(known), np.int64)
    ends = interval(Rows(numbers, same, same, same, people, same), bootstrap)
    return Mean(float(numbers.mean()), ends, len(known))


def mean_text(mean: Mean | None, digits: int = 2) -> str:
    """The mean in words of a table."""
    return MISSING if mean is None else mean.text(digits)
