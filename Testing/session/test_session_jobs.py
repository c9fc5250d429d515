"""A job's life: progress, crash, cancel, and a scene that is closed under it."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.discarding import wait_for_removals
from TransferRiskLib.jobs import events
from TransferRiskLib.records import to_json
from TransferRiskLib.session.desk import Desk, MemorySettings
from TransferRiskLib.session.job_plans import Plan
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.measuring import measured_speed
from TransferRiskLib.session.state import MapRun
from TransferRiskLib.volumes.io import read_volume, write_volume


@pytest.fixture
def mapping(stage, bundle, add_scan, played):
    """A session whose map job has just been handed to the worker."""
    stage.models.add(bundle)
    for number in range(2):
        add_scan(f"case{number}", number)
    stage.cases.add_from_scene()
    stage.maps.compute()
    while not played.submitted:
        stage.tick()
    return stage


def test_images_are_handed_over_one_a_tick_as_uncompressed_float_files(stage, bundle, add_scan, played):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.maps.compute()
    ticks = 0
    while not played.submitted:
        stage.tick()
        ticks += 1
    assert ticks == 3  # image, annotation, submit
    ((task, request),) = played.submitted
    (case,) = request.target.cohort.cases
    image = case.images["T1"].path.read_bytes()
    assert task == "map" and case.name == "Anna"
    assert b"type: float" in image[:500] and b"encoding: raw" in image[:500]
    assert b"type: short" in case.labels.read_bytes()[:500]
    assert "Anna" not in str(case.images["T1"].path)
    assert request.target.cohort.scheme.names == ("background", "anterior", "posterior")


def test_a_worker_that_dies_becomes_a_message_with_hint_and_log(mapping, scene, played):
    nodes = scene.GetNumberOfNodes()
    played.say(
        events.Failed(
            "WorkerError",
            "The worker process was killed (SIGKILL).",
            "Close other programs.",
            None,
            "log's tail",
        )
    )
    mapping.tick()
    outcome = mapping.jobs.outcome
    assert (outcome.kind, outcome.task) == ("error", "map")
    assert "killed" in outcome.message and outcome.hint == "Close other programs."
    assert outcome.details == "log's tail"
    assert scene.GetNumberOfNodes() == nodes and mapping.state.runs == ()


def test_results_are_never_half_applied(mapping, scene, played, tmp_path):
    """The second case's file is missing: what the first one brought goes again."""
    ((_, request),) = played.submitted
    scan = read_volume(request.target.cohort.cases[0].images["T1"].path)
    risk = tmp_path / "risk.nii.gz"
    write_volume(scan, risk)
    (tmp_path / "summary.json").write_text('{"histogram": null}')
    (tmp_path / "statistics.json").write_text("{}")
    files = {"case0": risk, "case1": tmp_path / "no.nii.gz"}
    result = {
        "score": None, "statistics": str(tmp_path / "statistics.json"),
        "summary": str(tmp_path / "summary.csv"), "risk": [],
        "cases": [{"case": name, "maps": {"risk": str(path)}} for name, path in files.items()],
    }  # fmt: skip

    def names() -> set[str]:
        nodes = {scene.GetNthNode(n).GetName() for n in range(scene.GetNumberOfNodes())}
        return nodes - {"SubjectHierarchy"}  # the headless scene makes it when it is first asked for

    before = names()
    played.say(events.Done(result))
    appeared = False
    for _ in range(6):
        mapping.tick()
        appeared = appeared or scene.GetFirstNodeByName("case0 risk") is not None
    assert appeared, "the first map was in the scene for a moment"
    assert mapping.jobs.outcome.kind == "error" and mapping.state.runs == ()
    assert names() == before


def test_closing_the_scene_cancels_the_job_and_forgets_it(mapping, scene, played):
    scene.Clear(False)
    assert played.cancelled == ["1"]
    assert mapping.state.cases == () and mapping.state.model == ""
    played.say(events.Stage("Predicting"), events.Done({"nonsense": 1}))
    mapping.tick()
    assert not mapping.jobs.busy and mapping.jobs.outcome.kind == "cancelled"
    assert mapping.state.runs == ()


