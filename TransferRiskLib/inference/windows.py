"""How many windows a prediction looks through; free of torch, so that a GUI can count them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def window_count(size: Sequence[int], patch: Sequence[int], overlap: float) -> int:
    """How many windows cover an image.

    Args:
        size: Of the image, in voxels along the network's axes.
        patch: Of a window.
        overlap: Of neighbouring windows, as a fraction of the patch.
    """
    steps = [max(1, int(p * (1 - overlap))) for p in patch]
    return math.prod(
        math.ceil(max(0, s - p) / step) + 1 for s, p, step in zip(size, patch, steps, strict=True)
    )
