"""How well a map of scores finds the voxels that a segmentation got wrong."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def auroc(scores: np.ndarray, errors: np.ndarray) -> float | None:
    """Area under the receiver operating characteristic: P(score of an error > score of a correct voxel).

    Computed from ranks (Mann-Whitney U); ties count half, as in the trapezoidal rule.

    Args:
        scores: Any shape, larger where an error is expected.
        errors: Booleans, same shape.

    Returns:
        0 to 1, 0.5 for scores that tell nothing; None when all voxels are errors or none is.
    """
    wrong = np.asarray(errors, bool).ravel()
    positives = int(wrong.sum())
    negatives = wrong.size - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = rankdata(np.asarray(scores).ravel())
    u = float(ranks[wrong].sum()) - positives * (positives + 1) / 2
    return u / (positives * negatives)
