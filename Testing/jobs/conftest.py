from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from TransferRiskLib.jobs.client import WorkerClient
from TransferRiskLib.jobs.interpreters import Interpreter

SMALL_TASKS = Path(__file__).with_name("small_tasks.py")
PATIENCE = 20.0


def collect(client, until, patience=PATIENCE):
    """Poll until `until(events)` holds; fails when that takes too long."""
    events = []
    end = time.monotonic() + patience
    while time.monotonic() < end:
        events += client.poll()
        if until(events):
            return events
        time.sleep(0.01)
    raise AssertionError(f"waited in vain; got {[event.kind for event in events]}; log: {client.log_tail()}")


@pytest.fixture
def run():
    """Poll until the given jobs have their last records; the events of all jobs by then."""

    def run_to_the_end(client, *jobs):
        return collect(client, lambda events: {e.id for e in events if e.is_last} >= set(jobs))

    return run_to_the_end


@pytest.fixture
def outcome(run):
    """Submit one job and give back the body of its last record."""

    def run_one(client, task, request=None):
        job = client.submit(task, request or {})
        (last,) = [event for event in run(client, job) if event.id == job and event.is_last]
        return last.body

    return run_one


@pytest.fixture
def until():
    return collect


@pytest.fixture
def a_client():
    """Makes clients of the worker with small tasks; closed at the end."""
    clients = []

    def make(**options):
        options.setdefault("command", [str(SMALL_TASKS)])
        client = WorkerClient(Interpreter(Path(sys.executable), "current"), **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close(wait_seconds=0.5)


@pytest.fixture
def small_tasks():
    return SMALL_TASKS
