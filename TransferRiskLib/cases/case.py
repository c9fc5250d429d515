"""What a case is before any of its files is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from TransferRiskLib.cases.labels import LabelScheme


@dataclass(frozen=True)
class ChannelFile:
    """Where one channel lies.

    Attributes:
        path: An image file, or the folder of a DICOM series.
        component: Which image of a 4-D file, from 0; None for a file that must hold one image only:
            which of several is meant is never guessed.
    """

    path: Path
    component: int | None = None


@dataclass(frozen=True)
class Annotation:
    """Which voxels of a case were annotated. Conditions add up: a voxel must meet all that are set.

    Attributes:
        mask: A label map on the case's grid, non-zero where annotated.
        slices: Indices of the annotated slices along `axis`.
        axis: The voxel axis that `slices` counts along.
        box: Annotated box in LPS mm: (min L, min P, min S, max L, max P, max S).
        unlabelled_value: The value in the label map that marks voxels nobody annotated.
    """

    mask: Path | None = None
    slices: tuple[int, ...] | None = None
    axis: Literal["i", "j", "k"] = "k"
    box: tuple[float, float, float, float, float, float] | None = None
    unlabelled_value: int | None = None


@dataclass(frozen=True)
class Case:
    """One scan with its channels and, where there are any, its labels.

    Attributes:
        name: Unique within a cohort; names the outputs.
        images: Channel name to file. The first one's grid is the case's grid.
        labels: Label map or segmentation, or None for a scan to segment.
        annotation: Which voxels were annotated.
        subject: Cases of one subject stay on the same side of every split; the name by default.
    """

    name: str
    images: Mapping[str, ChannelFile]
    labels: Path | None = None
    annotation: Annotation = field(default_factory=Annotation)
    subject: str | None = None

    @property
    def group(self) -> str:
        """What splits must not separate."""
        return self.subject or self.name


@dataclass(frozen=True)
class Cohort:
    """Cases whose label maps share one scheme.

    Attributes:
        cases: The cases, in a stable order.
        scheme: What the values in the cases' label files mean; None when no case has labels.
        name: For reports.
    """

    cases: tuple[Case, ...]
    scheme: LabelScheme | None = None
    name: str = ""
