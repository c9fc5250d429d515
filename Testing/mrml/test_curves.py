"""Curves in Slicer's plot nodes."""

from __future__ import annotations

from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.plots import chart_of, remove_leftovers, series_of, show_curves
from TransferRiskLib.mrml.scenes import load_scene, save_scene

AXES = ("Training", "Step", "Value")


def points(series) -> list[tuple[float, float]]:
    table = series.GetTableNode().GetTable()
    return [
        (table.GetColumn(0).GetValue(row), table.GetColumn(1).GetValue(row))
        for row in range(table.GetNumberOfRows())
    ]


def drawn(chart) -> dict[str, list[tuple[float, float]]]:
    return {series.GetName(): points(series) for series in series_of(chart)}


def a_users_chart(scene, name):
    """A chart with one series and its table, as the Plots module makes them."""
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitle(name)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "loss")
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "loss")
    series.SetAndObserveTableNodeID(table.GetID())
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart, series, table


def test_a_chart_shows_and_follows_its_curves(scene) -> None:
    chart = show_curves(scene, "training", {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}, *AXES)
    assert drawn(chart) == {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}
    assert (chart.GetTitle(), chart.GetXAxisTitle(), chart.GetYAxisTitle()) == AXES
    assert show_curves(scene, "training", {"loss": [(1, 0.5), (2, 0.25)], "new": []}, *AXES) is chart
    assert drawn(chart) == {"loss": [(1, 0.5), (2, 0.25)], "new": []}
    assert len(nodes_of(scene, "vtkMRMLTableNode")) == 2
    for series in series_of(chart):
        assert (series.GetXColumnName(), series.GetYColumnName()) == ("Step", "Value")


def test_a_curve_may_become_shorter(scene) -> None:
    """A resumed training repeats steps."""
    chart = show_curves(scene, "training", {"loss": [(1, 0.5), (2, 0.4), (3, 0.3)]}, *AXES)
    show_curves(scene, "training", {"loss": [(1, 0.5), (2, 0.2)]}, *AXES)
    assert drawn(chart) == {"loss": [(1, 0.5), (2, 0.2)]}


def test_what_has_no_new_points_is_not_drawn_anew(scene) -> None:
    curves = {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}
    chart = show_curves(scene, "training", curves, *AXES)
    loss, dice = (series.GetTableNode() for series in series_of(chart))
    before = [(table.GetMTime(), table.GetTable().GetMTime()) for table in (loss, dice)]
    show_curves(scene, "training", curves, *AXES)
    assert [(table.GetMTime(), table.GetTable().GetMTime()) for table in (loss, dice)] == before
    show_curves(scene, "training", {**curves, "loss": [(1, 0.5), (2, 0.25)]}, *AXES)
    assert loss.GetMTime() > before[0][0]
    assert (dice.GetMTime(), dice.GetTable().GetMTime()) == before[1]


def test_two_roles_have_two_charts(scene) -> None:
    first = show_curves(scene, "training", {"loss": [(1, 0.5)]}, *AXES)
    second = show_curves(scene, "histogram", {"loss": [(0, 7)]}, *AXES)
    assert first is not second
    assert drawn(first) == {"loss": [(1, 0.5)]} and drawn(second) == {"loss": [(0, 7)]}


def test_charts_and_series_of_others_stay_as_they_are(scene) -> None:
    theirs, series, table = a_users_chart(scene, "Perfusion")
    ours = show_curves(scene, "training", {"Dice": [(5, 0.25)]}, *AXES)
    ours.AddAndObservePlotSeriesNodeID(series.GetID())
    ours.SetTitle("Renamed")
    assert show_curves(scene, "training", {"new": [(1, 1.0)]}, *AXES) is ours
    assert theirs.GetTitle() == "Perfusion" and series_of(theirs) == [series]
    assert series.GetTableNode() is table and table.GetNumberOfColumns() == 0
    assert [one.GetName() for one in series_of(ours)] == ["loss", "new"] and ours.GetTitle() == "Renamed"


