"""How an adaptation can end: what is on the disk decides, and nothing that was learnt is lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from TransferRiskLib.discarding import wait_for_removals
from TransferRiskLib.jobs import events
from TransferRiskLib.session.state import AdaptRun
from TransferRiskLib.session.stored import save_state
from TransferRiskLib.session.training import finished_result, settled


def result_of(folder: Path) -> dict:
    return {
        "bundle": str(folder / "bundle"), "history": str(folder / "history.csv"), "validation": {},
        "audit": [], "eep_weight": 0.25, "keep_largest": [],
    }  # fmt: skip


@pytest.fixture
def finish_on_disk(begun, bundle):
    """Lets the worker of a begun adaptation finish on the disk, without a word; its folder."""

    def run(**more) -> Path:
        folder = Path(begun.adapting.run.folder)
        shutil.copytree(bundle, folder / "bundle")
        (folder / "result.json").write_text(json.dumps({"result": {**result_of(folder), **more}}))
        return folder

    return run


@pytest.mark.parametrize("how", ["scene closed", "session closed", "cancelled", "failed", "broken"])
def test_a_finished_model_outlives_however_its_job_ended(
    begun, scene, played, finish_on_disk, how, monkeypatch
):
    folder = finish_on_disk()
    if how == "scene closed":
        scene.Clear(False)
        played.say(events.Done(result_of(folder)))
    elif how == "session closed":
        begun.close()
    elif how == "cancelled":
        played.say(events.JobCancelled("The work was stopped."))
    elif how == "failed":
        played.say(events.Failed("WorkerError", "The worker process was killed.", ""))
    else:
        monkeypatch.setattr(begun.models, "refresh", lambda: 1 / 0)
        played.say(events.Done(result_of(folder)))
    for _ in range(5):
        begun.tick()
    wait_for_removals(10)
    assert (folder / "bundle" / "configs" / "card.json").is_file() and (folder / "result.json").is_file()
    assert not (folder / "inputs").exists() and not (folder / "session.json").exists()
    if how != "scene closed":
        assert begun.adapting.run.status == "done" and begun.adapting.bundle == folder / "bundle"


def test_a_result_of_another_version_is_kept_though_it_cannot_be_read(begun, played, finish_on_disk):
    folder = finish_on_disk(from_tomorrow=1)
    assert finished_result(folder) is None
    played.say(events.Failed("WorkerError", "It ended.", ""))
    begun.tick()
    assert (folder / "bundle").is_dir()


def test_a_scene_learns_that_its_run_has_finished_since(begun, scene, finish_on_disk, tmp_path):
    folder = finish_on_disk()
    run = begun.adapting.run
    assert run.status == "unfinished"
    assert settled(run).status == "done" and settled(run).result.bundle == folder / "bundle"
    shutil.copytree(folder, tmp_path / "moved")
    assert finished_result(tmp_path / "moved").bundle == tmp_path / "moved" / "bundle"
    assert settled(AdaptRun(str(tmp_path), "unfinished")).status == "unfinished"
    node = begun.parameter_node()
    save_state(begun.state, node)
    begun.jobs.abandon()
    begun.load_from(node)
    assert begun.adapting.run.status == "done" and begun.adapting.can_open()[0]


def test_a_second_adaptation_leaves_the_first_ones_model_at_hand(begun, played, finish, finish_on_disk):
    folder = finish_on_disk()
    played.say(events.Done(result_of(folder)))
    assert finish(begun).kind == "done"
    begun.adapting.start()
    while len(played.submitted) < 2:
        begun.tick()
    second = Path(begun.adapting.run.folder)
    assert second != folder and begun.adapting.run.status == "unfinished"
    assert begun.adapting.bundle == folder / "bundle" and begun.segmenting.model.path == folder / "bundle"
    begun.jobs.cancel()
    played.say(events.JobCancelled("The work was stopped."))
    begun.tick()
    wait_for_removals(10)
    assert begun.adapting.can_save_as()[0] and begun.adapting.run.status == "done"
    assert (folder / "bundle").is_dir() and not second.exists()


def test_a_run_that_no_scene_knows_can_be_resumed(begun, scene, played, finish):
    folder = Path(begun.adapting.run.folder)
    (folder / "work").mkdir()
    played.say(events.JobCancelled("The work was stopped."))
    begun.tick()
    scene.Clear(False)
    begun.tick()
    assert begun.adapting.run == AdaptRun() and begun.adapting.unfinished == folder
    assert begun.adapting.given_up is None, "another one than this scene's stays"
    begun.adapting.resume()
    while len(played.submitted) < 2:
        begun.tick()
    assert played.submitted[1][1].output == folder
    assert begun.adapting.run == replace(AdaptRun(), folder=str(folder), status="unfinished")
    assert begun.adapting.given_up == folder
    (folder / "result.json").write_text(json.dumps({"result": result_of(folder)}))
    played.say(events.Done(result_of(folder)))
    assert finish(begun).kind == "done"
    assert begun.adapting.unfinished is None and not begun.adapting.can_resume()[0]
