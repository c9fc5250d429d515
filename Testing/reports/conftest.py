"""Invented findings, shaped like those of the demonstration, and a strict reader of HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.reports.findings import CaseScore, DemoFindings, RiskHistogram, TrainingHistory
from TransferRiskLib.tasks.results import ClassSummary, ModelScore

VOID = {"meta", "img", "br", "hr", "link", "input"}
METHODS = {
    "source": "Source alone", "eep": "EEP", "plain": "Plain fine-tuning", "paper": "Paper preset",
    "recommended": "Recommended", "scratch": "From scratch",
}  # fmt: skip
LABELS = ("CSF", "grey matter", "white matter", "lesion")


def _made_up_findings(renders=None) -> DemoFindings:
    rng = np.random.default_rng(7)
    level = dict(zip(METHODS, (0.55, 0.72, 0.78, 0.70, 0.84, 0.74), strict=True))
    hardness = dict(zip(LABELS, (0.02, 0.0, 0.04, -0.2), strict=True))
    scores = []
    for case in range(4):
        shift = rng.normal(0, 0.03)
        for method in METHODS:
            for label in LABELS:
                dice = float(np.clip(level[method] + hardness[label] + shift + rng.normal(0, 0.02), 0, 1))
                hd95 = None if method == "source" and label == "lesion" else 12 * (1 - dice)
                scores.append(CaseScore(method, f"test{case}", label, dice, hd95))
    steps = np.arange(1, 301)
    histories = tuple(
        TrainingHistory(
            method,
            tuple(steps.tolist()),
            tuple((np.exp(-steps / (60 + 30 * n)) + 0.3 + rng.normal(0, 0.05, 300)).tolist()),
            tuple(range(50, 301, 50)) if method == "recommended" else (),
            (0.5, 0.62, 0.70, 0.74, 0.77, 0.78) if method == "recommended" else (),
        )
        for n, method in enumerate(("plain", "paper", "recommended", "scratch"))
    )
    edges = np.linspace(0, 4, 33)
    counts = {
        label: tuple((20000 * np.exp(-edges[:-1] * (3 - 0.6 * n))).astype(int).tolist())
        for n, label in enumerate(("background", *LABELS))
    }
    risk = tuple(
        ClassSummary(
            f"case{c}", label, 12345 * (n + 1), 0.1 * (n + 1), 0.05 * (n + 1), 0.001, 1.5 + n / 3, 0.01 * n
        )
        for c in range(2)
        for n, label in enumerate(("all", *LABELS))
    )
    ranking = (
        ModelScore(
            "T1-like brain, 4 classes",
            "models/t1",
            -0.31,
            0.62,
            dict(zip(LABELS, (0.7, 0.6, 0.66, 0.2), strict=True)),
        ),
        ModelScore(
            "FLAIR-like brain",
            "models/flair",
            -0.66,
            0.19,
            dict(zip(LABELS, (0.3, 0.1, 0.15, 0.4), strict=True)),
        ),
    )
    return DemoFindings(
        ranking, tuple(scores), histories, risk, RiskHistogram(tuple(edges.tolist()), counts), renders or {},
        (AuditRow("CSF", 0.81, 0.72, 3, 3, 0), AuditRow("lesion", 0.55, 0.58, 3, 0, 3)),
        {"Rank": 12.3, "Risk map": 3.21, "Adapt": 141.0},
        {"Model": "t1-demo sha256:1234abcd", "Seed": "0", "Versions": "torch 2.13.0, monai 1.6.1"},
        METHODS,
    )  # fmt: skip


class Reader(HTMLParser):
    """Keeps the tree's balance, the attributes of every element, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def findings():
    return _made_up_findings()


@pytest.fixture
def findings_with_renders():
    return _made_up_findings


@pytest.fixture
def read():
    return _read
