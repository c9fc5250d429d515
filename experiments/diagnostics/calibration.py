"""Do the probabilities mean what they say? Reliability, expected calibration error, errors by risk.

Confidence is the probability of the most probable class, and it is right where that class is the label.
Source of reliability diagrams and expected calibration error: Guo, Pleiss, Sun and Weinberger, On
Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from experiments.diagnostics.inputs import EEP, Material
from experiments.diagnostics.regions import AROUND, regions

BINS = 15
"""As many as Guo et al. use."""

TENTHS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Sums of voxels by confidence; they merge over cases.

    Attributes:
        count: (BINS,) voxels; bin b holds confidences in (b / BINS, (b + 1) / BINS], the first also 0.
        confidence: (BINS,) sums of confidence.
        right: (BINS,) voxels whose most probable class is the label.
    """

    count: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
        """Sums over n voxels.

        Args:
            probabilities: (Y, n).
            labels: (n,) class indices, none unlabelled.
        """
        confidence = probabilities.max(axis=0).astype(np.float64)
        right = probabilities.argmax(axis=0) == labels
        place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        sums = (np.bincount(place, part, BINS) for part in (np.ones(len(place)), confidence, right))
        return cls(*sums)

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.count + other.count, self.confidence + other.confidence, self.right + other.right
        )

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean confidence and accuracy of the bins that hold voxels."""
        some = self.count > 0
        return self.confidence[some] / self.count[some], self.right[some] / self.count[some]

    @property
    def error(self) -> float | None:
        """Expected calibration error: the mean over voxels of |accuracy − confidence| of their bin,
        0 to 1; None without voxels."""
        total = self.count.sum()
        return float(np.abs(self.right - self.confidence).sum() / total) if total else None

    @property
    def bias(self) -> float | None:
        """Mean confidence minus accuracy: positive where the probabilities are too sure."""
        total = self.count.sum()
        return float((self.confidence - self.right).sum() / total) if total else None


@dataclass(frozen=True)
class CalibrationRow:
    """Calibration of somebody's probabilities in one region of one case; errors in 0 to 1."""

    case: str
    subject: str
    probabilities_of: str
    region: str
    calibration_error: float | None
    overconfidence: float | None
    voxels: int


@dataclass(frozen=True)
class TenthRow:
    """A tenth of a case's voxels around the foreground, by their expected risk.

    Attributes:
        case, subject: Of the case.
        tenth: 1 holds the lowest expected risk.
        expected_risk: Mean, in nats.
        expected_error: Error rate that the EEP expects of itself: mean of 1 − max EEP.
        errors_of: Whose errors are observed.
        observed_error: Their rate.
    """

    case: str
    subject: str
    tenth: int
    expected_risk: float
    expected_error: float
    errors_of: str
    observed_error: float


@dataclass
class Calibration:
    """What is collected over cases."""

    rows: list[CalibrationRow]
    tenths: list[TenthRow]
    pooled: dict[tuple[str, str], Reliability]

    @classmethod
    def of(cls, materials: Iterable[Material]) -> Calibration:
        """Collect from all test cases; only one is in memory at a time."""
        made = cls([], [], {})
        for material in materials:
            made.add(material)
        return made

    def add(self, material: Material) -> None:
        """Add a test case."""
        places = regions(material.labels)
        for name, probabilities in material.probabilities.items():
            for region, mask in places.items():
                sums = Reliability.of(probabilities[:, mask], material.labels[mask])
                key = name, region
                self.pooled[key] = self.pooled[key] + sums if key in self.pooled else sums
                self.rows.append(
                    CalibrationRow(
                        material.case, material.subject, name, region, sums.error, sums.bias, int(mask.sum())
                    )
                )
        self.tenths += tenth_rows(material, places[AROUND])


def tenth_rows(material: Material, mask: np.ndarray) -> list[TenthRow]:
    """Expected and observed errors by tenths of expected risk; none where there are fewer voxels."""
    if mask.sum() < TENTHS:
        return []
    risk = material.scores["expected risk"][mask].astype(np.float64)
    expected = 1.0 - material.probabilities[EEP][:, mask].max(axis=0).astype(np.float64)
    observed = {name: wrong[mask] for name, wrong in material.errors.items()}
    rows = []
    for number, part in enumerate(np.array_split(np.argsort(risk, kind="stable"), TENTHS), start=1):
        for name, wrong in observed.items():
            figures = float(risk[part].mean()), float(expected[part].mean())
            rate = float(wrong[part].mean())
            rows.append(TenthRow(material.case, material.subject, number, *figures, name, rate))
    return rows
