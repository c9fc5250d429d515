"""Charts of a session: curves that grow while the training runs, the histogram, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from TransferRiskLib.jobs import events
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.plots import chart_of, series_of
from TransferRiskLib.session.state import MapRun

LOSS, DICE = "Fold 1: loss", "Fold 1: validation Dice"
HISTOGRAM = {"targets": ["GM"], "edges": [0.0, 1.0, 2.0], "counts": [[5, 3]]}


@pytest.fixture
def training(begun, played):
    """A session whose adaptation has just begun its first fold."""
    played.say(events.Stage("Fold 1", 3), events.Metrics(1, {"loss": 0.5}))
    begun.tick()
    return begun


def drawn(chart):
    def numbers(series):
        table = series.GetTableNode().GetTable()
        rows = range(table.GetNumberOfRows())
        return [tuple(table.GetColumn(c).GetValue(row) for c in range(2)) for row in rows]

    return {series.GetName(): numbers(series) for series in series_of(chart)}


def test_a_chart_that_is_shown_grows_with_the_training(training, scene, played):
    assert chart_of(scene, "adaptation") is None, "nobody asked for it yet"
    chart = training.adapting.show_curves()
    assert drawn(chart) == {LOSS: [(1, 0.5)]}
    played.say(*(events.Metrics(step, {"loss": 0.25}) for step in (2, 3)))
    training.tick()
    assert drawn(chart) == {LOSS: [(1, 0.5), (2, 0.25), (3, 0.25)]}
    played.say(events.Metrics(3, {"validation_dice": 0.75}))
    training.tick()
    assert drawn(chart) == {LOSS: [(1, 0.5), (2, 0.25), (3, 0.25)], DICE: [(3, 0.75)]}
    # The last points come with the end, here of a run of which nothing is kept but its curves.
    played.say(events.Metrics(4, {"loss": 0.125}), events.JobCancelled("The work was stopped."))
    (Path(training.adapting.run.folder) / "work").mkdir()
    training.tick()
    assert not training.jobs.busy
    assert drawn(chart)[LOSS][-1] == (4, 0.125) and training.adapting.curves[LOSS][-1] == (4.0, 0.125)
    assert len(nodes_of(scene, "vtkMRMLPlotChartNode")) == 1


def test_a_chart_that_was_deleted_does_not_come_back_by_itself(training, scene, played):
    scene.RemoveNode(training.adapting.show_curves())
    played.say(events.Metrics(2, {"loss": 0.25}))
    training.tick()
    assert nodes_of(scene, "vtkMRMLPlotChartNode") == []
    assert drawn(training.adapting.show_curves()) == {LOSS: [(1, 0.5), (2, 0.25)]}


def test_what_made_up_a_deleted_chart_goes_with_it_and_nothing_else(training, scene, played):
    show_run(training)
    histogram = training.maps.show_histogram()
    chart = training.adapting.show_curves()
    played.say(events.Metrics(2, {"loss": 0.25, "validation_dice": 0.5}))
    training.tick()
    theirs = scene.AddNewNodeByClass("vtkMRMLTableNode", "their table")
    training.tick()
    before = drawn(histogram)
    scene.RemoveNode(chart)
    training.tick()
    assert [node.GetName() for node in nodes_of(scene, "vtkMRMLPlotSeriesNode")] == ["GM"]
    assert [node.GetName() for node in nodes_of(scene, "vtkMRMLTableNode")] == ["GM", "their table"]
    assert drawn(histogram) == before and theirs.GetScene() is scene
    played.say(events.Metrics(3, {"loss": 0.125}))
    training.tick()
    assert drawn(training.adapting.show_curves())[LOSS][-1] == (3, 0.125)
    training.tick()
    assert len(nodes_of(scene, "vtkMRMLPlotSeriesNode")) == 3


def test_what_brings_no_points_touches_no_chart(training, played, monkeypatch):
    training.adapting.show_curves()
    calls = []
    monkeypatch.setattr(training.adapting, "show_curves", lambda: calls.append(1))
    played.say(events.Step(1, "step"), events.Message("Slow disk."))
    training.tick()
    training.tick()
    assert calls == []
    played.say(*(events.Metrics(step, {"loss": 0.5}) for step in range(2, 50)))
    training.tick()
    assert calls == [1], "once a tick, however many points came"


def test_the_histogram_leaves_the_next_scenes_charts_alone(stage, scene):
    show_run(stage)
    first = stage.maps.show_histogram()
    assert drawn(first) == {"GM": [(0.5, 5), (1.5, 3)]} and first.GetTitle() == "Voxels by risk"
    identity = first.GetID()
    scene.Clear(False)
    stage.tick()
    assert stage.maps.show_histogram() is None
    theirs = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Perfusion")
    theirs.SetTitle("Perfusion")
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "GM")
    theirs.AddAndObservePlotSeriesNodeID(series.GetID())
    assert theirs.GetID() == identity, "another chart under the same ID"
    show_run(stage)
    second = stage.maps.show_histogram()
    assert second is not theirs and drawn(second) == {"GM": [(0.5, 5), (1.5, 3)]}
    assert theirs.GetTitle() == "Perfusion" and series_of(theirs) == [series]
    assert stage.maps.show_histogram() is second


def test_histogram_and_curves_are_two_charts(training, scene):
    show_run(training)
    curves, histogram = training.adapting.show_curves(), training.maps.show_histogram()
    assert set(drawn(curves)) == {LOSS} and set(drawn(histogram)) == {"GM"}


def show_run(session):
    run = MapRun("run", "model", histogram=HISTOGRAM)
    display = replace(session.state.display, run="run")
    session._desk.update(replace(session.state, runs=(run,), display=display), "maps")
