"""The report of the demonstration, out of its findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib.evaluation.audit import audit_sentence
from TransferRiskLib.reports import figures
from TransferRiskLib.reports.findings import DemoFindings
from TransferRiskLib.reports.html import Figure, Section, write_report
from TransferRiskLib.reports.tables import Column, Table, spread

TITLE = "TransferRisk: the demonstration"
NOTICE = (
    "All images in this report are simulated. They come from a procedural brain, not from patients or "
    "volunteers; the numbers show how the parts work together and say nothing about clinical accuracy."
)
ALL_LABELS = "all labels"


def write_demo_report(findings: DemoFindings, path: Path) -> None:
    """Write the self-contained `report.html` of the demonstration.

    Args:
        findings: What was found (see `read_findings`).
        path: The HTML file.

    Raises:
        StorageError: the file cannot be written.
        ImageError: a render that is not a PNG.
    """
    write_report(path, TITLE, demo_sections(findings), findings.provenance, NOTICE)


def demo_sections(findings: DemoFindings) -> list[Section]:
    """The report's sections; those without findings are left out."""
    sections = [_ranking(findings), _risk(findings), _renders(findings), _training(findings)]
    sections += [_scores(findings), _audit(findings), _timings(findings)]
    return [_summary(findings), *(section for section in sections if section is not None)]


def _summary(findings: DemoFindings) -> Section:
    paragraphs = []
    if findings.ranking:
        best = findings.ranking[0]
        paragraphs.append(
            f"{len(findings.ranking)} source models were ranked on the labelled target cases; "
            f"{best.model} informs most about the target labels (normalised score {best.normalised:.2f})."
        )
    cases = {score.case for score in findings.scores}
    methods = _methods(findings)
    if methods:
        paragraphs.append(
            f"{len(methods)} methods then segmented {len(cases)} test scans that took no part "
            "in any training."
        )
    return Section("Summary", paragraphs, tables=[_method_table(findings)] if methods else [])


def _ranking(findings: DemoFindings) -> Section | None:
    if not findings.ranking:
        return None
    labels = list(dict.fromkeys(label for score in findings.ranking for label in score.per_class))
    columns = [Column("model", "Source model"), Column("leep", "LEEP (nats)", 3, "high")]
    columns.append(Column("normalised", "Normalised score", 3, "high"))
    columns += [Column(f"label {label}", label, 3, "high") for label in labels]
    rows = [
        {"model": s.model, "leep": s.leep, "normalised": s.normalised}
        | {f"label {label}": s.per_class.get(label) for label in labels}
        for s in findings.ranking
    ]
    chart = Figure(
        figures.ranking_bars(findings.ranking),
        "Bar chart of the normalised score of every source model, overall and per class; "
        "the table below holds the numbers.",
        "Normalised score of the source models on the labelled target cases.",
    )
    text = (
        "The LEEP score is the mean log probability that the source model's outputs, translated by the joint "
        "statistics, give to the true target labels. The normalised score is 0 when the outputs say nothing "
        "beyond how common each class is, and 1 when they determine the labels."
    )
    table = Table("Source models, best first; per class, one label against the rest.", columns, rows)
    return Section("Ranking of the source models", [text], [table], [chart])


def _risk(findings: DemoFindings) -> Section | None:
    if not findings.risk and findings.histogram is None:
        return None
    text = (
        "The transfer risk of a voxel is −log EEP(y|x): how surprised the translated source model is by the "
        "true label. Where the transfer gain is negative the source model misleads: negative transfer."
    )
    columns = [
        Column("case", "Case"), Column("label", "Class"), Column("voxels", "Voxels"),
        Column("mean", "Mean (nats)", 3), Column("median", "Median", 3), Column("q05", "5 %", 3),
        Column("q95", "95 %", 3), Column("negative", "Negative gain (%)", 1),
    ]  # fmt: skip
    rows = [
        {
            "case": r.case, "label": r.label, "voxels": r.voxels, "mean": r.mean, "median": r.median,
            "q05": r.q05, "q95": r.q95, "negative": 100 * r.negative_share,
        }
        for r in findings.risk
    ]  # fmt: skip
    charts = []
    if findings.histogram is not None:
        charts.append(
            Figure(
                figures.risk_histogram(findings.histogram),
                "Histogram of the transfer risk, one outline per class, logarithmic share of voxels.",
                "Transfer risk of the labelled voxels, by class.",
            )
        )
    tables = [Table("Transfer risk over labelled voxels, per case and class.", columns, rows)] if rows else []
    return Section("Transfer risk", [text], tables, charts)


def _renders(findings: DemoFindings) -> Section | None:
    if not findings.renders:
        return None
    missing = [title for title, path in findings.renders.items() if not path.is_file()]
    pictures = [
        Figure(path.read_bytes(), title, title, wide=False)
        for title, path in findings.renders.items()
        if title not in missing
    ]
    paragraphs = ["Simulated scans with maps and segmentations laid over them."]
    if missing:
        paragraphs.append(f"Not rendered: {', '.join(missing)}.")
    return Section("Pictures", paragraphs, figures=pictures)


