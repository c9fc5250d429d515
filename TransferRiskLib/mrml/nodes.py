"""Volumes to MRML nodes and back, and folders in the subject hierarchy.

Works on any `vtkMRMLScene`: desktop Slicer's `slicer.mrmlScene` or a headless one (`standalone`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume

Node = Any  # VTK's wrapped classes have no usable types

SHEAR = 1e-3
"""Cosine between two axes up to which they count as at right angles, as in `volumes.io`."""
_OURS = "TransferRisk.Folder"
"""Attribute of the subject hierarchy folders that were made here."""


def add_volume(scene: Node, volume: Volume, name: str, window: tuple[float, float] | None = None) -> Node:
    """A new `vtkMRMLScalarVolumeNode` with the values and the exact geometry of `volume`.

    Args:
        scene: The MRML scene.
        volume: Values (k, j, i). Floats become float32; integers and booleans the nearest type that
            Slicer reads and writes everywhere.
        name: Name of the node.
        window: Values shown black and white; None lets Slicer look for them in all voxels, which takes
            its time.
    """
    from slicer.util import updateVolumeFromArray

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    if window is not None:
        node.CreateDefaultDisplayNodes()
        node.GetVolumeDisplayNode().AutoWindowLevelOff()
        node.GetVolumeDisplayNode().SetWindowLevelMinMax(*window)
    updateVolumeFromArray(node, _storable(volume.array))
    set_geometry(node, volume.geometry)
    node.CreateDefaultDisplayNodes()
    return node


def volume_from_node(node: Node) -> Volume:
    """A copy of a scalar volume node's values, with its geometry.

    Raises:
        GeometryError: no image in the node, or a transform above it.
    """
    from slicer.util import arrayFromVolume

    if node.GetImageData() is None:
        raise GeometryError(f"The volume {node.GetName()!r} holds no image.", hint="Load it again.")
    return Volume(np.array(arrayFromVolume(node)), geometry_of(node))


def set_geometry(node: Node, geometry: Geometry) -> None:
    """Give a volume node the grid of `geometry` (LPS to RAS: the first two axes change sign)."""
    x, y, z = geometry.origin
    node.SetSpacing(*geometry.spacing)
    node.SetOrigin(-x, -y, z)
    rows = np.asarray(geometry.direction).reshape(3, 3) * [[-1.0], [-1.0], [1.0]]
    node.SetIJKToRASDirections(*(float(value) for value in rows.ravel()))


def geometry_of(node: Node) -> Geometry:
    """The grid of a volume node, in LPS.

    Raises:
        GeometryError: the node stands under a transform, so that its own grid is not where it is shown.
    """
    refuse_transform(node)
    return _own_grid(node)


def _own_grid(node: Node) -> Geometry:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    rows = [[matrix.GetElement(row, column) for column in range(3)] for row in range(3)]
    direction = (np.asarray(rows) * [[-1.0], [-1.0], [1.0]] + 0.0).ravel()  # + 0.0 turns -0.0 into 0.0
    x, y, z = node.GetOrigin()
    size = node.GetImageData().GetDimensions()
    return Geometry(tuple(size), tuple(node.GetSpacing()), (-x + 0.0, -y + 0.0, z), tuple(direction.tolist()))


def is_sheared(node: Node) -> bool:
    """Whether the axes of a volume node are not at right angles, in the world: linear transforms above it
    count, others are resampled when they are hardened. No image file can hold such a grid."""
    import vtk

    matrix, above = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    parent = node.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        parent.GetMatrixTransformToWorld(above)
        vtk.vtkMatrix4x4.Multiply4x4(above, matrix, matrix)
    columns = np.asarray([[matrix.GetElement(row, n) for row in range(3)] for n in range(3)])
    columns /= np.linalg.norm(columns, axis=1, keepdims=True)
    return not np.allclose(columns @ columns.T, np.eye(3), atol=SHEAR)


def refuse_transform(node: Node) -> None:
    """Raise GeometryError when a node stands under a transform."""
    if node.GetParentTransformNode() is not None:
        raise GeometryError(
            f"{node.GetName()!r} stands under the transform {node.GetParentTransformNode().GetName()!r}.",
            hint="Harden the transform first (Data module, right click on the transform column).",
        )


def matrix_to_ras(geometry: Geometry) -> Node:
    """The grid's index-to-RAS matrix as a `vtkMatrix4x4`."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(tuple(float(value) for value in geometry.index_to_ras.ravel()))
    return matrix


