"""From probabilities to labels and to uncertainty."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

SLAB = 1 << 20  # values worked on at a time


def labels_from_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """The most probable class of every voxel; the lower index wins a tie.

    Args:
        probabilities: Shape (Z, k, j, i).

    Returns:
        Class indices, int16, shape (k, j, i).
    """
    labels = np.empty(probabilities.shape[1:], np.int16)
    for part in _slabs(probabilities):
        labels[part] = probabilities[:, part].argmax(axis=0)
    return labels


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy −Σ p log p of every voxel, with 0 log 0 = 0.

    Args:
        probabilities: Shape (Z, k, j, i), summing to 1 over the first axis.

    Returns:
        Nats, between 0 and log Z, float32, shape (k, j, i).
    """
    values = np.empty(probabilities.shape[1:], np.float32)
    for part in _slabs(probabilities):
        values[part] = entr(probabilities[:, part]).sum(axis=0)
    return np.maximum(values, 0.0, out=values)


def _slabs(probabilities: np.ndarray) -> list[slice]:
    length = probabilities.shape[1]
    thick = max(1, SLAB * length // max(1, probabilities.size))
    return [slice(start, start + thick) for start in range(0, length, thick)]
