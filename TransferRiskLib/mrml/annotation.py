"""Segmentation nodes as annotations: what they hold, what they cover, and new ones to draw in."""

from __future__ import annotations

from typing import Literal

import numpy as np

from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.errors import LabelError
from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.mrml.nodes import Node, geometry_of
from TransferRiskLib.mrml.segmentations import add_segmentation, segment_name, set_terminology
from TransferRiskLib.volumes.geometry import Geometry

SliceDirection = Literal["axial", "coronal", "sagittal"]
_DIRECTIONS: dict[str, SliceDirection] = {
    "S": "axial", "I": "axial", "A": "coronal", "P": "coronal", "L": "sagittal", "R": "sagittal",
}  # fmt: skip
THICK = 1.5
"""How many times further apart than the coarser of the other two axes slices lie in a scan that is made to
be looked at, and drawn on, in that direction."""


def segments_of(node: Node) -> tuple[Label, ...]:
    """Names, colours and terminology of a segmentation's segments, numbered from 1."""
    segmentation = node.GetSegmentation()
    found = []
    for number, identifier in enumerate(segmentation.GetSegmentIDs()):
        segment = segmentation.GetSegment(identifier)
        coded = _tag(segment, segment.GetTerminologyEntryTagName())
        name = segment_name(segmentation, identifier)
        found.append(Label(name, number + 1, tuple(segment.GetColor()), coded))
    return tuple(found)


def is_empty(node: Node) -> bool:
    """Whether no segment holds anything. VTK remembers the answer until somebody draws."""
    return not filled_layers(node)


def filled_layers(node: Node) -> list[tuple[Node, tuple[str, ...]]]:
    """Label maps or surfaces that hold anything, each with the names of the segments that share it.

    Segments of one layer cannot overlap."""
    segmentation = node.GetSegmentation()
    found = []
    for number in range(segmentation.GetNumberOfLayers()):
        data = segmentation.GetLayerDataObject(number)
        if data is None or data.GetNumberOfPoints() == 0:
            continue
        scalars = data.GetPointData().GetScalars()
        if scalars is None or not data.IsA("vtkImageData") or scalars.GetRange()[1] > 0:
            identifiers = segmentation.GetSegmentIDsForLayer(number)
            found.append((data, tuple(segment_name(segmentation, i) for i in identifiers)))
    return found


def can_be_sampled(node: Node) -> bool:
    """Whether the segments have label maps, or surfaces that can be made some."""
    segmentation = node.GetSegmentation()
    return any(segmentation.ContainsRepresentation(name) for name in ("Binary labelmap", "Closed surface"))


def lies_apart(node: Node, geometry: Geometry) -> bool:
    """Whether all that is drawn lies outside of a grid; False where nothing is drawn."""
    grid, layers = Box.of_grid(geometry), filled_layers(node)
    return bool(layers) and all(Box.of_representation(data).apart_from(grid) for data, _ in layers)


def prepare_segmentation(
    scene: Node, node: Node | None, scheme: LabelScheme, volume: Node, name: str
) -> Node:
    """A segmentation with a named, coloured, empty segment for every label, to be drawn on a volume.

    Args:
        scene: The MRML scene.
        node: An existing segmentation, which gets the segments; None makes one.
        scheme: The labels.
        volume: The volume to draw on.
        name: Name of a new node.
    """
    geometry = geometry_of(volume)
    if node is None:
        empty = np.zeros(geometry.shape, dtype=np.int16)
        return add_segmentation(scene, empty, geometry, scheme, name, volume)
    segmentation = node.GetSegmentation()
    for label in scheme.foreground:
        identifier = segmentation.AddEmptySegment("", label.name, label.colour)
        set_terminology(segmentation.GetSegment(identifier), label)
    if reference_volume(node) is None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.CreateDefaultDisplayNodes()
    return node


def reference_volume(node: Node) -> Node | None:
    """The volume that a segmentation was drawn on."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def annotated_slices(
    indices: np.ndarray, geometry: Geometry, direction: SliceDirection | None = None
) -> tuple[int, np.ndarray]:
    """The slices that carry annotation.

    People draw slice by slice in one direction. Which one, the drawing alone does not tell: a structure
    that is small in the plane fills a smaller share of the columns than of the slices it was drawn in.

    Args:
        indices: Class indices, (k, j, i).
        geometry: Their grid.
        direction: Of the slices; None takes thick ones (see `thick_slices`), and on a grid without
            the axis along which the smallest share of slices carries anything.

    Returns:
        The array axis, and for each of its slices whether it carries annotation, bool.

    Raises:
        LabelError: there is no annotation.
    """
    drawn = indices > 0
    if not drawn.any():
        raise LabelError("There is no annotation in any slice.", hint="Draw some, or remove the case.")
    lines = [
        np.asarray(drawn.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)
    ]
    direction = direction or thick_slices(geometry)
    if direction is not None:
        axis = next(n for n in range(3) if _direction(geometry, n) == direction)
    else:
        axis = int(np.argmin([line.mean() for line in lines]))
    return axis, lines[axis]


def thick_slices(geometry: Geometry) -> SliceDirection | None:
    """The direction of a scan's slices where they lie clearly further apart than voxels within them."""
    _, middle, widest = sorted(range(3), key=lambda axis: geometry.spacing[2 - axis])
    thick = geometry.spacing[2 - widest] >= THICK * geometry.spacing[2 - middle]
    return _direction(geometry, widest) if thick else None


def _direction(geometry: Geometry, axis: int) -> SliceDirection:
    """How slices across an array axis are called, rounded to the nearest of an oblique scan."""
    return _DIRECTIONS[geometry.orientation[2 - axis]]


def _tag(segment: Node, name: str) -> str | None:
    import vtk

    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) and str(value) else None