def test_series_and_tables_without_their_chart_go_unless_somebody_uses_them(scene, tmp_path) -> None:
    curves = {"loss": [(1, 0.5)], "Dice": [(5, 0.25)], "rate": [(1, 0.1)], "step": [(1, 1.0)]}
    ours = show_curves(scene, "training", curves, *AXES)
    histogram = show_curves(scene, "histogram", {"GM": [(0, 7)]}, *AXES)
    theirs, series, table = a_users_chart(scene, "Perfusion")
    loss, dice, rate, last = series_of(ours)
    theirs.AddAndObservePlotSeriesNodeID(loss.GetID())
    series.SetAndObserveTableNodeID(dice.GetTableNode().GetID())
    used = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "their module")
    used.SetNodeReferenceID("table", rate.GetTableNode().GetID())
    shown = scene.AddNewNodeByClass("vtkMRMLSelectionNode")
    shown.SetActiveTableID(last.GetTableNode().GetID())
    kept = [loss.GetTableNode(), dice.GetTableNode(), rate.GetTableNode()]
    remove_leftovers(scene)
    assert len(series_of(ours)) == 4, "as long as there is a chart"
    save_scene(scene, tmp_path / "with files.mrb")
    stored = scene.GetNumberOfNodesByClass("vtkMRMLTableStorageNode")
    scene.RemoveNode(ours)
    remove_leftovers(scene)
    found = nodes_of(scene, "vtkMRMLPlotSeriesNode")
    assert set(found) == {loss, series, *series_of(histogram)}
    tables = nodes_of(scene, "vtkMRMLTableNode")
    assert set(tables) == {*kept, table, series_of(histogram)[0].GetTableNode()}
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableStorageNode") == stored - 1
    scene.RemoveNode(theirs)
    scene.RemoveNode(series)
    scene.RemoveNode(used)
    remove_leftovers(scene)
    assert nodes_of(scene, "vtkMRMLPlotSeriesNode") == series_of(histogram)
    assert set(nodes_of(scene, "vtkMRMLTableNode")) == {table, series_of(histogram)[0].GetTableNode()}


def test_the_next_scene_is_searched_for_the_chart(scene, tmp_path) -> None:
    show_curves(scene, "training", {"loss": [(1, 0.5)]}, *AXES)
    file = save_scene(scene, tmp_path / "with chart.mrb")
    scene.Clear(False)
    theirs, series, _ = a_users_chart(scene, "Perfusion")
    assert chart_of(scene, "training") is None
    assert show_curves(scene, "training", {"Dice": [(5, 0.25)]}, *AXES) is not theirs
    assert series_of(theirs) == [series]
    scene.Clear(False)
    load_scene(scene, file)
    chart = chart_of(scene, "training")
    assert show_curves(scene, "training", {"loss": [(1, 0.5), (2, 0.25)]}, *AXES) is chart
    assert drawn(chart) == {"loss": [(1, 0.5), (2, 0.25)]}
    assert len(nodes_of(scene, "vtkMRMLPlotSeriesNode")) == 1


def test_a_series_that_was_taken_out_of_the_chart_stays_out(scene) -> None:
    curves = {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}
    chart = show_curves(scene, "training", curves, *AXES)
    loss = series_of(chart)[0]
    chart.RemovePlotSeriesNodeID(loss.GetID())
    show_curves(scene, "training", {**curves, "loss": [(1, 0.5), (2, 0.25)]}, *AXES)
    assert drawn(chart) == {"Dice": [(5, 0.25)]} and points(loss) == [(1, 0.5), (2, 0.25)]


def test_after_the_chart_was_deleted_a_new_one_shows_the_same_series(scene) -> None:
    curves = {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}
    scene.RemoveNode(show_curves(scene, "training", curves, *AXES))
    assert drawn(show_curves(scene, "training", curves, *AXES)) == curves
    assert len(nodes_of(scene, "vtkMRMLTableNode")) == len(nodes_of(scene, "vtkMRMLPlotSeriesNode")) == 2


def test_a_series_whose_table_was_deleted_or_changed_is_made_anew(scene) -> None:
    curves = {"loss": [(1, 0.5)], "Dice": [(5, 0.25)]}
    chart = show_curves(scene, "training", curves, *AXES)
    loss, dice = (series.GetTableNode() for series in series_of(chart))
    scene.RemoveNode(loss)
    dice.RemoveColumn(1)
    assert drawn(show_curves(scene, "training", curves, *AXES)) == curves