def _training(findings: DemoFindings) -> Section | None:
    if not findings.histories:
        return None
    chart = Figure(
        figures.training_curves(findings.histories, findings.methods),
        "Line charts of training loss and validation Dice by training step, one line per method.",
        "Training loss (running mean) and, where a method validates, mean Dice on the validation cases. "
        "Losses of different kinds are not comparable with each other.",
    )
    return Section("Training", figures=[chart])


def _scores(findings: DemoFindings) -> Section | None:
    if not findings.scores:
        return None
    chart = Figure(
        figures.dice_strips(findings.scores, findings.methods),
        "Dice of every test scan by method, one panel per label; the tables below hold the numbers.",
        "Dice on the test scans: a point is a scan, a grey line joins one scan, a black bar is the mean.",
    )
    tables = [_label_table(findings, "dice"), _label_table(findings, "hd95")]
    if difference := _difference_table(findings):
        tables.append(difference)
    return Section("Segmentation of the test scans", [], tables, [chart])


def _audit(findings: DemoFindings) -> Section | None:
    if not findings.audit:
        return None
    verdict = (
        f"{audit_sentence(findings.audit)} Compared is a model trained from scratch with the same budget."
    )
    columns = [
        Column("label", "Label"), Column("transferred", "With transfer", 1),
        Column("scratch", "From scratch", 1), Column("difference", "Difference", 1, signed=True),
        Column("better", "Cases where better", 0), Column("cases", "Cases", 0),
    ]  # fmt: skip
    rows = [
        {
            "label": row.label, "transferred": 100 * row.transferred, "scratch": 100 * row.scratch,
            "difference": 100 * row.difference, "better": row.better, "cases": row.cases,
        }
        for row in findings.audit
    ]  # fmt: skip
    table = Table("Validation Dice (%), mean over the held-out cases.", columns, rows)
    return Section("Negative-transfer audit", [verdict], [table])


def _timings(findings: DemoFindings) -> Section | None:
    if not findings.timings:
        return None
    rows: list[dict[str, object]] = [{"part": k, "seconds": float(v)} for k, v in findings.timings.items()]
    rows.append({"part": "Total", "seconds": float(sum(findings.timings.values()))})
    columns = [Column("part", "Part"), Column("seconds", "Seconds", 1)]
    return Section("Time", tables=[Table("Wall-clock time of each part.", columns, rows)])


def _methods(findings: DemoFindings) -> list[str]:
    return list(dict.fromkeys(score.method for score in findings.scores))


def _case_means(
    findings: DemoFindings, method: str, metric: str, label: str = ALL_LABELS
) -> dict[str, float]:
    """Mean over labels of each case; Dice in per cent."""
    values: dict[str, list[float]] = {}
    for score in findings.scores:
        value = getattr(score, metric)
        if score.method == method and label in (ALL_LABELS, score.label) and value is not None:
            values.setdefault(score.case, []).append(100 * value if metric == "dice" else value)
    return {case: sum(numbers) / len(numbers) for case, numbers in values.items()}


def _method_table(findings: DemoFindings) -> Table:
    rows = [
        {
            "method": findings.methods.get(method, method),
            "dice": spread(_case_means(findings, method, "dice").values()),
            "hd95": spread(_case_means(findings, method, "hd95").values()),
        }
        for method in _methods(findings)
    ]
    columns = [Column("method", "Method"), Column("dice", "Dice (%)", 1, "high")]
    columns.append(Column("hd95", "HD95 (mm)", 1, "low"))
    return Table(
        "Mean over labels (HD95 where it is defined), then mean ± sd over the test scans; best in bold.",
        columns,
        rows,
    )


def _label_table(findings: DemoFindings, metric: str) -> Table:
    labels: Sequence[str] = list(dict.fromkeys(score.label for score in findings.scores))
    best, unit = ("high", "Dice (%)") if metric == "dice" else ("low", "HD95 (mm)")
    columns = [Column("method", "Method")]
    columns += [Column(f"label {label}", label, 1, best) for label in labels]  # type: ignore[arg-type]
    rows: list[dict[str, object]] = []
    for method in _methods(findings):
        row: dict[str, object] = {"method": findings.methods.get(method, method)}
        for label in labels:
            row[f"label {label}"] = spread(_case_means(findings, method, metric, label).values())
        rows.append(row)
    return Table(f"{unit} per label, mean ± sd over the test scans; best in bold.", columns, rows)


def _difference_table(findings: DemoFindings) -> Table | None:
    """Paired differences against the baseline; None without a baseline."""
    reference = _case_means(findings, findings.baseline, "dice")
    others = [method for method in _methods(findings) if method != findings.baseline]
    if not reference or not others:
        return None
    rows = []
    for method in others:
        means = _case_means(findings, method, "dice")
        differences = [means[case] - reference[case] for case in reference if case in means]
        wins = sum(difference > 0 for difference in differences)
        rows.append(
            {
                "method": findings.methods.get(method, method),
                "difference": spread(differences),
                "wins": f"{wins} of {len(differences)}",
            }
        )
    baseline = findings.methods.get(findings.baseline, findings.baseline)
    columns = [
        Column("method", "Method"),
        Column("difference", "Difference in Dice (points)", 1, signed=True),
    ]
    columns.append(Column("wins", "Better in"))
    return Table(f"Paired differences against {baseline}, per test scan.", columns, rows)
