"""Volumes in MRML."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume

nodes = pytest.importorskip("TransferRiskLib.mrml.nodes")


def _matrix(node) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def test_an_oblique_volume_lies_in_slicer_where_it_lies_in_the_file(scene, oblique) -> None:
    values = np.arange(np.prod(oblique.shape), dtype=np.float32).reshape(oblique.shape)
    node = nodes.add_volume(scene, Volume(values, oblique), "scan")
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    np.testing.assert_allclose(_matrix(node), flip @ oblique.index_to_lps, rtol=0, atol=1e-12)


def test_a_voxel_keeps_its_index(scene, oblique) -> None:
    values = np.zeros(oblique.shape, dtype=np.float32)
    values[3, 5, 2] = 8.0  # k, j, i
    node = nodes.add_volume(scene, Volume(values, oblique), "scan")
    assert node.GetImageData().GetScalarComponentAsDouble(2, 5, 3, 0) == 8.0


def test_a_volume_comes_back_as_it_went_in(scene, oblique) -> None:
    values = np.random.default_rng(0).normal(size=oblique.shape).astype(np.float32)
    back = nodes.volume_from_node(nodes.add_volume(scene, Volume(values, oblique), "scan"))
    np.testing.assert_array_equal(back.array, values)
    assert back.geometry == oblique


def test_the_volume_that_comes_back_is_a_copy(scene, oblique) -> None:
    node = nodes.add_volume(scene, Volume(np.zeros(oblique.shape, np.float32), oblique), "scan")
    nodes.volume_from_node(node).array[:] = 1
    assert nodes.volume_from_node(node).array.max() == 0


@pytest.mark.parametrize(
    ("given", "stored"),
    [("float64", "float32"), ("bool", "uint8"), ("int16", "int16"), ("int64", "int32"), ("uint32", "int32")],
)
def test_values_get_a_type_that_slicer_can_save(scene, oblique, given, stored) -> None:
    values = np.ones(oblique.shape, dtype=given)
    back = nodes.volume_from_node(nodes.add_volume(scene, Volume(values, oblique), "scan"))
    assert back.array.dtype == np.dtype(stored)
    assert (back.array == 1).all()


def test_a_volume_under_a_transform_is_refused_with_the_remedy(scene, oblique) -> None:
    node = nodes.add_volume(scene, Volume(np.zeros(oblique.shape, np.float32), oblique), "scan")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "tilt")
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GeometryError, match=r"tilt.*Harden"):
        nodes.volume_from_node(node)


def test_an_empty_volume_node_is_refused(scene) -> None:
    with pytest.raises(GeometryError, match="no image"):
        nodes.volume_from_node(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))


def test_the_nodes_of_a_run_lie_in_its_folder(scene) -> None:
    import slicer

    grid = Geometry((2, 2, 2), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    node = nodes.add_volume(scene, Volume(np.zeros(grid.shape, np.float32), grid), "risk")
    shelf = nodes.folder(scene, "Run 1")
    nodes.put_in_folder(node, shelf)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert tree.GetItemName(tree.GetItemParent(tree.GetItemByDataNode(node))) == "Run 1"
    assert nodes.folder(scene, "Run 1") == shelf
    assert nodes.folder(scene, "Run 2") != shelf
