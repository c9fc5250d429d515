"""Lesions with an inside: a necrotic core in an enhancing rim in oedema."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from TransferRiskLib.cases.simulation_anatomy import ENHANCING, LESION, NECROSIS, Head

_RIM, _CORE = 0.3, 0.55
"""Where the rim and the core begin, as shares of the way from a lesion's border to its deepest point."""

_SOLID = 4.0
"""Depth of the deepest point, in mm, below which a lesion is too thin to hold a rim."""


def nest_lesions(head: Head) -> Head:
    """The same head, its lesions nested by the distance from their border.

    The outer part stays LESION, which has the relaxation times of oedema; thin lesions and fragments
    cut off by sulci stay it throughout.
    """
    lesion = head.tissues == LESION
    depth = ndimage.distance_transform_edt(lesion, sampling=head.spacing)
    pieces, count = ndimage.label(lesion)
    deepest = np.zeros(count + 1)
    deepest[1:] = ndimage.maximum(depth, pieces, np.arange(1, count + 1))
    deepest[deepest < _SOLID] = np.inf
    deepest[0] = np.inf
    share = depth / deepest[pieces]
    tissues = head.tissues.copy()
    tissues[share >= _RIM] = ENHANCING
    tissues[share >= _CORE] = NECROSIS
    return replace(head, tissues=tissues, kinds=ENHANCING + 1)
