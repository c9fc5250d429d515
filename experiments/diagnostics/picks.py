"""What to annotate next: as Suggest next says, the most uncertain, or at random.

Every strategy gives each scan a score and one slice, and takes the scans with the highest scores; it adds
the whole scan or that slice. Scans of which anything is annotated already are no candidates, as in the
application.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from TransferRiskLib.session.suggesting import score_of_maps
from TransferRiskLib.transfer.summaries import worst_spot

SUGGESTED, UNCERTAIN, RANDOM = "suggested", "uncertain", "random"
STRATEGIES = (SUGGESTED, UNCERTAIN, RANDOM)

Annotated = dict[str, list[int] | None]
"""Case to its annotated slices along k; None for the whole case."""


@dataclass(frozen=True)
class Candidate:
    """A scan that could be annotated next.

    Attributes:
        case: Its name.
        score: The highest is taken first.
        slice: Index along k of the slice to annotate, where slices are.
    """

    case: str
    score: float
    slice: int


def suggested(case: str, expected_risk: np.ndarray, segmentation: np.ndarray) -> Candidate:
    """As Suggest next ranks scans (`score_of_maps`), with the slice through the spot that it shows.

    Args:
        case: Name.
        expected_risk: Of the source with the statistics of what is annotated so far, (k, j, i) nats.
        segmentation: By the EEP, (k, j, i) class indices.
    """
    spot = worst_spot(expected_risk)
    assert spot is not None, "expected risk is known everywhere"
    return Candidate(case, score_of_maps(expected_risk, segmentation), spot[0])


def uncertain(case: str, entropy: np.ndarray) -> Candidate:
    """Plain uncertainty sampling: the mean softmax entropy of the model adapted so far, (k, j, i) nats,
    and the slice in which it is highest."""
    by_slice = entropy.mean(axis=(1, 2), dtype=np.float64)
    return Candidate(case, float(by_slice.mean()), int(by_slice.argmax()))


def at_random(case: str, segmentation: np.ndarray, generator: np.random.Generator) -> Candidate:
    """Any scan, and any slice in which the EEP finds foreground (any at all where it finds none): who
    picks slices blindly still sees where the organ is."""
    found = np.flatnonzero(segmentation.any(axis=(1, 2)))
    slices = found if len(found) else np.arange(len(segmentation))
    return Candidate(case, float(generator.random()), int(generator.choice(slices)))


def best(candidates: Iterable[Candidate], count: int) -> list[Candidate]:
    """The candidates with the highest scores, by name where they are the same."""
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.case))[:count]


def extended(annotated: Annotated, picked: Iterable[Candidate], whole: bool) -> Annotated:
    """What is annotated after the picks were."""
    return {**annotated, **{one.case: None if whole else [one.slice] for one in picked}}


def spread_slices(labels: np.ndarray, count: int) -> list[int]:
    """Slices along k spread evenly over the foreground: what a first annotation starts from."""
    inside = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    return sorted({int(inside[round(p)]) for p in np.linspace(0, len(inside) - 1, count + 2)[1:-1]})
