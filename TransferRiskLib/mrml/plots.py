"""Curves as Slicer's table, plot series and plot chart nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from TransferRiskLib.cases.labels import distinct_colour
from TransferRiskLib.mrml.nodes import Node

_OWNER = "TransferRisk.Chart"

Points = Sequence[tuple[float, float]]


def show_curves(
    scene: Node,
    curves: Mapping[str, Points],
    title: str,
    x_title: str,
    y_title: str,
    chart: Node | None = None,
) -> Node:
    """Curves in a plot chart; a later call with that chart changes it instead of adding another.

    Args:
        scene: The MRML scene.
        curves: Name to (x, y) points.
        title: Of the chart.
        x_title, y_title: Of its axes.
        chart: The chart of an earlier call, or None for a new one.

    Returns:
        The `vtkMRMLPlotChartNode`.
    """
    if chart is None:
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
    chart.SetTitle(title)
    chart.SetXAxisTitle(x_title)
    chart.SetYAxisTitle(y_title)
    known = {series.GetName(): series for series in series_of(chart)}
    for name in set(known) - set(curves):
        remove_series(known.pop(name))
    for number, (name, points) in enumerate(curves.items()):
        series = known.get(name) or _add_series(chart, name, number, x_title, y_title)
        _fill(series.GetTableNode(), points)
    return chart


def series_of(chart: Node) -> list[Node]:
    """The series of a chart, in order."""
    count = chart.GetNumberOfPlotSeriesNodes()
    return [node for node in map(chart.GetNthPlotSeriesNode, range(count)) if node is not None]


def remove_series(series: Node) -> None:
    """Remove a series and its table from their scene."""
    scene, table = series.GetScene(), series.GetTableNode()
    scene.RemoveNode(series)
    if table is not None:
        scene.RemoveNode(table)


def _add_series(chart: Node, name: str, number: int, x_title: str, y_title: str) -> Node:
    import slicer
    import vtk

    scene = chart.GetScene()
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table.SetAttribute(_OWNER, chart.GetID())
    for title in (x_title, y_title):
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        table.AddColumn(column)
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x_title)
    series.SetYColumnName(y_title)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    series.SetColor(*distinct_colour(number))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series


def _fill(table: Node, points: Points) -> None:
    values = table.GetTable()
    values.SetNumberOfRows(len(points))
    for column in range(2):
        array = values.GetColumn(column)
        for row, point in enumerate(points):
            array.SetValue(row, point[column])
    values.Modified()
    table.Modified()
