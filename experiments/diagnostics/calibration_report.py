"""Calibration as tables, figure and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.diagnostics.calibration import TENTHS, Calibration, CalibrationRow, TenthRow
from experiments.diagnostics.inputs import Material
from experiments.diagnostics.maps import REGIONS, csv_text
from experiments.diagnostics.means import mean_over_cases, mean_text
from experiments.diagnostics.regions import AROUND
from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from TransferRiskLib.atomic import atomic_path, write_text
from TransferRiskLib.reports.drawing import colour, dashes, drawing, legend_below, marker, to_png
from TransferRiskLib.reports.tables import Column, Table, to_markdown


def calibration_table(rows: Sequence[CalibrationRow], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Table:
    """Expected calibration error and overconfidence, in per cent: mean over cases."""
    lines = []
    for name in dict.fromkeys(row.probabilities_of for row in rows):
        line: dict[str, object] = {"of": name}
        for region in REGIONS:
            some = [row for row in rows if (row.probabilities_of, row.region) == (name, region)]
            subjects = [row.subject for row in some]
            for key in ("calibration_error", "overconfidence"):
                values = [None if (value := getattr(row, key)) is None else 100 * value for row in some]
                mean = mean_over_cases(values, subjects, bootstrap)
                line[f"{key} {region}"] = mean_text(mean, 1)
        lines.append(line)
    columns = [Column("of", "probabilities of")]
    for region in REGIONS:
        columns.append(Column(f"calibration_error {region}", f"ECE, {region}"))
        columns.append(Column(f"overconfidence {region}", f"too sure by, {region}"))
    caption = (
        "Expected calibration error and confidence − accuracy, %: mean over cases, 95 % CI over subjects"
    )
    return Table(caption, columns, lines)


def tenths_table(rows: Sequence[TenthRow]) -> Table:
    """Expected and observed error rates by tenth of expected risk, in per cent: mean over cases."""
    names = list(dict.fromkeys(row.errors_of for row in rows))
    lines = []
    for tenth in range(1, TENTHS + 1):
        some = [row for row in rows if row.tenth == tenth]
        line: dict[str, object] = {
            "tenth": tenth,
            "risk": float(np.mean([row.expected_risk for row in some])),
            "expected": 100 * float(np.mean([row.expected_error for row in some])),
        }
        for name in names:
            line[name] = 100 * float(np.mean([row.observed_error for row in some if row.errors_of == name]))
        lines.append(line)
    columns = (
        Column("tenth", "tenth"),
        Column("risk", "expected risk (nats)", 3),
        Column("expected", "expected errors (%)", 1),
        *(Column(name, f"errors of {name} (%)", 1) for name in names),
    )
    return Table(
        f"Errors by expected risk, {AROUND}: each case's voxels in tenths, mean over cases", columns, lines
    )


def calibration_figure(calibration: Calibration) -> bytes:
    """PNG: reliability curves of the two hard regions, and error rates by tenth of expected risk."""
    names = list(dict.fromkeys(name for name, _ in calibration.pooled))
    with drawing(11.0, 3.9, 1, 3) as (figure, axes):
        for axis, region in zip(axes, REGIONS[1:], strict=False):
            axis.axline((1, 1), slope=1, color="black", linewidth=0.8, linestyle=":")
            for number, name in enumerate(names):
                confidence, accuracy = calibration.pooled[name, region].curve
                axis.plot(
                    confidence, accuracy, label=name, color=colour(number), linestyle=dashes(number),
                    marker=marker(number), markersize=4,
                )  # fmt: skip
            axis.set(title=f"reliability {region}", xlabel="confidence", ylabel="accuracy")
            axis.set_xlim(right=1.02)
            axis.set_ylim(top=1.02)
        table = tenths_table(calibration.tenths)
        tenths = range(1, TENTHS + 1)
        series: list[tuple[str, dict[str, Any]]] = [("expected", {"color": "black"})]
        for number, name in enumerate(names):
            style = {"color": colour(number), "linestyle": dashes(number), "marker": marker(number)}
            series.append((name, {**style, "markersize": 4}))
        for key, style in series:
            axes[2].plot(tenths, [float(str(row[key])) for row in table.rows], **style)
        axes[2].set(title=AROUND, xlabel="tenth of voxels by expected risk", ylabel="error rate (%)")
        axes[2].set_xticks(tenths)
        axes[0].plot([], [], color="black", label="expected by the EEP")
        legend_below(figure, axes[0], len(names) + 1)
        return to_png(figure)


def write_calibration(
    materials: Iterable[Material], output: Path, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP
) -> Path:
    """Write `calibration.csv`, `tenths.csv`, `calibration.md` and `calibration.png`; returns the Markdown."""
    made = Calibration.of(materials)
    write_text(output / "calibration.csv", csv_text(CalibrationRow, made.rows))
    write_text(output / "tenths.csv", csv_text(TenthRow, made.tenths))
    with atomic_path(output / "calibration.png") as scratch:
        scratch.write_bytes(calibration_figure(made))
    tables = calibration_table(made.rows, bootstrap), tenths_table(made.tenths)
    write_text(output / "calibration.md", "\n".join(map(to_markdown, tables)))
    return output / "calibration.md"
