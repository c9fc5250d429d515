"""How well a segmentation agrees with a reference: overlap, surface distance, volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.volumes.geometry import Geometry

ML_PER_MM3 = 1e-3


@dataclass(frozen=True)
class MetricRow:
    """Agreement for one label of one case. None means undefined; nothing here is ever NaN.

    Attributes:
        label: Name of the label.
        dice: 2 |P ∩ R| / (|P| + |R|), 0 to 1; 1 when both masks are empty.
        hd95_mm: Robust Hausdorff distance: the larger of the two 95th percentiles of the distances
            from one surface to the other, in mm. 0 when both masks are empty, None when one is.
        assd_mm: Average symmetric surface distance: mean over the voxels of both surfaces, in mm.
            0 when both masks are empty, None when one is.
        volume_error_percent: 100 (P − R) / R, positive where the prediction is too large. 0 when both
            masks are empty, None when only the reference is.
        reference_ml, predicted_ml: Volumes over the annotated voxels, in ml.
    """

    label: str
    dice: float
    hd95_mm: float | None
    assd_mm: float | None
    volume_error_percent: float | None
    reference_ml: float
    predicted_ml: float


def evaluate_masks(
    prediction: np.ndarray, reference: np.ndarray, geometry: Geometry, scheme: LabelScheme
) -> list[MetricRow]:
    """Metrics of every foreground label, on the grid of the scan.

    Voxels that nobody annotated are taken out of both masks, for overlap, volumes and surfaces
    alike. Where the annotation ends inside a structure, both masks end there: that cut counts as
    surface in both, which draws the surface distances of sparse annotations towards 0.

    The surface of a mask is its voxels that have a face neighbour outside it (one binary erosion
    with the six-neighbourhood; beyond the border of the image is outside). Distances are Euclidean
    between voxel centres, in mm. This is MONAI's definition of both distances.

    Args:
        prediction: Class indices, shape (k, j, i).
        reference: Class indices, `UNLABELLED` where nobody annotated, same shape.
        geometry: The grid of both; its spacing may be anisotropic.
        scheme: What the class indices mean.

    Returns:
        One row a foreground label, in the scheme's order.

    Raises:
        GeometryError: the shapes differ from one another or from the grid.
        LabelError: no voxel is annotated, or an index that the scheme does not have.
    """
    _check(prediction, reference, geometry, scheme)
    labelled = reference != UNLABELLED
    if not labelled.any():
        raise LabelError(
            "The reference has no annotated voxel.", hint="Without labels there is nothing to compare with."
        )
    rows = []
    for index, label in enumerate(scheme.labels[1:], start=1):
        predicted, true = (prediction == index) & labelled, reference == index
        rows.append(_row(label.name, predicted, true, geometry))
    return rows


def dice(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Dice coefficient of two boolean masks of one shape; 1 when both are empty."""
    total = int(predicted.sum()) + int(reference.sum())
    return 1.0 if total == 0 else 2.0 * int((predicted & reference).sum()) / total


def _row(name: str, predicted: np.ndarray, true: np.ndarray, geometry: Geometry) -> MetricRow:
    counts = int(predicted.sum()), int(true.sum())
    ml = geometry.voxel_volume * ML_PER_MM3
    if counts[1]:
        volume_error: float | None = 100.0 * (counts[0] - counts[1]) / counts[1]
    else:
        volume_error = None if counts[0] else 0.0
    hd95, assd = _surface_metrics(predicted, true, geometry)
    return MetricRow(name, dice(predicted, true), hd95, assd, volume_error, counts[1] * ml, counts[0] * ml)


def _surface_metrics(
    predicted: np.ndarray, true: np.ndarray, geometry: Geometry
) -> tuple[float | None, float | None]:
    present = bool(predicted.any()), bool(true.any())
    if not any(present):
        return 0.0, 0.0
    if not all(present):
        return None, None
    box = tuple(_bounding_box(predicted | true))
    surfaces = [_surface_points(mask[box], geometry.spacing) for mask in (predicted, true)]
    forward = KDTree(surfaces[1]).query(surfaces[0])[0]
    backward = KDTree(surfaces[0]).query(surfaces[1])[0]
    hd95 = max(float(np.percentile(forward, 95)), float(np.percentile(backward, 95)))
    return hd95, float(np.concatenate([forward, backward]).mean())


def _surface_points(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Centres of the surface voxels along k, j, i, in mm, shape (n, 3)."""
    surface = mask & ~binary_erosion(mask, border_value=0)
    return np.argwhere(surface) * np.asarray(spacing[::-1])


def _bounding_box(mask: np.ndarray) -> Iterator[slice]:
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        where = np.flatnonzero(mask.any(axis=others))
        yield slice(int(where[0]), int(where[-1]) + 1)


def _check(prediction: np.ndarray, reference: np.ndarray, geometry: Geometry, scheme: LabelScheme) -> None:
    for what, array in (("prediction", prediction), ("reference", reference)):
        if array.shape != geometry.shape:
            raise GeometryError(f"The {what} has shape {array.shape}, the grid has {geometry.shape}.")
        lowest, highest = int(array.min()), int(array.max())
        if lowest < (UNLABELLED if what == "reference" else 0) or highest >= len(scheme):
            stranger = lowest if lowest < 0 else highest
            raise LabelError(
                f"The {what} holds the class index {stranger}, the scheme has {len(scheme)} labels.",
                hint=f"The labels are: {', '.join(scheme.names)}.",
            )
