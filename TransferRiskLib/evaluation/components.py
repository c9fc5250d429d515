"""Keeping the largest connected component of a label, where validation says that it helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

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


def _largest(mask: np.ndarray) -> np.ndarray:
    components, count = ndimage.label(mask, structure=CONNECTIVITY_26)
    if count < 2:
        return mask
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return components == sizes.argmax()
