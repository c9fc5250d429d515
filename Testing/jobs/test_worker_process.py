"""The worker by itself, its pipes held in hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from TransferRiskLib.jobs.client import WORKER
from TransferRiskLib.jobs.failures import describe_exit
from TransferRiskLib.jobs.interpreters import Interpreter, worker_environment

LIBRARY = Path(__file__).resolve().parents[2]


@pytest.fixture
def worker(small_tasks):
    environment = dict(os.environ, PYTHONPATH=str(LIBRARY), PYTHONIOENCODING="ascii")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, str(small_tasks)], env=environment, **pipes)
    yield process
    process.kill()
    process.communicate()


def job(name, identity="1", version=1, **request):
    return json.dumps({"version": version, "task": name, "id": identity, "request": request}).encode() + b"\n"


def test_the_first_line_carries_the_pid(worker):
    first = json.loads(worker.stdout.readline())
    assert (first["version"], first["kind"], first["id"]) == (1, "started", None)
    assert first["data"]["pid"] == worker.pid


def test_closing_input_cancels_the_job_and_ends_the_worker(worker):
    worker.stdin.write(job("patient"))
    worker.stdin.flush()
    while json.loads(worker.stdout.readline())["kind"] != "stage":
        pass
    output, _ = worker.communicate(timeout=20)
    assert [json.loads(line)["kind"] for line in output.splitlines()] == ["stopping", "cancelled"]
    assert worker.returncode == 0


def test_commands_may_come_in_pieces_and_garbage_is_answered(worker):
    line = job("echo", text="ü")
    worker.stdin.write(line[:20])
    worker.stdin.flush()
    worker.stdin.write(line[20:] + b"\xff\xfe garbage\n" + job("echo", version=99) + b"\n\n")
    worker.stdin.write(b'{"version": 1, "command": "shutdown"}\n')
    worker.stdin.flush()
    output = worker.stdout.read()
    events = [json.loads(line) for line in output.splitlines()]
    assert [e["kind"] for e in events if e["id"] == "1"][-1] == "done"
    complaints = [
        e["data"]["text"] for e in events if e["kind"] == "message" and e["data"]["level"] == "error"
    ]
    assert len(complaints) == 2
    assert "not JSON" in complaints[0] and "version 99" in complaints[1]
    assert worker.wait(20) == 0


def test_a_second_job_of_one_id_is_left_out_and_the_worker_goes_on(worker):
    worker.stdin.write(job("echo", text="a") + job("echo", text="b") + job("echo", "2", text="c"))
    worker.stdin.write(b'{"version": 1, "command": "shutdown"}\n')
    worker.stdin.flush()
    events = [json.loads(line) for line in worker.stdout.read().splitlines()]
    last = [e["id"] for e in events if e["kind"] in ("done", "cancelled", "error")]
    complaints = [e["data"]["text"] for e in events if e["kind"] == "message"]
    assert last.count("2") == 1
    # the first may have ended before the second came; then both were jobs of their own
    assert last.count("1") == 1 or not complaints
    assert worker.wait(20) == 0


@pytest.mark.parametrize("knows_safe_path", [True, False], ids=["Python 3.11 and later", "Python 3.10"])
def test_python_files_where_the_program_was_started_are_nobodys_modules(tmp_path, knows_safe_path):
    for name in ("statistics", "random", "functools", "numpy", "TransferRiskLib"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('taken for a module')")
    environment = worker_environment(Interpreter(Path(sys.executable), "setting"))
    if not knows_safe_path:
        del environment["PYTHONSAFEPATH"]
    ended = subprocess.run(
        [sys.executable, *WORKER],
        input=b"",
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert ended.stderr == b"" and ended.returncode == 0
    assert json.loads(ended.stdout)["kind"] == "started"


def test_a_python_that_is_too_old_says_so():
    as_old = f"import sys; sys.version_info = (3, 9, 18); sys.version = '3.9.18 (main)'; exec({WORKER[1]!r})"
    ended = subprocess.run([sys.executable, "-c", as_old], capture_output=True, text=True, timeout=60)
    failed = describe_exit(ended.returncode, "a warning\n" + ended.stderr)
    expected = "The worker process could not start: TransferRisk needs Python 3.10 or later, not 3.9.18."
    assert failed.message == expected and "another interpreter" in failed.hint
    assert ended.stdout == ""
