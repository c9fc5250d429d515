"""What a task gives back: frozen records that are also valid JSON (see `records`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.transfer.informative import INFORMATIVE

if TYPE_CHECKING:  # it brings in torch, and a GUI reads results
    from TransferRiskLib.transfer.scores import TransferScore


@dataclass(frozen=True)
class Lineage:
    """What is known of the training of a model that is compared with others.

    Attributes:
        adapted: Whether it is known to be an adapted model.
        trained_on: Names of the cases of the comparison that it was adapted to, or a model that it came from.
        uncertain: Whether there may be more of them: the record of a run that it came from is not at hand,
            without which nobody can tell, or nobody noted whether there was one.
    """

    adapted: bool = False
    trained_on: tuple[str, ...] = ()
    uncertain: bool = False


@dataclass(frozen=True)
class ModelScore:
    """How well one source model's outputs inform about the target labels.

    Attributes:
        model: Name on the model's card.
        path: Where it lies.
        leep: Mean log EEP over labelled voxels, in nats, at most 0.
        normalised: (LEEP + H(Y)) / H(Y), 0 (says nothing) to 1 (says all).
        per_class: Normalised score of every target label against the rest.
        without_curves: The normalised score before the scans were taken through intensity curves; None
            where there are none.
        unnamed: Labels that no output of the model stands for, by P(y|z): whatever the score, its
            translation (EEP) names them next to nowhere.
        lineage: What is known of its training; None where nobody looked.
    """

    model: str
    path: Path
    leep: float
    normalised: float
    per_class: Mapping[str, float]
    without_curves: float | None = None
    unnamed: tuple[str, ...] = ()
    lineage: Lineage | None = None

    @property
    def informs(self) -> bool:
        """Whether the outputs tell enough for maps to show more than how common each label is."""
        return self.normalised >= INFORMATIVE

    @classmethod
    def of(
        cls,
        score: TransferScore,
        path: Path,
        without_curves: float | None = None,
        lineage: Lineage | None = None,
    ) -> ModelScore:
        """The record of a score."""
        per_class, name = dict(score.per_class), score.model
        return cls(
            name, path, score.leep, score.normalised, per_class, without_curves, score.unnamed, lineage
        )


@dataclass(frozen=True)
class LeftOut:
    """A model that could not be ranked, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class RankResult:
    """Models, best first, and the table that shows them (`ranking.csv`, `ranking.json`).

    Attributes:
        left_out: Models that could not be opened; the others are compared without them.
    """

    scores: tuple[ModelScore, ...]
    table: Path
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class ClassSummary:
    """Statistics of one map over the labelled voxels of one class (`all` for every class).

    Attributes:
        voxels: Labelled voxels.
        mean, median, q05, q95: Of the map, in nats (relative risk has no unit).
        negative_share: Share of voxels with negative transfer gain.
    """

    case: str
    label: str
    voxels: int
    mean: float
    median: float
    q05: float
    q95: float
    negative_share: float


@dataclass(frozen=True)
class CaseMaps:
    """The files of one case: map kind to float32 volume on the grid of the case's first image."""

    case: str
    maps: Mapping[str, Path]
    worst_lps: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class MapResult:
    """Maps, statistics and summary of a `map` task."""

    score: ModelScore | None
    statistics: Path
    summary: Path
    cases: tuple[CaseMaps, ...]
    risk: tuple[ClassSummary, ...] = ()


@dataclass(frozen=True)
class AdaptResult:
    """An adapted model and what is known of it.

    Attributes:
        bundle: Folder of the adapted model (a MONAI bundle).
        history: CSV of losses and validation Dice.
        validation: Mean validation Dice per label, empty without folds.
        audit: Transfer against from scratch per label, empty when it was not asked for.
        eep_weight: Share of the EEP in the prediction.
        keep_largest: Labels of which only the largest component is kept.
        resumed: Whether an interrupted run was continued.
        wise_ft: Share of the adapted weights in the average with the source's.
        normalised_score: How much the source's outputs tell about the labels, 0 to 1; 0 from scratch.
        score_without_curves: The same before the scans were taken through intensity curves; None where
            there are none.
        channels: Channel of the model to the channel of the cases that took its place, where they differ:
            scans to segment need the same.
    """

    bundle: Path
    history: Path
    validation: Mapping[str, float] = field(default_factory=dict)
    audit: tuple[AuditRow, ...] = ()
    eep_weight: float = 0.0
    keep_largest: tuple[str, ...] = ()
    resumed: bool = False
    wise_ft: float = 1.0
    normalised_score: float = 0.0
    score_without_curves: float | None = None
    channels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentedScan:
    """The files of one segmented scan, or why it failed."""

    case: str
    labelmap: Path | None = None
    segmentation: Path | None = None
    probabilities: Path | None = None
    uncertainty: Path | None = None
    error: str | None = None


@dataclass(frozen=True)
class SegmentResult:
    """All scans in the order they were given.

    Attributes:
        scans: What became of them.
        states: What the components of their probabilities are; more than the labels where the model has
            independent regions, which may overlap.
    """

    scans: tuple[SegmentedScan, ...]
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateResult:
    """Mean Dice per label and the tables (`metrics.csv` a row per case and label, `metrics.json`)."""

    dice: Mapping[str, float]
    table: Path


@dataclass(frozen=True)
class DemoResult:
    """What was found, as a record (`findings.json`), and every method's mean Dice on the scans."""

    findings: Path
    dice: Mapping[str, float]


@dataclass(frozen=True)
class DeviceReport:
    """A device as `resolve_device` takes it; memory in bytes, None where the system does not tell."""

    device: str
    name: str
    total_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True)
class ProbeResult:
    """Where the work would be done.

    Attributes:
        versions: Python and library versions; None for a library that is not installed.
        interpreter: Path of the Python that answered.
        devices: What networks can run on, the one that `auto` takes first; empty without torch.
        cuda: CUDA version that torch was built for; None for a CPU-only torch.
        nvidia: Names of the NVIDIA cards that the driver knows, whether or not torch can use them.
        problem: Why torch cannot be used; empty when it can.
    """

    versions: Mapping[str, str | None]
    interpreter: str
    devices: tuple[DeviceReport, ...] = ()
    cuda: str | None = None
    nvidia: tuple[str, ...] = ()
    problem: str = ""