def test_a_closed_session_leaves_no_observer_no_worker_and_no_folder(mapping, scene, played, tmp_path):
    told = []
    mapping.subscribe(told.append)
    mapping.close()
    assert played.closed == 1
    wait_for_removals(10)
    assert list((tmp_path / "temporary").iterdir()) == []
    told.clear()
    scene.Clear(False)
    assert told == []
    mapping.close()
    assert played.closed == 1


def test_a_job_cancelled_while_images_are_handed_over_never_reaches_the_worker(
    stage, bundle, add_scan, played, tmp_path
):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.maps.compute()
    stage.tick()
    assert list((tmp_path / "temporary").iterdir())
    stage.jobs.cancel()
    assert stage.jobs.outcome.kind == "cancelled"
    for _ in range(3):
        stage.tick()
    wait_for_removals(10)
    assert played.submitted == [] and list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("job", ["map", "adapt"])
def test_an_image_on_its_way_when_the_job_is_cancelled_does_not_stay(
    stage, bundle, add_scan, tmp_path, monkeypatch, job
):
    begun, go_on, real = threading.Event(), threading.Event(), sitk.WriteImage

    def held(*arguments, **options):
        begun.set()
        assert go_on.wait(10)
        real(*arguments, **options)

    monkeypatch.setattr(sitk, "WriteImage", held)
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.maps.compute() if job == "map" else stage.adapting.start()
    while not begun.is_set():
        stage.tick()
    stage.jobs.cancel()
    go_on.set()
    for thread in [t for t in threading.enumerate() if t.name == "session-files"]:
        thread.join(10)
    wait_for_removals(10)
    for folder in (tmp_path / "temporary", tmp_path / "output"):
        assert not folder.exists() or list(folder.iterdir()) == []


def test_what_cannot_be_followed_ends_the_job_on_both_sides(begun, played, monkeypatch):
    def surprised(self, body):
        raise KeyError("a curve")

    monkeypatch.setattr(type(begun.jobs._running.plan), "hear", surprised)
    played.say(events.Metrics(1, {"loss": 0.5}), events.Message("and the next"))
    begun.tick()
    outcome = begun.jobs.outcome
    assert outcome.kind == "error" and "a curve" in outcome.message
    assert played.cancelled and begun.jobs.can_start()[0]


STARTS = {
    "rank": lambda s: s.models.rank(),
    "map": lambda s: s.maps.compute(),
    "suggest": lambda s: s.cases.suggest_next(),
    "adapt": lambda s: s.adapting.start(),
    "measure": lambda s: s.adapting.measure(),
    "segment": lambda s: s.segmenting.segment(),
}


@pytest.mark.parametrize("job", STARTS)
def test_what_is_chosen_while_images_are_handed_over_is_for_the_next_job(
    stage, bundle, add_scan, played, settings, finish, tmp_path, job
):
    shutil.copytree(bundle, tmp_path / "other")
    stage.models.add(tmp_path / "other")
    stage.models.add(bundle)
    add_scan("Anna")
    add_scan("Berta", 1, labelled=False)
    stage.cases.add_from_scene()
    stage.segmenting.add_volumes([stage.cases.rows[1].channels["T1"]])
    runs = (MapRun("1", str(bundle), statistics={"of": "tiny"}), MapRun("2", str(tmp_path / "other")))
    stage._desk.update(replace(stage.state, runs=runs), "maps")
    STARTS[job](stage)
    stage.models.choose(tmp_path / "other")
    settings.set("Device", "cuda")
    if job == "rank":
        stage.cases.remove(stage.cases.rows[0].key)
    finish(stage, lambda: bool(played.submitted))
    ((_, request),) = played.submitted
    assert request.prediction.device == "cpu"
    if job == "rank":
        assert [case.name for case in request.target.cohort.cases] == ["Anna"]
    else:
        assert request.model == bundle
    if job == "suggest":
        assert json.loads(request.statistics.read_text()) == {"of": "tiny"}


