"""Nodes of rows into files for the worker, a file a step."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile
from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.errors import CaseError, LabelError
from TransferRiskLib.jobs.exchange import ImageFolder
from TransferRiskLib.mrml.nodes import Node, geometry_of, volume_from_node
from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.desk import Desk, Held
from TransferRiskLib.session.drawings import Drawing, read_drawing
from TransferRiskLib.session.patients import numbered_patients
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow, ScanRow
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume
from TransferRiskLib.wording import wording

_ = wording(__name__)


class Handover:
    """Writes volumes and segmentations of rows into a folder.

    Args:
        desk: Scene and state.
        folder: Where the files go.

    Attributes:
        names: Path of a file to what it is, in words, for messages of the worker that name files.
        grids: Name of a row to the grid of its scan as it was handed over.
    """

    def __init__(self, desk: Desk, folder: ImageFolder) -> None:
        self._desk = desk
        self._folder = folder
        self.names: dict[str, str] = {}
        self.grids: dict[str, Geometry] = {}

    def cases(
        self,
        rows: Iterable[CaseRow | ScanRow],
        channels: Sequence[str],
        scheme: LabelScheme | None = None,
    ) -> Generator[str, None, tuple[Case, ...]]:
        """Write rows; yields what was written after each file and returns the cases.

        Args:
            rows: Case rows, or scans.
            channels: Channels to write; the first is the case's grid.
            scheme: Meaning of the labels; None leaves them out.

        Raises:
            CaseError: a node is gone. GeometryError: a transform. LabelError: nothing is annotated.
        """
        made = []
        rows = tuple(rows)
        held = held_nodes(self._desk, rows)
        patients = numbered_patients(self._desk, (row for row in rows if isinstance(row, CaseRow)))
        for row in rows:
            images = {}
            grid: Geometry | None = None
            volumes = volumes_for(row, channels)
            for channel in channels:
                node = held.node(volumes.get(channel))
                if node is None:
                    text = _("The case “{case}” has no volume for {channel} any more.")
                    raise CaseError(text.format(case=row.name, channel=channel))
                image = volume_from_node(node)
                grid = self.grids.setdefault(row.name, image.geometry)
                path = yield from in_background(partial(self._folder.write_image, image))
                text = _("{volume} ({channel} of {case})")
                self.names[str(path)] = text.format(volume=node.GetName(), channel=channel, case=row.name)
                images[channel] = ChannelFile(path)
                yield f"{row.name}: {channel}"
            labels = None
            if scheme is not None and isinstance(row, CaseRow) and row.segmentation:
                assert grid is not None  # a model has a channel
                drawing = read_drawing(held, row, grid, scheme)
                labels = yield from in_background(partial(self._write, drawing))
                if labels is None:
                    raise LabelError(
                        _("The annotation of “{case}” holds no label.").format(case=row.name),
                        hint=_("Draw some, or check which segments are labels and the annotated region."),
                    )
                self.names[str(labels)] = _("The annotation of {case}").format(case=row.name)
                yield self.names[str(labels)]
            marks = Annotation(unlabelled_value=UNLABELLED if labels is not None else None)
            made.append(Case(row.name, images, labels, marks, patients.get(row.key)))
        return tuple(made)

    def _write(self, drawing: Drawing) -> Path | None:
        indices = drawing.indices()
        return self._folder.write_labels(Volume(indices, drawing.grid)) if indices is not None else None

    def grid_still(self, name: str, scan: Node | None) -> Geometry | None:
        """The grid of a row's scan; None where the scan is gone, or is another one by now."""
        grid = self.grids.get(name)
        if scan is None or scan.GetImageData() is None or scan.GetParentTransformNode() is not None:
            return None
        return grid if geometry_of(scan) == grid else None

    def in_words(self, text: str) -> str:
        """A message of the worker with the names of nodes in place of file names."""
        return with_names(text, self.names)


def with_names(text: str, names: Mapping[str, str]) -> str:
    """A message with what files are in place of their paths.

    A message about two files of a case may give the second by its bare name: that is replaced too, where it
    is no part of another word or path.

    Args:
        text: The message.
        names: Path of a file to what it is; no two files have the same bare name.
    """
    bare = {os.path.basename(path): name for path, name in names.items()}
    if not any(file in text for file in bare):  # nearly always, and some jobs have hundreds of files
        return text
    # In one go: a node may be called as another one's file.
    paths, files = ("|".join(map(re.escape, sorted(given, key=len, reverse=True))) for given in (names, bare))
    pattern = rf"{paths}|(?<![\w./\\-])(?:{files})(?!\w|[./\\-]\w)"
    return re.sub(pattern, lambda found: names.get(found[0]) or bare[found[0]], text)


def held_nodes(desk: Desk, rows: Iterable[CaseRow | ScanRow]) -> Held:
    """The nodes of rows as they are now."""
    identities: set[str | None] = set()
    for row in rows:
        identities |= {*row.channels.values(), row.segmentation}
        identities |= {row.roi} if isinstance(row, CaseRow) else set()
    return Held(desk, identities)
