"""Keeping the largest connected component of a label, where validation says that it helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.evaluation.metrics import dice

CONNECTIVITY_26 = np.ones((3, 3, 3), bool)


def keep_largest(indices: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Class indices with only the largest component of each of `classes`; the rest is background.

    Voxels that touch by a face, an edge or a corner belong together. Among components of one size
    the first in the order of the array is kept.

    Args:
        indices: Class indices, shape (k, j, i); left as they are.
        classes: Which class indices to clean.

    Returns:
        A new array, same shape and type.
    """
    result = indices.copy()
    for index in classes:
        mask = indices == index
        result[mask & ~_largest(mask)] = 0
    return result


def choose_largest_component(
    cases: Sequence[tuple[np.ndarray, np.ndarray]], scheme: LabelScheme
) -> tuple[str, ...]:
    """The labels whose mean Dice over validation cases improves by keeping the largest component.

    Args:
        cases: Predictions and references, class indices of shape (k, j, i) each; references are
            `UNLABELLED` where nobody annotated.
        scheme: What the class indices mean.

    Returns:
        Names in the scheme's order; a label that gains nothing is left out, and so is every label
        when there are no cases.
    """
    chosen = []
    for index, label in enumerate(scheme.labels[1:], start=1):
        gain = 0.0
        for prediction, reference in cases:
            labelled, true = reference != UNLABELLED, reference == index
            mask = prediction == index
            gain += dice(_largest(mask) & labelled, true) - dice(mask & labelled, true)
        if gain > 1e-9 * len(cases):
            chosen.append(label.name)
    return tuple(chosen)


def _largest(mask: np.ndarray) -> np.ndarray:
    components, count = ndimage.label(mask, structure=CONNECTIVITY_26)
    if count < 2:
        return mask
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == sizes.argmax()
