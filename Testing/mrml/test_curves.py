"""Curves in Slicer's plot nodes."""

from __future__ import annotations

from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.plots import series_of, show_curves


def points(series) -> list[tuple[float, float]]:
    table = series.GetTableNode().GetTable()
    return [
        (table.GetColumn(0).GetValue(row), table.GetColumn(1).GetValue(row))
        for row in range(table.GetNumberOfRows())
    ]


def test_a_chart_shows_and_follows_its_curves(scene) -> None:
    chart = show_curves(scene, {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}, "Training", "Step", "Value")
    assert [series.GetName() for series in series_of(chart)] == ["loss", "Dice"]
    assert chart.GetXAxisTitle() == "Step"
    again = show_curves(scene, {"loss": [(1, 0.5), (2, 0.25)], "new": []}, "Training", "Step", "Value", chart)
    assert again is chart
    found = {series.GetName(): points(series) for series in series_of(chart)}
    assert found == {"loss": [(1, 0.5), (2, 0.25)], "new": []}
    assert len(nodes_of(scene, "vtkMRMLTableNode")) == 2
    for series in series_of(chart):
        assert (series.GetXColumnName(), series.GetYColumnName()) == ("Step", "Value")
