"""Segmentation nodes as annotations: what they hold, what they cover, and new ones to draw in."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.errors import LabelError
from TransferRiskLib.mrml.boxes import Box
from TransferRiskLib.mrml.nodes import Node, geometry_of
from TransferRiskLib.mrml.segmentations import add_segmentation, segment_name, set_terminology
from TransferRiskLib.mrml.slices import Plane, axis_of, drawing_axis, slices_with
from TransferRiskLib.volumes.geometry import Geometry


def segments_of(node: Node) -> tuple[Label, ...]:
    """Names, colours and terminology of a segmentation's segments, numbered from 1."""
    return tuple(segments_by_id(node).values())


def segments_by_id(node: Node) -> dict[str, Label]:
    """As `segments_of`, by segment ID, which stays when a segment is renamed."""
    segmentation = node.GetSegmentation()
    found = {}
    for number, identifier in enumerate(segmentation.GetSegmentIDs()):
        segment = segmentation.GetSegment(identifier)
        coded = _tag(segment, segment.GetTerminologyEntryTagName())
        name = segment_name(segmentation, identifier)
        found[identifier] = Label(name, number + 1, tuple(segment.GetColor()), coded)
    return found


def is_empty(node: Node) -> bool:
    """Whether no segment holds anything. VTK remembers the answer until somebody draws."""
    return not filled_layers(node)


def filled_layers(node: Node) -> list[tuple[Node, tuple[str, ...]]]:
    """Label maps or surfaces that hold anything, each with the IDs of the segments that share it.

    Segments of one layer cannot overlap."""
    segmentation = node.GetSegmentation()
    found = []
    for number in range(segmentation.GetNumberOfLayers()):
        data = segmentation.GetLayerDataObject(number)
        if data is None or data.GetNumberOfPoints() == 0:
            continue
        scalars = data.GetPointData().GetScalars()
        if scalars is None or not data.IsA("vtkImageData") or scalars.GetRange()[1] > 0:
            found.append((data, tuple(segmentation.GetSegmentIDsForLayer(number))))
    return found


def holds_any(node: Node, identifiers: Collection[str]) -> bool:
    """Whether any of some segments, by ID, holds anything. Voxels are looked at only where they share their
    label map with others."""
    from vtk.util.numpy_support import vtk_to_numpy

    segmentation = node.GetSegmentation()
    for data, sharing in filled_layers(node):
        wanted = [identifier for identifier in sharing if identifier in identifiers]
        if wanted and len(wanted) == len(sharing):
            return True
        if wanted:
            voxels = vtk_to_numpy(data.GetPointData().GetScalars())
            values = (segmentation.GetSegment(identifier).GetLabelValue() for identifier in wanted)
            if any(bool((voxels == value).any()) for value in values):
                return True
    return False


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
    indices: np.ndarray, geometry: Geometry, plane: Plane | None = None
) -> tuple[int, np.ndarray]:
    """The slices that carry annotation.

    Args:
        indices: Class indices, (k, j, i).
        geometry: Their grid.
        plane: Of the slices; None takes that in which they look drawn (`slices.drawing_axis`).

    Returns:
        The array axis, and for each of its slices whether it carries annotation, bool.

    Raises:
        LabelError: there is no annotation.
    """
    drawn = indices > 0
    if not drawn.any():
        raise LabelError("There is no annotation in any slice.", hint="Draw some, or remove the case.")
    axis = drawing_axis(drawn, geometry) if plane is None else axis_of(plane, geometry)
    return axis, slices_with(drawn, axis)


def _tag(segment: Node, name: str) -> str | None:
    import vtk

    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) and str(value) else None
