"""Tables and figures of a study from its cells.

python -m experiments.summary runs/hippocampus
python -m experiments.summary runs/main runs/ablations --baseline plain --pair recommended no-eep
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from experiments.summary.report import write_report
from experiments.summary.verdict import DEFAULT_THRESHOLDS, Thresholds
from TransferRiskLib.errors import TransferRiskError


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report into the first folder; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.summary",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, help="study folders; the first gets the report")
    parser.add_argument("--baseline", help="instead of the study's own")
    parser.add_argument(
        "--pair", nargs=2, action="append", default=[], metavar=("WITH", "WITHOUT"), help="an ablation"
    )
    asked = DEFAULT_THRESHOLDS
    parser.add_argument("--gain", type=float, default=asked.gain, help="mean gain asked, Dice points")
    parser.add_argument("--wins", type=float, default=asked.wins, help="share of cells won that is asked")
    parser.add_argument("--loss", type=float, default=asked.loss, help="largest mean loss in a scenario")
    parser.add_argument("--hd95", type=float, default=asked.hd95, help="largest mean increase, mm")
    parser.add_argument("--resamples", type=int, default=DEFAULT_BOOTSTRAP.resamples)
    given = parser.parse_args(arguments)
    try:
        made = write_report(
            given.folders[0],
            given.folders[1:],
            given.baseline,
            pairs=[(one, other) for one, other in given.pair],
            thresholds=Thresholds(given.gain, given.wins, given.loss, given.hd95),
            bootstrap=Bootstrap(given.resamples),
        )
    except TransferRiskError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
