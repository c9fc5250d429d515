"""Curves as Slicer's table, plot series and plot chart nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from TransferRiskLib.cases.labels import distinct_colour
from TransferRiskLib.mrml.nodes import Node
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.removal import remove_with_belongings

_OWNER = "TransferRisk.Chart"
"""Attribute of the chart, series and tables that were made here: the chart's role. A node's ID would not
do: the next scene has other nodes under the same ones."""

_SHOWING = ("vtkMRMLSelectionNode", "vtkMRMLAbstractViewNode", "vtkMRMLSubjectHierarchyNode")
"""Nodes that refer to others because they are shown or listed."""

Points = Sequence[tuple[float, float]]


def show_curves(
    scene: Node, role: str, curves: Mapping[str, Points], title: str, x_title: str, y_title: str
) -> Node:
    """Curves in the scene's chart of a role, which is made where there is none.

    Only what was made here is changed: titles of a chart that is there, and series that were added to it
    by others, stay.

    Args:
        scene: The MRML scene.
        role: Which of our charts it is.
        curves: Name to (x, y) points.
        title: Of the chart.
        x_title, y_title: Of its axes.

    Returns:
        The `vtkMRMLPlotChartNode`.
    """
    chart = chart_of(scene, role)
    known = {series.GetName(): series for series in _owned(scene, "vtkMRMLPlotSeriesNode", role)}
    for name in [name for name, series in known.items() if name not in curves or not _is_whole(series)]:
        _remove_series(known.pop(name))
    if chart is None:
        chart = _add_chart(scene, role, title, x_title, y_title)
        for series in known.values():
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    for number, (name, points) in enumerate(curves.items()):
        series = known.get(name) or _add_series(chart, role, name, number, x_title, y_title)
        _fill(series.GetTableNode(), points)
    return chart


def remove_curves(scene: Node, role: str) -> None:
    """Remove the chart of a role with its series and tables, those of others excepted."""
    for series in _owned(scene, "vtkMRMLPlotSeriesNode", role):
        _remove_series(series)
    chart = chart_of(scene, role)
    if chart is not None:
        scene.RemoveNode(chart)


def remove_leftovers(scene: Node) -> None:
    """Remove series and tables that were made here and whose chart is gone, deleted by hand for instance:
    MRML leaves them, and they would be saved with the scene. What other nodes use stays."""
    charts = nodes_of(scene, "vtkMRMLPlotChartNode")
    roles = {chart.GetAttribute(_OWNER) for chart in charts}
    for class_name in ("vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):  # series use tables
        left = [n for n in nodes_of(scene, class_name) if n.GetAttribute(_OWNER) not in (None, *roles)]
        remove_with_belongings(scene, [node for node in left if not _is_used(scene, node)])


def chart_of(scene: Node, role: str) -> Node | None:
    """The chart of a role that `show_curves` made; None where the scene has none (any more)."""
    return next(iter(_owned(scene, "vtkMRMLPlotChartNode", role)), None)


def series_of(chart: Node) -> list[Node]:
    """The series of a chart, in order."""
    count = chart.GetNumberOfPlotSeriesNodes()
    return [node for node in map(chart.GetNthPlotSeriesNode, range(count)) if node is not None]


def _owned(scene: Node, class_name: str, role: str) -> list[Node]:
    return [node for node in nodes_of(scene, class_name) if node.GetAttribute(_OWNER) == role]


def _is_used(scene: Node, node: Node) -> bool:
    """Whether a node refers to another one, other than to show it."""
    nodes, identity = scene.GetNodes(), node.GetID()
    others = (nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems()))
    return any(
        scene.IsNodeReferencingNodeID(other, identity)
        for other in others
        if other is not node and not any(map(other.IsA, _SHOWING))
    )


def _is_whole(series: Node) -> bool:
    """Whether a series of ours still has the numbers that it was made with."""
    table = series.GetTableNode()
    if table is None or table.GetNumberOfColumns() != 2:
        return False
    return all(table.GetTable().GetColumn(column).IsA("vtkDoubleArray") for column in range(2))


def _remove_series(series: Node) -> None:
    """Remove a series of ours and its table from their scene."""
    scene, table = series.GetScene(), series.GetTableNode()
    scene.RemoveNode(series)
    if table is not None and table.GetAttribute(_OWNER) is not None:
        scene.RemoveNode(table)


def _add_chart(scene: Node, role: str, title: str, x_title: str, y_title: str) -> Node:
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
    chart.SetAttribute(_OWNER, role)
    chart.SetTitle(title)
    chart.SetXAxisTitle(x_title)
    chart.SetYAxisTitle(y_title)
    return chart


def _add_series(chart: Node, role: str, name: str, number: int, x_title: str, y_title: str) -> Node:
    import slicer
    import vtk

    scene = chart.GetScene()
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table.SetAttribute(_OWNER, role)
    for title in (x_title, y_title):
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        table.AddColumn(column)
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAttribute(_OWNER, role)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x_title)
    series.SetYColumnName(y_title)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    series.SetColor(*distinct_colour(number))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series


def _fill(table: Node, points: Points) -> None:
    """Write points into a table; one that has them already is left alone, and no view draws it anew."""
    from vtk.util.numpy_support import vtk_to_numpy

    wanted = np.asarray(points, dtype=float).reshape(-1, 2).T
    values = table.GetTable()
    columns = [values.GetColumn(number) for number in range(2)]
    if np.array_equal([vtk_to_numpy(column) for column in columns], wanted):
        return
    values.SetNumberOfRows(wanted.shape[1])
    for column, numbers in zip(columns, wanted, strict=True):
        vtk_to_numpy(column)[:] = numbers
        column.Modified()
    values.Modified()
    table.Modified()
