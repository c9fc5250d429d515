"""What the demonstration found, as a plain record that is also valid JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.records import from_json
from TransferRiskLib.tasks.results import ClassSummary, ModelScore


@dataclass(frozen=True)
class CaseScore:
    """How well one method segmented one label of one test case.

    Attributes:
        dice: Overlap, 0 to 1; None where it is not defined.
        hd95: 95th percentile of the surface distances, in mm; None where it is not defined.
    """

    method: str
    case: str
    label: str
    dice: float | None
    hd95: float | None = None


@dataclass(frozen=True)
class TrainingHistory:
    """The course of one method's training.

    Attributes:
        steps, loss: Training loss at these steps; of equal length.
        validation_steps, validation_dice: Mean validation Dice (0 to 1) at these steps; of equal
            length, empty for a training without validation.
    """

    method: str
    steps: tuple[int, ...]
    loss: tuple[float, ...]
    validation_steps: tuple[int, ...] = ()
    validation_dice: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.loss) or len(self.validation_steps) != len(self.validation_dice):
            raise SettingsError(f"The history of {self.method!r} has steps without values.")


@dataclass(frozen=True)
class RiskHistogram:
    """Numbers of voxels by transfer risk, for every class.

    Attributes:
        edges: Bin edges in nats, ascending, one more than there are bins.
        counts: Label name to the voxels in each bin.
    """

    edges: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        for label, counts in self.counts.items():
            if len(counts) != len(self.edges) - 1:
                raise SettingsError(f"The histogram of {label!r} needs {len(self.edges) - 1} bins.")


@dataclass(frozen=True)
class DemoFindings:
    """Everything the report of the demonstration shows.

    Attributes:
        ranking: Source models, best first.
        scores: A row per method, test case and label.
        histories: Training curves of the methods that train.
        risk: Risk statistics per case and class (see `ClassSummary`).
        histogram: Risk of all labelled voxels, by class.
        renders: Title to PNG file; relative paths count from the record's folder.
        audit: Transfer against from scratch, validation Dice per label.
        timings: Part of the demonstration to seconds.
        provenance: What was used: model, cases, settings, seed, versions.
        methods: Method key to the words shown for it; a key that is absent is shown as it is.
        baseline: Method that paired differences are taken against.
    """

    ranking: tuple[ModelScore, ...]
    scores: tuple[CaseScore, ...]
    histories: tuple[TrainingHistory, ...] = ()
    risk: tuple[ClassSummary, ...] = ()
    histogram: RiskHistogram | None = None
    renders: Mapping[str, Path] = field(default_factory=dict)
    audit: tuple[AuditRow, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    baseline: str = "plain"


def read_findings(path: Path) -> DemoFindings:
    """The record in a JSON file, with its render paths made absolute.

    Raises:
        SettingsError: the file cannot be read or is not such a record.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"cannot be read as findings ({error}).", file=path, hint="Run the demonstration again."
        ) from error
    findings = from_json(DemoFindings, value, path.name)
    renders = {title: path.parent.resolve() / image for title, image in findings.renders.items()}
    return dataclasses.replace(findings, renders=renders)
