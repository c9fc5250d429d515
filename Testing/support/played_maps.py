"""What a worker that is played says of maps, and the map that a session shows then."""

from __future__ import annotations

HISTOGRAM = {"targets": ["background", "anterior"], "edges": [0.0, 1.0, 2.0], "counts": [[5, 1], [0, 2]]}
WORST = {"case0": (0.0, 3.0, 7.0), "case1": (1.0, 2.0, 13.0)}
ROW = {
    "case": "case0", "label": "anterior", "voxels": 2, "mean": 1.25, "median": 1.0, "q05": 0.5, "q95": 2.0,
    "negative_share": 0.5,
}  # fmt: skip  # fmt: skip


def shown(scene, session, kind):
    case = next(c for c in session.maps.shown.cases if c.case == session.maps.display.case)
    return scene.GetNodeByID(case.maps[kind])
