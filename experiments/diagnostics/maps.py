"""Do the maps find the errors? Area under the ROC curve of every map against everybody's errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from experiments.diagnostics.inputs import OWN_ENTROPY, SCORES, Material
from experiments.diagnostics.means import mean_over_cases, mean_text
from experiments.diagnostics.regions import AROUND, BOUNDARY, WHOLE, regions
from experiments.summary.bootstrap import DEFAULT_BOOTSTRAP, Bootstrap
from TransferRiskLib.atomic import atomic_path, write_text
from TransferRiskLib.evaluation.errors_auroc import auroc
from TransferRiskLib.reports.drawing import colour, drawing, legend_below, marker, to_png
from TransferRiskLib.reports.tables import Column, Table, to_markdown

REGIONS = (WHOLE, BOUNDARY, AROUND)
NOTE = (
    "Risk and gain are made with the labels, so against the errors of the source and of the EEP they predict "
    "nothing: with two classes the risk exceeds log 2 exactly where the EEP is wrong. Expected risk and "
    "entropies need no labels."
)


@dataclass(frozen=True)
class AurocRow:
    """How well one map finds somebody's errors in one region of one case.

    Attributes:
        case, subject: Of the case.
        errors_of: `source`, `EEP` or an adapted model.
        score: The map.
        region: Of `regions`.
        auroc: 0 to 1; None where there is no error, or nothing but errors.
        voxels, errors: In the region.
    """

    case: str
    subject: str
    errors_of: str
    score: str
    region: str
    auroc: float | None
    voxels: int
    errors: int


def auroc_rows(material: Material) -> list[AurocRow]:
    """All rows of a case."""
    places = regions(material.labels)
    rows = []
    for name, wrong in material.errors.items():
        for score, values in material.scores_for(name).items():
            for region, mask in places.items():
                inside = wrong[mask]
                area = auroc(values[mask], inside)
                counts = inside.size, int(inside.sum())
                rows.append(AurocRow(material.case, material.subject, name, score, region, area, *counts))
    return rows


def auroc_table(rows: Sequence[AurocRow], bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Table:
    """Mean AUROC over cases with its interval over subjects, a column a region."""
    lines = []
    for errors_of in dict.fromkeys(row.errors_of for row in rows):
        mine = [row for row in rows if row.errors_of == errors_of]
        for score in dict.fromkeys(row.score for row in mine):
            line: dict[str, object] = {"errors": errors_of, "score": score}
            for region in REGIONS:
                some = [row for row in mine if row.score == score and row.region == region]
                mean = mean_over_cases([row.auroc for row in some], [row.subject for row in some], bootstrap)
                line[region] = mean_text(mean)
                line["cases"] = max(int(str(line.get("cases", 0))), mean.cases if mean else 0)
            lines.append(line)
    columns = (
        Column("errors", "errors of"),
        Column("score", "map"),
        *(Column(region, region) for region in REGIONS),
        Column("cases", "cases"),
    )
    return Table("AUROC against voxel-wise errors: mean over cases, 95 % CI over subjects", columns, lines)


def auroc_figure(rows: Sequence[AurocRow]) -> bytes:
    """PNG: a panel for everybody whose errors are looked for, a column a region, a dot a case."""
    panels = list(dict.fromkeys(row.errors_of for row in rows))
    scores = [name for name in (*SCORES, OWN_ENTROPY) if any(row.score == name for row in rows)]
    width = 0.8 / len(scores)
    with drawing(3.4 * len(panels) + 0.4, 3.9, 1, len(panels), sharey=True) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            for number, score in enumerate(scores):
                for place, region in enumerate(REGIONS):
                    values = [
                        row.auroc
                        for row in rows
                        if (row.errors_of, row.score, row.region) == (panel, score, region)
                        and row.auroc is not None
                    ]
                    if not values:
                        continue
                    x = place + (number - (len(scores) - 1) / 2) * width
                    axis.plot(
                        [x] * len(values), values, linestyle="", marker=marker(number), markersize=3.5,
                        color=colour(number), alpha=0.6,
                    )  # fmt: skip
                    axis.hlines(np.mean(values), x - 0.4 * width, x + 0.4 * width, color="black", zorder=3)
            axis.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
            axis.set_xticks(range(len(REGIONS)), [region.replace(" ", "\n", 1) for region in REGIONS])
            axis.grid(axis="x", visible=False)
            axis.set_title(f"errors of {panel}")
        for number, score in enumerate(scores):
            axes[0].plot([], [], linestyle="", marker=marker(number), color=colour(number), label=score)
        axes[0].set_ylabel("AUROC (a dot a case, bar: mean)")
        legend_below(figure, axes[0], len(scores))
        return to_png(figure)


def write_maps(materials: Iterable[Material], output: Path, bootstrap: Bootstrap = DEFAULT_BOOTSTRAP) -> Path:
    """Write `auroc.csv`, `auroc.md` and `auroc.png`; returns the path of the Markdown."""
    rows = [row for material in materials for row in auroc_rows(material)]
    write_text(output / "auroc.csv", csv_text(AurocRow, rows))
    with atomic_path(output / "auroc.png") as scratch:
        scratch.write_bytes(auroc_figure(rows))
    write_text(output / "auroc.md", f"{to_markdown(auroc_table(rows, bootstrap))}\n{NOTE}\n")
    return output / "auroc.md"


def csv_text(kind: type, rows: Iterable[object]) -> str:
    """Records as CSV, None as an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)  # type: ignore[call-overload]
    return text.getvalue()
