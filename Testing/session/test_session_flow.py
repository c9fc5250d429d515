"""The whole flow on a real scene with the real worker: pick, map, adapt, segment, save, open, go on."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.jobs.client import WorkerClient
from TransferRiskLib.jobs.interpreters import Interpreter
from TransferRiskLib.models.card_files import read_card
from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import volume_from_node
from TransferRiskLib.mrml.overlay import nodes_of
from TransferRiskLib.mrml.plots import series_of
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.session import Session

QUICK = {
    "steps": 12, "probe_steps": 2, "validate_every": 6, "batch_size": 1, "folds": 2, "audit": True,
    "patch_size": [16, 16, 16],
}  # fmt: skip


def choose_quick(session, **more) -> None:
    for name, value in {**QUICK, **more}.items():
        session.adapting.set_option(name, value)


@pytest.fixture
def ready(session, add_scan, bundle):
    """Three annotated cases and a chosen model."""
    for number in range(3):
        add_scan(f"case{number}", number)
    session.models.add(bundle)
    session.cases.add_from_scene()
    return session


def test_from_a_model_to_a_segmentation_and_back_after_saving(ready, scene, add_scan, finish, tmp_path):
    session = ready
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    assert [session.cases.missing(row.key) for row in session.cases.rows] == [[], [], []]
    add_scan("fresh", 7, labelled=False)

    # Map.
    session.maps.compute()
    assert finish(session).kind == "done", session.jobs.outcome
    assert session.maps.kinds() == ("risk", "relative-risk", "gain", "expected-risk")
    run = session.maps.shown
    risk = scene.GetNodeByID(run.cases[0].maps["risk"])
    assert composite.GetForegroundVolumeID() == risk.GetID()
    assert volume_from_node(risk).array.dtype == np.float32
    header, rows = session.maps.table()
    assert {row[0] for row in rows} == {"case0", "case1", "case2"} and len(header) == len(rows[0])
    edges, counts = session.maps.histogram()
    assert set(counts) == {"background", "anterior", "posterior"}
    assert sum(map(sum, counts.values())) == 3 * 20 * 18 * 16 and len(edges) == 61

    # Adapt, stop in the middle, resume.
    choose_quick(session, steps=100, folds=0, audit=False, validate_every=50)
    session.adapting.start()
    finish(session, lambda: bool(session.adapting.curves))
    session.jobs.cancel()
    assert finish(session).kind == "cancelled"
    assert session.adapting.can_resume() == (True, "")
    folder = Path(session.adapting.run.folder)
    assert list(folder.glob("inputs/*.nrrd")), "a resumed run needs the very same images"

    # Save, close, open: the unfinished run is still there.
    saved = save_scene(scene, tmp_path / "scene.mrb")
    before = session.state
    scene.Clear(False)
    session.tick()
    assert session.state.cases == () and session.maps.can_show()[0] is False
    load_scene(scene, saved)
    assert session.state == before
    assert session.maps.can_show() == (True, "")
    assert heat.kind_of(scene.GetNodeByID(session.maps.shown.cases[0].maps["gain"])) == "gain"

    # Go on: the cases and the stopped adaptation are as they were.
    assert [session.cases.missing(row.key) for row in session.cases.rows] == [[], [], []]
    assert session.adapting.can_resume() == (True, "")
    stopped_at = session.adapting.curves["Final training: loss"][-1][0]
    session.adapting.resume()
    assert finish(session).kind == "done", session.jobs.outcome
    steps = [step for step, _ in session.adapting.curves["Final training: loss"]]
    assert session.adapting.run.result.resumed and steps[-1] == 100 > stopped_at
    assert steps == sorted(set(steps))


def test_an_adaptation_ends_with_curves_audit_and_a_model_that_segments(
    ready, scene, add_scan, finish, tmp_path
):
    session = ready
    choose_quick(session)
    assert session.adapting.estimate().trainings == 5
    session.adapting.start()
    outcome = finish(session)
    assert outcome.kind == "done", outcome
    assert session.adapting.outcome_sentence.startswith("Transfer ")
    assert [row[0] for row in session.adapting.audit_table()[1]] == ["anterior", "posterior"]
    assert {"Fold 1: loss", "Fold 1: validation Dice", "Final training: loss"} <= set(session.adapting.curves)
    chart = session.adapting.show_curves()
    assert len(series_of(chart)) == len(session.adapting.curves)
    assert session.adapting.show_curves() is chart
    run = Path(session.adapting.run.folder)
    assert not (run / "inputs").exists() and not (run / "session.json").exists()
    assert session.adapting.estimate().measured

    assert session.adapting.bundle in [entry.path for entry in session.models.entries]
    name = session.models.find(str(session.adapting.bundle)).name
    session.adapting.save_as(tmp_path)
    assert finish(session).kind == "done", session.jobs.outcome
    assert read_card(tmp_path / name).name == name

    volume, _ = add_scan("new", 11, labelled=False)
    (key,) = session.segmenting.add_from_scene()
    assert session.segmenting.model.path == session.adapting.bundle
    session.segmenting.set_options(uncertainty=True, probabilities=True)
    session.segmenting.segment()
    assert finish(session).kind == "done", session.jobs.outcome
    segmentation, scan = session.segmenting.edit_target(key)
    assert scan is volume
    names = {segmentation.GetSegmentation().GetNthSegment(n).GetName() for n in range(2)}
    assert names == {"anterior", "posterior"}
    row = session.segmenting.rows[0]
    assert len(row.probabilities) == 3 and heat.kind_of(scene.GetNodeByID(row.uncertainty)) == "uncertainty"
    # Results are no scans: nothing is left to add.
    assert not session.segmenting.can_add_from_scene()[0]
    made = session.segmenting.add_to_cases(key)
    assert session.state.case(made).segmentation == segmentation.GetID()
    assert session.segmenting.rows == ()

    # Among the cases that it is compared on now are those that it was trained on.
    session.models.rank()
    assert finish(session).kind == "done", session.jobs.outcome
    ranked = dict(zip(session.models.ranked_paths(), session.models.ranking()[1], strict=True))
    assert ranked[session.adapting.bundle][0] == f"{name} (trained on 3 of these cases: it scores too well)"
    assert not any("perhaps" in row[0] for row in ranked.values())


def test_models_are_ranked_on_the_cases(ready, bundle, finish, tmp_path):
    shutil.copytree(bundle, tmp_path / "twin")
    ready.models.add(tmp_path / "twin")
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "models" / "model.pt").write_bytes(b"no weights")  # its card is as good as any
    ready.models.add(broken)
    ready.models.rank()
    outcome = finish(ready)
    assert outcome.kind == "done" and "broken:" in outcome.message
    assert broken not in ready.models.ranked_paths()
    header, rows = ready.models.ranking()
    assert header[0] == "Model" and "posterior" in header
    assert {bundle, tmp_path / "twin"} <= set(ready.models.ranked_paths())
    assert len(rows) == len(ready.models.ranked_paths())


def test_the_scan_to_annotate_next_comes_with_a_place_in_it(ready, scene, add_scan, finish, tmp_path):
    session = ready
    session.maps.compute()
    finish(session)
    volume, _ = add_scan("unknown", 5, labelled=False)
    (key,) = session.cases.add_from_scene()
    session.cases.suggest_next()
    assert finish(session).kind == "done", session.jobs.outcome
    (suggestion,) = session.cases.suggestions
    assert (suggestion.key, suggestion.name) == (key, "unknown") and suggestion.score > 0
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    right, anterior, superior = -suggestion.lps[0], -suggestion.lps[1], suggestion.lps[2]
    assert bounds[0] <= right <= bounds[1] and bounds[2] <= anterior <= bounds[3]
    assert bounds[4] <= superior <= bounds[5]
    session.cases.jump_to_suggestion(key)
    session.tick()
    saved = save_scene(scene, tmp_path / "suggested.mrb")
    scene.Clear(False)
    load_scene(scene, saved)
    assert session.cases.suggestions == (suggestion,)


def test_the_worker_reports_its_libraries_and_devices(session, finish):
    session.environment.probe()
    assert finish(session).kind == "done", session.jobs.outcome
    report = session.environment.report
    assert report.versions["torch"] and report.devices[-1].device == "cpu"
    assert dict(session.environment.summary())["torch"] == report.versions["torch"]


class ListeningClient(WorkerClient):
    """Knows whether the worker has begun a job: one that only waits goes to the next worker."""

    heard: tuple = ()

    def poll(self, *arguments, **options):
        events = super().poll(*arguments, **options)
        self.heard += tuple(events)
        return events

    def began(self) -> bool:
        return any(event.kind == "started" and event.id is not None for event in self.heard)


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_killed_worker_is_a_line_in_the_window_and_the_next_job_gets_a_new_one(scene, settings, finish):
    for _ in range(5):  # on a busy machine the short job may be over before it can be killed
        client = ListeningClient(Interpreter(Path(sys.executable), "current"))
        session = Session(scene, lambda setting, client=client: client, settings)
        session.environment.probe()
        finish(session, client.began)
        os.kill(client.pid, signal.SIGKILL)
        outcome = finish(session)
        if outcome.kind == "error":
            break
        session.close()
    try:
        assert outcome.kind == "error" and "killed (SIGKILL)" in outcome.message and outcome.hint
        session.environment.probe()
        finish(session, lambda: client.pid is not None)
        assert session.environment.can_release() == (False, session.jobs.can_start()[1])
    finally:
        session.close()
    assert not client.running and session.jobs.outcome.kind == "cancelled"


def test_a_broken_scan_is_named_by_its_node(ready, scene, finish):
    volume = nodes_of(scene, "vtkMRMLScalarVolumeNode")[1]
    from slicer.util import updateVolumeFromArray

    updateVolumeFromArray(volume, np.zeros((16, 18, 20), np.float32))
    nodes = scene.GetNumberOfNodes()
    ready.maps.compute()
    outcome = finish(ready)
    assert outcome.kind == "error"
    name = volume.GetName()
    assert f"{name} (T1 of {name})" in outcome.message and "constant" in outcome.message
    assert scene.GetNumberOfNodes() <= nodes + 1  # the parameter node at most
