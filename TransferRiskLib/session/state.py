"""What a person has chosen and made: one frozen record, valid JSON, that goes into a saved scene.

MRML nodes appear as node IDs, `state_nodes.GONE` for those that are not in the scene any more. `stored`
writes the record into a parameter node together with node references, so that the IDs are right again
when a scene is opened that had to give nodes new ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from TransferRiskLib.tasks.results import AdaptResult, ClassSummary, ModelScore

RegionKind = Literal["everything", "slices", "axial", "coronal", "sagittal", "roi"]
Role = Literal["train", "held-out"]
RunStatus = Literal["none", "unfinished", "done"]

MAP_KINDS = ("risk", "relative-risk", "gain", "expected-risk")
"""The maps that are shown as heat, in the order of the window."""


@dataclass(frozen=True)
class CaseRow:
    """One target case.

    Attributes:
        key: Identifies the row as long as it lives; never shown.
        name: What people call the case; unique among the rows.
        channels: Channel name on the model's card to volume node ID.
        segmentation: Segmentation node ID, or None for a case without annotation.
        labels: Segment ID (its name while there is no segmentation) to target label; "background", or
            None for unlabelled. A segment that is not mentioned is the label of its own name.
        region: What was annotated: everything, the slices that carry annotation (of a plane, or of
            that in which they look drawn), or an ROI.
        roi: Node ID of the ROI.
        role: Cases held out are mapped and segmented, never trained on.
        patient: Whose scan it is, where somebody said so; empty for what `session.patients` finds.
    """

    key: str
    name: str
    channels: Mapping[str, str] = field(default_factory=dict)
    segmentation: str | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    region: RegionKind = "everything"
    roi: str | None = None
    role: Role = "train"
    patient: str = ""


@dataclass(frozen=True)
class MappedCase:
    """The nodes of one case in a run of maps: node IDs.

    Attributes:
        case: Name of the case.
        scan: Volume of its first channel.
        maps: Kind to volume node.
        segmentations: "eep-segmentation" to segmentation node.
        worst_lps: Where the risk is highest, LPS mm.
    """

    case: str
    scan: str
    maps: Mapping[str, str] = field(default_factory=dict)
    segmentations: Mapping[str, str] = field(default_factory=dict)
    worst_lps: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class MapRun:
    """One computation of risk maps.

    Attributes:
        name: Of the run, and of its folder in the subject hierarchy.
        model: Path of the source model.
        cases: What is in the scene.
        risk: Table of risk, a row a case and class.
        histogram: Voxels of every class by risk: `{"edges": [...], "counts": {label: [...]}}`-like
            record as the map task writes it; None without labels.
        statistics: The joint statistics as JSON, which map scans without labels.
        score: How much the model tells about the labels.
    """

    name: str
    model: str
    cases: tuple[MappedCase, ...] = ()
    risk: tuple[ClassSummary, ...] = ()
    histogram: Any = None
    statistics: Any = None
    score: ModelScore | None = None


@dataclass(frozen=True)
class MapDisplay:
    """How maps are shown.

    Attributes:
        run: Name of the run shown; empty for none.
        case: Name of the case shown.
        kind: The map shown; empty for the scan alone.
        opacity: Of the map in slices, 0..1.
        thresholds: Kind to the lowest and highest value shown, where they are not the kind's own.
        rendering: Whether the map is rendered in 3-D too.
    """

    run: str = ""
    case: str = ""
    kind: str = "risk"
    opacity: float = 0.65
    thresholds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rendering: bool = False


@dataclass(frozen=True)
class AdaptChoice:
    """Settings of the next adaptation: a preset and what differs from it.

    Attributes:
        preset: As in `adaptation.settings.PRESETS`.
        overrides: Field of `AdaptationSettings` to its JSON value.
        name: Name of the adapted model; empty for one made of the source's.
    """

    preset: str = "recommended"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class AdaptRun:
    """The latest adaptation.

    Attributes:
        folder: Its output folder; empty before the first.
        status: `unfinished` can be resumed, `done` has a result.
        result: The adapted model and what is known of it.
        curves: Name of a curve ("Fold 1: loss") to its (step, value) points.
    """

    folder: str = ""
    status: RunStatus = "none"
    result: AdaptResult | None = None
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanRow:
    """One scan to segment, and what became of it.

    Attributes:
        key, name, channels: As in `CaseRow`.
        chosen: Whether the next segmentation takes it.
        segmentation: Node ID of the result.
        uncertainty: Node ID of the uncertainty map.
        probabilities: Node IDs of the probability volumes.
        error: Why the last segmentation of it failed.
    """

    key: str
    name: str
    channels: Mapping[str, str] = field(default_factory=dict)
    chosen: bool = True
    segmentation: str | None = None
    uncertainty: str | None = None
    probabilities: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class SuggestedScan:
    """A scan that was looked at for *Suggest next*.

    Attributes:
        key: Of its case row.
        score: Expected risk over the scan, per voxel of expected foreground, in nats.
        lps: Where the expected risk is highest, LPS mm.
        volumes: Channel of the model to the node ID of what was looked at.
    """

    key: str
    score: float
    lps: tuple[float, float, float] | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SuggestedNext:
    """The last answer of *Suggest next*.

    Attributes:
        model: Path of the model that gave it; empty for no answer.
        scans: The most worthwhile first.
    """

    model: str = ""
    scans: tuple[SuggestedScan, ...] = ()


@dataclass(frozen=True)
class SegmentChoice:
    """Options of the next segmentation.

    Attributes:
        model: Path of the model; empty takes the adapted model, else the source model.
        probabilities, uncertainty: Extra volumes that are wanted.
    """

    model: str = ""
    probabilities: bool = False
    uncertainty: bool = False


@dataclass(frozen=True)
class SessionState:
    """Everything that a saved scene brings back.

    Attributes:
        model: Path of the chosen source model; empty for none.
        ranking: Scores of the last ranking, best first.
        ranked: The rows that it was made on, as they were.
        cases: Target cases.
        runs: Risk maps, the latest last.
        display: How maps are shown.
        adapt: Settings of the next adaptation.
        adapted: The latest adaptation.
        scans: Scans to segment.
        segment: Options of the next segmentation.
        suggested: Which scans to annotate next.
    """

    model: str = ""
    ranking: tuple[ModelScore, ...] = ()
    ranked: tuple[CaseRow, ...] = ()
    cases: tuple[CaseRow, ...] = ()
    runs: tuple[MapRun, ...] = ()
    display: MapDisplay = field(default_factory=MapDisplay)
    adapt: AdaptChoice = field(default_factory=AdaptChoice)
    adapted: AdaptRun = field(default_factory=AdaptRun)
    scans: tuple[ScanRow, ...] = ()
    segment: SegmentChoice = field(default_factory=SegmentChoice)
    suggested: SuggestedNext = field(default_factory=SuggestedNext)

    @staticmethod
    def new_key() -> str:
        """A key that no row has, nor had: what a job brings must not go to a row that came meanwhile."""
        return f"row-{uuid.uuid4().hex}"

    def model_path(self) -> Path:
        """The chosen source model."""
        return Path(self.model)

    def statistics_of_model(self) -> Any:
        """The joint statistics of the latest run with the chosen model; None without one."""
        found = (run.statistics for run in reversed(self.runs) if run.model == self.model)
        return next((statistics for statistics in found if statistics is not None), None)

    def case(self, key: str) -> CaseRow:
        """The case row of a key; raises KeyError when there is none."""
        return _of_key(self.cases, key)

    def scan(self, key: str) -> ScanRow:
        """The scan row of a key; raises KeyError when there is none."""
        return _of_key(self.scans, key)

    def with_case(self, row: CaseRow) -> SessionState:
        """The state with that row in place of the one of its key."""
        return replace(self, cases=tuple(row if r.key == row.key else r for r in self.cases))

    def with_scan(self, row: ScanRow) -> SessionState:
        """The state with that row in place of the one of its key."""
        return replace(self, scans=tuple(row if r.key == row.key else r for r in self.scans))

    def shown_run(self) -> MapRun | None:
        """The run that is shown."""
        return next((run for run in self.runs if run.name == self.display.run), None)


def _of_key(rows: Any, key: str) -> Any:
    for row in rows:
        if row.key == key:
            return row
    raise KeyError(key)
