"""What a map says of a case in a few numbers, a histogram and one place to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from TransferRiskLib.errors import LabelError, SettingsError

ALL = "all"
"""Label of the summary over every labelled voxel."""


@dataclass(frozen=True)
class MapSummary:
    """Statistics of one map over the voxels of one class (`all`: over every labelled voxel).

    Attributes:
        label: The class.
        voxels: How many.
        mean, median, q05, q95: Of the map, in its unit (nats; relative risk has none).
        negative_share: Share of the voxels with negative transfer gain.
    """

    label: str
    voxels: int
    mean: float
    median: float
    q05: float
    q95: float
    negative_share: float


@dataclass(frozen=True, eq=False)
class MapHistogram:
    """Voxels of every class by the value of a map.

    Attributes:
        targets: Names of the Y classes.
        edges: (B + 1,) float64, increasing; the end bins also hold what lies beyond.
        counts: (Y, B) int64.
    """

    targets: tuple[str, ...]
    edges: np.ndarray
    counts: np.ndarray

    def merge(self, other: MapHistogram) -> MapHistogram:
        """The voxels of both; raises SettingsError when classes or edges differ."""
        if self.targets != other.targets or not np.array_equal(self.edges, other.edges):
            raise SettingsError("Histograms with other classes or bins cannot be merged.")
        return MapHistogram(self.targets, self.edges, self.counts + other.counts)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "targets": list(self.targets),
            "edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
        }


def summarise(
    values: np.ndarray, labels: np.ndarray, targets: Sequence[str], gain: np.ndarray | None = None
) -> tuple[MapSummary, ...]:
    """Summaries of a map per class, and of all labelled voxels first.

    Args:
        values: (...) the map; not-a-number voxels count nowhere.
        labels: (...) class indices, -1 where unlabelled.
        targets: Names of the classes.
        gain: (...) transfer gain for `negative_share`; None when `values` is the gain itself.

    Returns:
        `all`, then the classes in order. A class without voxels has no row.

    Raises:
        LabelError: maps and labels of different grids.
    """
    values, labels = _flat(values, labels)
    signs = values if gain is None else _flat(gain, labels)[0]
    known = (labels >= 0) & ~np.isnan(values)
    rows = [(ALL, known), *((name, known & (labels == c)) for c, name in enumerate(targets))]
    return tuple(_summary(name, values[mask], signs[mask]) for name, mask in rows if mask.any())


def histogram(
    values: np.ndarray, labels: np.ndarray, targets: Sequence[str], edges: np.ndarray | Sequence[float]
) -> MapHistogram:
    """Voxels of every class by the value of a map.

    Args:
        values: (...) the map; not-a-number voxels count nowhere.
        labels: (...) class indices, -1 where unlabelled.
        targets: Names of the classes.
        edges: (B + 1,) increasing; values beyond them count in the end bins. Fixed edges let the
            histograms of several cases merge.

    Raises:
        SettingsError: fewer than two edges, or edges that do not increase.
        LabelError: a map and labels of different grids.
    """
    bounds = np.asarray(edges, dtype=np.float64)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise SettingsError("A histogram needs at least two edges, increasing.")
    values, labels = _flat(values, labels)
    known = (labels >= 0) & ~np.isnan(values)
    bins = len(bounds) - 1
    place = np.clip(np.searchsorted(bounds, values[known], side="right") - 1, 0, bins - 1)
    flat = np.bincount(labels[known].astype(np.int64) * bins + place, minlength=len(targets) * bins)
    return MapHistogram(tuple(targets), bounds, flat.reshape(len(targets), bins))


def worst_spot(values: np.ndarray, size: int | Sequence[int] = 5) -> tuple[int, ...] | None:
    """Index of the voxel around which a map is highest on average: a spot, not a single noisy voxel.

    The average goes over the voxels with a value within a box. Boxes that are less than a third full
    of such voxels are passed over, unless there is no better one, so that a lone voxel at the border
    of the annotation does not win.

    Args:
        values: Map on the image's grid, (k, j, i); not-a-number where there is no value.
        size: Edge length of the box in voxels, one for all axes or one for each.

    Returns:
        The index (k, j, i) of a voxel with a value, or None when there is none.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    # Within the box of the voxels that have a value: the rest of a sparse annotation costs nothing.
    box = ndimage.find_objects(known.astype(np.int8))[0]
    known, inside = known[box], values[box]
    edges = (size,) * values.ndim if isinstance(size, int) else tuple(size)
    edges = tuple(min(edge, length) for edge, length in zip(edges, inside.shape, strict=True))
    filled = np.where(known, inside, 0.0).astype(np.float64)
    share = ndimage.uniform_filter(known.astype(np.float64), edges, mode="constant")
    total = ndimage.uniform_filter(filled, edges, mode="constant")
    enough = known & (share >= min(1 / 3, share[known].max() - 1e-9))
    average = np.where(enough, total / np.where(enough, share, 1.0), -np.inf)
    place = np.unravel_index(int(average.argmax()), average.shape)
    return tuple(int(p) + corner.start for p, corner in zip(place, box, strict=True))


def _flat(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, labels = np.asarray(values), np.asarray(labels)
    if values.size != labels.size:
        raise LabelError(f"A map of shape {values.shape} does not fit labels of shape {labels.shape}.")
    return values.reshape(-1), labels.reshape(-1)


def _summary(label: str, values: np.ndarray, gain: np.ndarray) -> MapSummary:
    exact = values.astype(np.float64)
    q05, median, q95 = np.quantile(exact, (0.05, 0.5, 0.95))
    return MapSummary(
        label,
        exact.size,
        float(exact.mean()),
        float(median),
        float(q05),
        float(q95),
        float((gain < 0).mean()),
    )
