"""Where diagnostics are taken: everywhere, near the reference's boundary, around its foreground.

Distances are Euclidean and in voxels. Unlabelled voxels belong to no region and make no boundary.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

WHOLE, BOUNDARY, AROUND = "whole volume", "near the boundary", "around the foreground"
BOUNDARY_VOXELS = 2.0
AROUND_VOXELS = 5.0


def regions(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Boolean masks of the three regions.

    Most of a volume is background far from any structure, which every map calls safe: over the whole
    volume a map looks good for that alone. The other regions ask for more.

    Args:
        labels: Class indices, (k, j, i), -1 where unlabelled.

    Returns:
        `whole volume`: all labelled voxels; `near the boundary`: those at most `BOUNDARY_VOXELS` from a
        labelled voxel of another class; `around the foreground`: those at most `AROUND_VOXELS` from a
        foreground voxel, itself included.
    """
    labelled = labels >= 0
    return {
        WHOLE: labelled,
        BOUNDARY: _near_boundary(labels, labelled),
        AROUND: labelled & (_distance_to(labels > 0) <= AROUND_VOXELS),
    }


def _near_boundary(labels: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    near = np.zeros(labels.shape, bool)
    for index in np.unique(labels[labelled]):
        own = labels == index
        near |= own & (_distance_to(labelled & ~own) <= BOUNDARY_VOXELS)
    return near


def _distance_to(mask: np.ndarray) -> np.ndarray:
    """Distance of every voxel to the nearest one of a mask, in voxels; infinite where there is none."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return distance_transform_edt(~mask)
