"""The annotation of a row: read off its nodes, then worked on beside the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from TransferRiskLib.cases.labels import UNLABELLED, Label, LabelScheme
from TransferRiskLib.errors import CaseError
from TransferRiskLib.mrml import annotation
from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.mrml.segmentations import indices_from_segmentation
from TransferRiskLib.session.desk import Desk, Held
from TransferRiskLib.session.segment_labels import meanings_in
from TransferRiskLib.session.state import CaseRow, RegionKind
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.wording import wording

_ = wording(__name__)
_LEFT_OUT = "(unlabelled)"


@dataclass(frozen=True)
class Drawing:
    """What is drawn in a row, on the grid of its scan.

    Attributes:
        drawn: Class indices, (k, j, i); `left_out` where a segment counts nowhere.
        left_out: One more than the last class.
        grid: The scan's grid.
        region: What was annotated.
        box: The region, where that is an ROI.
    """

    drawn: np.ndarray
    left_out: int
    grid: Geometry
    region: RegionKind
    box: Box | None = None

    def indices(self) -> np.ndarray | None:
        """Class indices, int16 (k, j, i), `UNLABELLED` outside of the region; None when no label is in
        it. Touches no node."""
        indices = np.where(self.drawn == self.left_out, np.int16(UNLABELLED), self.drawn)
        if not (indices > 0).any():
            return None
        if self.region in ("slices", "axial", "coronal", "sagittal"):
            plane = None if self.region == "slices" else self.region
            axis, drawn = annotation.annotated_slices(indices, self.grid, plane)
            shape = [1, 1, 1]
            shape[axis] = -1
            np.copyto(indices, UNLABELLED, where=~drawn.reshape(shape))
        elif self.box is not None:
            np.copyto(indices, UNLABELLED, where=~self.box.holds(self.grid))
        return indices if (indices > 0).any() else None


def read_drawing(desk: Desk | Held, row: CaseRow, grid: Geometry, scheme: LabelScheme) -> Drawing:
    """The annotation of a row as its nodes have it now.

    Raises:
        CaseError: a node is gone. GeometryError: a transform.
    """
    node = desk.node(row.segmentation)
    if node is None:
        raise CaseError(_("The case “{case}” has no segmentation any more.").format(case=row.name))
    left_out = len(scheme)
    extended = LabelScheme((*scheme.labels, Label(_LEFT_OUT, left_out)))
    labels = {
        identifier: _LEFT_OUT if target is None else target
        for identifier, _segment, target in meanings_in(node, row)
    }
    drawn = indices_from_segmentation(node, grid, extended, labels)
    return Drawing(drawn, left_out, grid, row.region, _box(desk, row) if row.region == "roi" else None)


def _box(desk: Desk | Held, row: CaseRow) -> Box:
    roi = desk.node(row.roi)
    if roi is None:
        text = _("The ROI of the case “{case}” is gone.").format(case=row.name)
        raise CaseError(text, hint=_("Choose another region."))
    return Box.of_roi(roi)
