"""What a task is asked for: frozen records that are also valid JSON (see `records`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from TransferRiskLib.adaptation.settings import AdaptationSettings, preset_settings
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.settings import PredictionSettings

MapKind = Literal["risk", "relative-risk", "gain", "expected-risk", "eep-segmentation"]


@dataclass(frozen=True)
class CohortInput:
    """Target cases as a task takes them.

    Attributes:
        cohort: The cases.
        channels: Channel name on the model's card to channel name of the cases, where they differ
            (a T2 scan given to a T1 model is a decision, never luck).
        merge: Label name of the cohort's files to target label name, or to None for unlabelled;
            None keeps the cohort's own labels.
    """

    cohort: Cohort
    channels: Mapping[str, str] = field(default_factory=dict)
    merge: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class RankRequest:
    """Compare source models on the same labelled cases.

    Attributes:
        input_curves: `auto` scores a model through intensity curves where they make it tell clearly more
            (scans of another contrast), as the recommended adaptation would use it; `off` as it is.
    """

    models: tuple[Path, ...]
    target: CohortInput
    output: Path
    prediction: PredictionSettings = field(default_factory=PredictionSettings)
    input_curves: Literal["off", "auto"] = "auto"


@dataclass(frozen=True)
class MapRequest:
    """Transfer risk maps of labelled cases; expected risk of cases without labels.

    Attributes:
        maps: Which volumes to write. Cases without labels get only the kinds that need none.
        statistics: Joint statistics saved earlier; needed when no case has labels.
        compress: Write `.nii.gz`; else `.nii`, far quicker, for whoever reads them at once.
    """

    model: Path
    target: CohortInput
    output: Path
    maps: tuple[MapKind, ...] = ("risk", "relative-risk", "gain", "expected-risk", "eep-segmentation")
    statistics: Path | None = None
    prediction: PredictionSettings = field(default_factory=PredictionSettings)
    compress: bool = True


@dataclass(frozen=True)
class AdaptRequest:
    """Adapt a source model to labelled cases. A folder with an unfinished run of the same request
    is resumed; one with a different run is refused unless `restart` says to begin anew."""

    model: Path
    target: CohortInput
    output: Path
    settings: AdaptationSettings = field(default_factory=preset_settings)
    prediction: PredictionSettings = field(default_factory=PredictionSettings)
    name: str = ""
    restart: bool = False


@dataclass(frozen=True)
class SegmentRequest:
    """Segment scans with a model; labels of the cases, if any, are ignored.

    Attributes:
        compress: Write `.nii.gz`; else the volumes of floats are `.nii`, far quicker, for whoever reads
            them at once.
    """

    model: Path
    target: CohortInput
    output: Path
    probabilities: bool = False
    uncertainty: bool = True
    prediction: PredictionSettings = field(default_factory=PredictionSettings)
    compress: bool = True


@dataclass(frozen=True)
class EvaluateRequest:
    """Compare segmentations with the labels of cases.

    Attributes:
        predictions: A folder with one label map a case, named by the case (`NAME.nii.gz`, or
            `NAME/segmentation.nii.gz` as `segment` writes it).
    """

    predictions: Path
    target: CohortInput
    output: Path


@dataclass(frozen=True)
class DemoRequest:
    """The whole job on the simulated cohort; `quick` shortens the training for a smoke test."""

    output: Path
    seed: int = 0
    quick: bool = False


@dataclass(frozen=True)
class MeasureRequest:
    """Time training and prediction with a model, as an adaptation with these settings would do them.

    Attributes:
        labels: The labels to segment.
        output: Folder for scratch files; nothing stays.
    """

    model: Path
    labels: LabelScheme
    output: Path
    settings: AdaptationSettings = field(default_factory=preset_settings)
    prediction: PredictionSettings = field(default_factory=PredictionSettings)


@dataclass(frozen=True)
class ProbeRequest:
    """Ask for library versions and devices; nothing is written."""
