"""Which cases validate which training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAVE_ONE_OUT_UP_TO = 5


def split_folds(groups: Sequence[str], folds: int | None, seed: int) -> list[tuple[list[int], list[int]]]:
    """Training and validation indices of every fold; one group is never on both sides.

    Args:
        groups: The subject of every case.
        folds: Number of folds; None takes leave-one-subject-out up to five subjects, else five
            folds; 0 or 1, or fewer than two subjects, gives none.
        seed: Shuffles the subjects.

    Returns:
        A list of (training indices, validation indices), empty when nothing can be held out.

    Example:
        >>> split_folds(["a", "a", "b"], None, 0)
        [([2], [0, 1]), ([0, 1], [2])]
    """
    subjects = sorted(set(groups))
    wanted = min(len(subjects), LEAVE_ONE_OUT_UP_TO) if folds is None else min(folds, len(subjects))
    if wanted < 2:
        return []
    if wanted < len(subjects):
        np.random.default_rng(seed).shuffle(subjects)
    parts = [set(subjects[n::wanted]) for n in range(wanted)]
    return [
        (
            [i for i, group in enumerate(groups) if group not in part],
            [i for i, group in enumerate(groups) if group in part],
        )
        for part in parts
    ]
