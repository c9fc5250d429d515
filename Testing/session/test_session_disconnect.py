"""Ending the worker together with its job: beside the window, and in order."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from session_fakes import PlayedWorker
from session_tables import REPORTS

from TransferRiskLib.discarding import wait_for_removals
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.ending import is_ending, wait_for_endings
from TransferRiskLib.records import to_json
from TransferRiskLib.session.session import Session

DONE_PROBE = events.Done(to_json(REPORTS["all is well"][0]))


class SlowWorker(PlayedWorker):
    """A busy worker: it ends when `over` is set, and goes on working until then."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        self.last_work = lambda: None

    def close(self, wait_seconds: float = 2.0) -> None:
        assert self.over.wait(60)
        self.last_work()
        super().close(wait_seconds)


@pytest.fixture
def slow():
    worker = SlowWorker()
    yield worker
    worker.over.set()
    assert wait_for_endings(60)


@pytest.fixture
def busy(scene, settings, tmp_path, slow, bundle, add_scan):
    """A session whose one case can be mapped and adapted to, with workers that are slow to end; the list of
    those that were connected."""
    connected = []

    def connect(setting):
        connected.append(setting)
        return slow

    (tmp_path / "temporary").mkdir()
    session = Session(scene, connect, settings, temporary=tmp_path / "temporary")
    session.models.add(bundle)
    add_scan("Anna")
    session.cases.add_from_scene()
    yield session, connected
    session.close()


def hand_over(session, slow, number=1):
    while len(slow.submitted) < number:
        session.tick()


def test_a_new_session_removes_the_images_that_a_crash_left(scene, settings, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"transferrisk-{dead.pid}-abc_1234"
    left.mkdir()
    (left / "0001.nrrd").write_bytes(b"image")
    session = Session(scene, lambda setting: PlayedWorker(), settings, temporary=tmp_path)
    wait_for_removals(10)
    assert not left.exists()
    session.close()


def test_nobody_waits_for_a_busy_worker_and_its_folder_goes_after_it(busy, slow, tmp_path):
    session, _ = busy
    session.maps.compute()
    hand_over(session, slow)
    image = slow.submitted[0][1].target.cohort.cases[0].images["T1"].path
    output = slow.submitted[0][1].output
    slow.last_work = lambda: (output / "late" / "map").mkdir(parents=True)
    session.close()
    assert is_ending() and slow.closed == 0
    assert not session.jobs.busy and session.jobs.outcome.kind == "cancelled"
    assert image.is_file(), "the worker may be reading it"
    slow.over.set()
    assert wait_for_endings(60) and slow.closed == 1
    wait_for_removals(10)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("worked", ["not at all", "before", "meanwhile", "finished meanwhile"])
def test_what_becomes_of_an_adaptation_is_settled_when_its_worker_is_gone(busy, slow, worked):
    session, _ = busy
    session.adapting.start()
    hand_over(session, slow)
    folder = Path(session.adapting.run.folder)
    if worked == "before":
        (folder / "work").mkdir()
    elif worked == "meanwhile":
        slow.last_work = lambda: (folder / "work").mkdir()
    elif worked == "finished meanwhile":
        slow.last_work = lambda: (folder / "result.json").write_text(json.dumps({}))
    session.close()
    assert (folder / "inputs").is_dir() and is_ending()
    slow.over.set()
    assert wait_for_endings(60)
    wait_for_removals(10)
    assert folder.exists() is (worked in ("before", "finished meanwhile"))
    assert (folder / "inputs").exists() is (worked == "before")


def test_the_next_worker_starts_when_the_last_one_is_gone(busy, slow, tmp_path, finish):
    session, connected = busy
    session.environment.probe()
    hand_over(session, slow)
    slow.say(DONE_PROBE)
    finish(session)
    python = tmp_path / "python"
    python.touch(mode=0o755)
    session.environment.set_interpreter(str(python))
    assert session.jobs.worker is None and is_ending()
    session.environment.probe()
    for _ in range(5):
        session.tick()
    assert connected == [""] and session.jobs.progress.phase == "preparing"
    slow.over.set()
    hand_over(session, slow, 2)
    assert connected == ["", str(python)]


def test_a_job_that_waits_for_the_last_worker_can_be_cancelled(busy, slow, tmp_path, finish):
    session, connected = busy
    session.environment.probe()
    hand_over(session, slow)
    slow.say(DONE_PROBE)
    finish(session)
    session.environment.set_interpreter("")
    session.maps.compute()
    for _ in range(20):
        session.tick()
    assert session.jobs.progress.phase == "preparing"
    session.jobs.cancel()
    assert session.jobs.outcome.kind == "cancelled" and connected == [""]
    wait_for_removals(10)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_packages_are_replaced_when_no_worker_holds_them_any_more(busy, slow, finish):
    session, _ = busy
    for number in (1, 2):
        session.environment.probe()
        hand_over(session, slow, number)
        slow.say(DONE_PROBE)
        finish(session)
        if number == 1:
            session.environment.set_interpreter("")  # lets the first one go
            assert slow.closed == 0
            slow.over.set()
    slow.over.clear()
    threading.Timer(0.3, slow.over.set).start()
    session.environment.prepare_installation()
    assert slow.closed == 2 and not is_ending()
    session.environment.end_installation()
