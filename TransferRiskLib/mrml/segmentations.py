"""Label indices to segmentation nodes and back, by segment name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.cases.segment_fields import terminology_entry
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.mrml.nodes import Node, geometry_of, matrix_to_ras, refuse_transform
from TransferRiskLib.volumes.geometry import Geometry


def add_segmentation(
    scene: Node,
    indices: np.ndarray,
    geometry: Geometry,
    scheme: LabelScheme,
    name: str,
    reference_volume_node: Node | None = None,
) -> Node:
    """A new `vtkMRMLSegmentationNode` with one segment for every foreground label.

    Args:
        scene: The MRML scene.
        indices: Class indices, shape (k, j, i); unlabelled voxels belong to no segment.
        geometry: Their grid.
        scheme: Names, colours and terminology of the segments.
        name: Name of the node.
        reference_volume_node: The scan that was segmented; Segment Editor then offers it.
    """
    import slicer

    if indices.shape != geometry.shape:
        raise GeometryError(f"Labels of shape {indices.shape} do not fit a grid of shape {geometry.shape}.")
    values = _segment_values(scheme)
    stored = np.maximum(indices, 0).astype(np.int16, copy=False)
    if values != list(range(len(values))):  # rare, and slow for fifty million voxels
        stored = np.asarray(values, dtype=np.int16)[stored]
    shared = _oriented_image(stored, geometry)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetSourceRepresentationToBinaryLabelmap()
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    for label, value in zip(scheme.foreground, values[1:], strict=True):
        segment = slicer.vtkSegment()
        segment.SetName(label.name)
        segment.SetColor(*label.colour)
        segment.SetLabelValue(value)
        segment.AddRepresentation(representation, shared)
        set_terminology(segment, label)
        node.GetSegmentation().AddSegment(segment, label.name)
    node.CreateDefaultDisplayNodes()
    if reference_volume_node is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference_volume_node)
    return node


def segment_name(segmentation: Node, identifier: str) -> str:
    """Name of a segment of a `vtkSegmentation`; its identifier where somebody has emptied the name, for
    every label has one."""
    return segmentation.GetSegment(identifier).GetName() or identifier


def set_terminology(segment: Node, label: Label) -> None:
    """Give a segment the coded meaning of its label, if that has one."""
    entry = terminology_entry(label)
    if entry:
        segment.SetTag(segment.GetTerminologyEntryTagName(), entry)


def indices_from_segmentation(
    node: Node,
    reference: Geometry | Node,
    scheme: LabelScheme,
    labels: Mapping[str, str | None] | None = None,
) -> np.ndarray:
    """Class indices of a segmentation node on a grid.

    Args:
        node: The segmentation.
        reference: The grid, or the volume node that has it.
        scheme: What the segments are. Labels without a segment do not occur in the result.
        labels: Segment ID to the name of its label, or to None for a segment to leave out. A segment that
            is not mentioned is the label of its own name (ignoring case).

    Returns:
        int16 array (k, j, i); where segments overlap the last one wins.

    Raises:
        LabelError: a segment that the scheme does not know.
        GeometryError: a transform above one of the nodes.
    """
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    refuse_transform(node)
    geometry = reference if isinstance(reference, Geometry) else geometry_of(reference)
    segmentation = node.GetSegmentation()
    chosen, classes = vtk.vtkStringArray(), vtk.vtkIntArray()
    for identifier in segmentation.GetSegmentIDs():
        name = segment_name(segmentation, identifier)
        label = (labels or {}).get(identifier, name)
        if label is None:
            continue
        try:
            classes.InsertNextValue(scheme.index(label))
        except LabelError as error:
            raise LabelError(
                f"The segment {name!r} of {node.GetName()!r} is none of the labels.",
                hint=f"Rename it to one of {', '.join(scheme.names[1:])}, map it to one, or leave it out.",
            ) from error
        chosen.InsertNextValue(identifier)
    if chosen.GetNumberOfValues() == 0:
        return np.zeros(geometry.shape, dtype=np.int16)
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(*geometry.size)
    grid.SetImageToWorldMatrix(matrix_to_ras(geometry))
    merged = slicer.vtkOrientedImageData()
    has_labelmap = node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    sampled = node if has_labelmap else _voxelised(node, grid)
    if not sampled.GenerateMergedLabelmapForAllSegments(
        merged, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY, grid, chosen, classes
    ):
        raise GeometryError(f"The segmentation {node.GetName()!r} cannot be sampled on the scan's grid.")
    return vtk_to_numpy(merged.GetPointData().GetScalars()).reshape(geometry.shape).astype(np.int16)


def _voxelised(node: Node, grid: Node) -> Node:
    """A node of no scene with the segments as label maps of a grid, for a segmentation of surfaces."""
    import slicer

    copy = slicer.vtkMRMLSegmentationNode()
    segmentation, converter = copy.GetSegmentation(), slicer.vtkSegmentationConverter
    segmentation.DeepCopy(node.GetSegmentation())
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(grid)
    )
    segmentation.CreateRepresentation(converter.GetSegmentationBinaryLabelmapRepresentationName())
    return copy


def _segment_values(scheme: LabelScheme) -> list[int]:
    values = [label.value for label in scheme.labels]
    usable = values[0] == 0 and all(0 < value < 2**15 for value in values[1:])
    return values if usable else list(range(len(scheme)))


def _oriented_image(values: np.ndarray, geometry: Geometry) -> Node:
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*geometry.size)
    image.SetImageToWorldMatrix(matrix_to_ras(geometry))
    scalars = numpy_to_vtk(np.ascontiguousarray(values).ravel(), deep=True, array_type=vtk.VTK_SHORT)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image
