"""Whether a method does what was asked of it before the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from experiments.summary.paired import Comparison, compare, dice, hd95
from experiments.summary.results import Results
from experiments.summary.tables import interval_text
from TransferRiskLib.reports.tables import Column, Table, format_number


@dataclass(frozen=True)
class Thresholds:
    """What is asked of a method against a baseline.

    Attributes:
        gain: Mean difference in Dice, in points: at least so much.
        wins: Share of the cells in which it is better: at least so much.
        loss: Mean loss of Dice in a scenario, in points: in none more than so much.
        hd95: Mean difference in HD95, in mm: at most so much.
    """

    gain: float = 1.5
    wins: float = 0.8
    loss: float = 1.0
    hd95: float = 0.0


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Verdict:
    """One claim, whether it holds, and the measured figure; `holds` is None where nothing was measured."""

    claim: str
    holds: bool | None
    measured: str

    @property
    def text(self) -> str:
        """`holds: +2.1 [+0.4, +3.9]`."""
        return (
            self.measured if self.holds is None else f"{'holds' if self.holds else 'fails'}: {self.measured}"
        )


def verdicts(
    overlap: Comparison | None, distance: Comparison | None, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> list[Verdict]:
    """The four claims of `thresholds` for one method.

    Args:
        overlap: Its comparison in Dice.
        distance: Its comparison in HD95.
        thresholds: What is asked. A figure exactly at its threshold holds.
    """
    t = thresholds
    claims = (
        f"mean gain in Dice at least {_plain(t.gain)}",
        f"wins in at least {100 * t.wins:g} % of the cells",
        f"no scenario loses more than {_plain(t.loss)} Dice in the mean",
        "HD95 not worse" + (f" by more than {_plain(t.hd95)} mm" if t.hd95 else ""),
    )
    if overlap is None:
        found: list[tuple[bool | None, str]] = [(None, "not measured")] * 3
    else:
        wins, (scenario, worst) = f"{overlap.wins}/{overlap.cells}", overlap.worst
        found = [
            (overlap.mean >= t.gain, _mean_text(overlap)),
            (overlap.win_share >= t.wins, f"{wins} ({100 * overlap.win_share:.0f} %)"),
            (worst >= -t.loss, f"{scenario} {format_number(worst, 2, signed=True)}"),
        ]
    found.append(
        (None, "not measured") if distance is None else (distance.mean <= t.hd95, _mean_text(distance))
    )
    return [Verdict(claim, *outcome) for claim, outcome in zip(claims, found, strict=True)]


def verdict_table(
    results: Results,
    methods: Sequence[str],
    baseline: str,
    suffix: str,
    caption: str,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Table:
    """A row a method, a column a claim: whether it holds, and the measured figure."""
    rows: list[dict[str, object]] = []
    columns: list[Column] = []
    for method in methods:
        overlap, distance = (
            compare(results, method, baseline, measure, bootstrap) for measure in (dice(suffix), hd95(suffix))
        )
        found = verdicts(overlap, distance, thresholds)
        columns = columns or [Column(verdict.claim, verdict.claim) for verdict in found]
        rows.append({"method": method, **{verdict.claim: verdict.text for verdict in found}})
    columns = [Column("method", f"against {baseline}"), *columns]
    return Table(caption, columns, rows)


def _mean_text(comparison: Comparison) -> str:
    mean = format_number(comparison.mean, 2, signed=True)
    return f"{mean} {interval_text(comparison.interval, 2)}".strip()


def _plain(number: float) -> str:
    return f"{number:g}"