def test_a_speed_is_kept_for_the_device_that_it_was_measured_on(
    stage, bundle, add_scan, played, settings, finish
):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.adapting.measure()
    finish(stage, lambda: bool(played.submitted))
    settings.set("Device", "cuda")
    played.say(events.Done(to_json(Speed("cpu", 1e-6, 1e-7, 1e-8, 40.0))))
    assert finish(stage).kind == "done", stage.jobs.outcome
    assert measured_speed(settings, bundle) is None
    settings.set("Device", "cpu")
    assert measured_speed(settings, bundle) is not None


def test_an_adaptation_that_never_began_leaves_no_folder(begun, played):
    folder = Path(begun.adapting.run.folder)
    assert list(folder.glob("inputs/*.nrrd"))
    played.say(events.Failed("ModelError", "There is no such model."))
    begun.tick()
    assert not folder.exists() and begun.adapting.run.status == "none"


def test_an_interrupted_adaptation_keeps_its_images_until_a_new_one_replaces_it(
    stage, bundle, add_scan, played
):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()

    def interrupted() -> Path:
        stage.adapting.start()
        while len(played.submitted) == count:
            stage.tick()
        folder = Path(stage.adapting.run.folder)
        (folder / "work").mkdir()  # the task has begun
        played.say(events.Stage("Final training", 300), events.Metrics(5, {"loss": 0.5}))
        played.say(events.JobCancelled())
        stage.tick()
        return folder

    count = 0
    first = interrupted()
    assert stage.adapting.can_resume() == (True, "")
    assert stage.adapting.curves == {"Final training: loss": ((5.0, 0.5),)}
    stage.adapting.resume()
    while len(played.submitted) == 1:
        stage.tick()
    (_, begun), (_, resumed) = played.submitted
    assert resumed == begun
    played.say(events.JobCancelled())
    stage.tick()
    count = 2
    second = interrupted()
    assert second != first and not first.exists()


class Counting(Plan):
    task, title, worker_task, result_type = "count", "Counting", "count", dict

    def prepare(self):
        yield "one"
        return {}


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


def test_remaining_time_follows_the_pace_and_not_the_steps_of_an_earlier_run(scene, played, clock):
    jobs = Jobs(Desk(scene, MemorySettings()), lambda setting: played, clock)
    jobs.start(Counting())
    for _ in range(2):
        jobs.advance()
    assert jobs.progress.phase == "running"
    played.say(events.Stage("Training", 100), events.Step(40))  # 40 steps were done before
    jobs.advance()
    assert jobs.progress.remaining is None
    clock.now = 110.0
    played.say(events.Step(10, "fine"))
    jobs.advance()
    progress = jobs.progress
    assert (progress.stage, progress.step, progress.total, progress.message) == ("Training", 50, 100, "fine")
    assert progress.remaining == pytest.approx(50.0) and progress.elapsed == pytest.approx(10.0)


def test_what_was_said_in_one_stage_is_not_said_in_the_next(scene, played):
    jobs = Jobs(Desk(scene, MemorySettings()), lambda setting: played)
    jobs.start(Counting())
    jobs.advance()
    assert jobs.progress.message == "one"
    jobs.advance()
    assert (jobs.progress.phase, jobs.progress.message) == ("running", "")
    played.say(events.Stage("Reading", 2), events.Step(1, "the first case"))
    jobs.advance()
    assert jobs.progress.message == "the first case"
    played.say(events.Stage("Training", 100))
    jobs.advance()
    assert jobs.progress.message == ""


def test_a_step_that_raises_anything_ends_in_a_line_and_not_in_a_traceback(scene, played):
    class Broken(Counting):
        def prepare(self):
            yield "one"
            raise RuntimeError("surprise")

    jobs = Jobs(Desk(scene, MemorySettings()), lambda setting: played)
    jobs.start(Broken())
    for _ in range(2):
        jobs.advance()
    assert jobs.outcome.kind == "error" and "surprise" in jobs.outcome.message
    assert "RuntimeError" in jobs.outcome.details
