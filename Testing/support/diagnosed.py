"""A test case of the diagnostics whose every number is known."""

from __future__ import annotations

import numpy as np

from experiments.diagnostics.inputs import EEP, SCORES, SOURCE, Material


def diagnosed(
    labels: np.ndarray,
    probabilities: dict[str, np.ndarray],
    scores: dict[str, np.ndarray] | None = None,
    case: str = "c1",
    subject: str = "p1",
) -> Material:
    """A case with foreground probabilities (k, j, i) of every source of probabilities; scores are 0."""
    nothing = {name: np.zeros(labels.shape, np.float32) for name in SCORES}
    both = {name: np.stack([1 - p, p]).astype(np.float32) for name, p in probabilities.items()}
    assert {SOURCE, EEP} <= set(both)
    return Material(case, subject, labels, {**nothing, **(scores or {})}, both)