def folder(scene: Node, name: str) -> int | None:
    """The subject hierarchy folder of that name, made when there is none.

    Returns:
        The item's identifier, or None where the scene has no subject hierarchy.
    """
    tree = _subject_hierarchy(scene)
    if tree is None:
        return None
    return _find_folder(tree, name) or _make_folder(tree, name)


class Shelf:
    """A folder of the subject hierarchy that a job fills: the one of that name, else a new one.

    Args:
        scene: The MRML scene; without a subject hierarchy nothing happens.
        name: Of the folder.
    """

    def __init__(self, scene: Node, name: str) -> None:
        self._scene, self._name = scene, name
        self._made: int | None = None

    def put(self, node: Node) -> None:
        """Move a node into the folder."""
        tree = _subject_hierarchy(self._scene)
        if tree is None:
            return
        item = _find_folder(tree, self._name)
        if item is None:
            item = self._made = _make_folder(tree, self._name)
        put_in_folder(node, item)

    def clear_away(self) -> None:
        """Remove the folder if `put` made it and nothing is in it any more."""
        if self._made is not None:
            remove_emptied_folders(self._scene, [self._made])


def put_in_folder(node: Node, item: int | None) -> None:
    """Move a node into a folder made by `folder`; nothing happens without one."""
    tree = _subject_hierarchy(node.GetScene()) if item else None
    if tree is None:
        return
    own = tree.GetItemByDataNode(node)
    if own:
        tree.SetItemParent(own, item)
    else:
        tree.CreateItem(item, node)


def put_beside(node: Node, other: Node) -> None:
    """Move a node to where another one stands in the subject hierarchy."""
    tree = _subject_hierarchy(node.GetScene())
    if tree is not None and (item := tree.GetItemByDataNode(other)):
        put_in_folder(node, tree.GetItemParent(item))


def lie_alike(first: Node, second: Node) -> bool:
    """Whether two volumes have one grid, and stand under the same transforms."""
    transforms = first.GetParentTransformNode(), second.GetParentTransformNode()
    return transforms[0] is transforms[1] and _own_grid(first).difference(_own_grid(second)) is None


def in_world(node: Node, lps: Sequence[float]) -> tuple[float, float, float]:
    """Where a point of a node, LPS mm, is shown: under the transforms that the node stands under, LPS mm."""
    ras = [0.0, 0.0, 0.0]
    node.TransformPointToWorld((-lps[0], -lps[1], lps[2]), ras)
    return -ras[0], -ras[1], ras[2]


def patient_of(node: Node) -> str | None:
    """The name of the patient under whom a node stands in the subject hierarchy, as for what was loaded
    from DICOM; None without one."""
    import slicer

    tree = _subject_hierarchy(node.GetScene())
    if tree is None or not (item := tree.GetItemByDataNode(node)):
        return None
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    patient = tree.GetItemAncestorAtLevel(item, level)
    return tree.GetItemName(patient) or None if patient else None


def folder_of(node: Node) -> int | None:
    """The item under which a node stands in the subject hierarchy; None where it stands nowhere."""
    tree = _subject_hierarchy(node.GetScene())
    if tree is None or not (item := tree.GetItemByDataNode(node)):
        return None
    return tree.GetItemParent(item) or None


def remove_emptied_folders(scene: Node, items: Iterable[int]) -> None:
    """Remove those of the items that are folders which `folder` or a `Shelf` made, unless something is in
    them."""
    tree = _subject_hierarchy(scene)
    if tree is None:
        return
    for item in set(items) & set(_folders(tree, recursive=True)):
        if tree.GetItemAttribute(item, _OURS) and tree.GetNumberOfItemChildren(item) == 0:
            tree.RemoveItem(item)


def _find_folder(tree: Node, name: str) -> int | None:
    """A volume of that name, under which a folder's nodes would go with it, is no folder."""
    return next((item for item in _folders(tree) if tree.GetItemName(item) == name), None)


def _make_folder(tree: Node, name: str) -> int:
    item = tree.CreateFolderItem(tree.GetSceneItemID(), name)
    tree.SetItemAttribute(item, _OURS, "1")
    return int(item)


def _folders(tree: Node, recursive: bool = False) -> list[int]:
    import slicer
    import vtk

    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelFolder()
    found = vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), found, recursive)
    items = (found.GetId(number) for number in range(found.GetNumberOfIds()))
    return [item for item in items if tree.IsItemLevel(item, level)]


def _subject_hierarchy(scene: Node) -> Node | None:
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def _storable(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype.itemsize > 4 or array.dtype == np.uint32:
        fits = array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)
        return np.ascontiguousarray(array, dtype=np.int32 if fits else np.float32)
    return np.ascontiguousarray(array)
