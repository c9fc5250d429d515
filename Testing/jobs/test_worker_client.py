from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.client import WORKER, WorkerClient
from TransferRiskLib.jobs.events import Artifact, Message, Metrics
from TransferRiskLib.jobs.interpreters import Interpreter

posix_only = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


def small():
    return Path(__file__).with_name("small_tasks.py")


def last(events, job):
    found = [event.body for event in events if event.id == job and event.is_last]
    assert len(found) == 1
    return found[0]


def kinds(events, job):
    return [event.kind for event in events if event.id == job]


def gone(pid):
    """Whether the process ended (a zombie whose parent has not looked yet counts)."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_a_job_reports_and_is_done(a_client, run):
    client = a_client()
    job = client.submit("echo", {"text": "grüße ♥"})
    events = run(client, job)
    assert (events[0].id, events[0].kind) == (None, "started")
    assert events[0].body.versions["python"] == sys.version.split()[0]
    expected = ["started", "stage", "step", "metrics", "message", "artifact", "step", "done"]
    assert kinds(events, job) == expected
    bodies = [event.body for event in events]
    assert Metrics(1, {"loss": 0.5, "bad": None}) in bodies
    assert Message("grüße") in bodies
    assert Artifact("a.png", "figure") in bodies
    assert last(events, job).result == {"text": "grüße ♥", "number": client.pid}
    assert client.jobs == ()


def test_the_reported_pid_is_the_process_that_works(a_client, run):
    client = a_client()
    job = client.submit("echo", {})
    events = run(client, job)
    assert events[0].body.pid == last(events, job).result["number"]


def test_a_warm_worker_takes_the_next_job(a_client, outcome):
    client = a_client()
    first = outcome(client, "echo")
    second = outcome(client, "echo")
    assert first.result["number"] == second.result["number"]


def test_a_worker_survives_failing_jobs(a_client, run):
    client = a_client()
    jobs = {name: client.submit(name, {"text": "key"}) for name in ("fail", "surprise", "leave", "no_json")}
    jobs |= {"heavy": client.submit("heavy", {}), "none": client.submit("none", {})}
    jobs |= {"wrong": client.submit("echo", {"text": 1}), "echo": client.submit("echo", {})}
    events = run(client, *jobs.values())
    failed = {name: last(events, job) for name, job in jobs.items() if name != "echo"}
    assert {name: body.type for name, body in failed.items()} == {
        "fail": "ImageError", "surprise": "KeyError", "leave": "SystemExit", "no_json": "ValueError",
        "heavy": "ModuleNotFoundError", "none": "SettingsError", "wrong": "SettingsError",
    }  # fmt: skip
    body = failed["fail"]
    assert (body.message, body.hint, body.file) == ("is truncated.", "Copy it again.", "scan.nii.gz")
    assert "in fail" in body.traceback
    assert "no_such_torch" in failed["heavy"].message and "Install" in failed["heavy"].hint
    assert "request.text" in failed["wrong"].message
    assert last(events, jobs["echo"]).kind == "done"
    assert sum(event.id is None and event.kind == "started" for event in events) == 1


def test_a_cancelled_job_ends_and_the_worker_stays(a_client, run, until, outcome):
    client = a_client()
    job = client.submit("patient", {})
    waiting = client.submit("patient", {})
    until(client, lambda events: any(event.kind == "stage" for event in events))
    pid = client.pid
    client.cancel(waiting)
    client.cancel(job)
    events = run(client, job, waiting)
    assert kinds(events, job) == ["stopping", "cancelled"]
    assert kinds(events, waiting) == ["started", "stopping", "cancelled"]
    assert outcome(client, "echo").result["number"] == pid


@posix_only
def test_a_job_that_ignores_cancel_is_ended_with_its_children(a_client, run, until):
    client = a_client(notice_seconds=0.3)
    job = client.submit("stubborn", {})
    waiting = client.submit("echo", {})
    events = until(client, lambda events: any(event.kind == "message" for event in events))
    child = int(next(event.body.text for event in events if event.kind == "message"))
    worker = client.pid
    client.cancel(job)
    events = run(client, job, waiting)
    assert kinds(events, job) == ["cancelled"]
    assert gone(worker) and gone(child)
    # The job behind it did nothing wrong: it runs on a new worker.
    assert last(events, waiting).kind == "done"
    assert last(events, waiting).result["number"] != worker


@posix_only
def test_a_killed_worker_becomes_an_error_that_says_so(a_client, run, until, outcome):
    client = a_client()
    job = client.submit("patient", {})
    until(client, lambda events: any(event.kind == "stage" for event in events))
    os.kill(client.pid, signal.SIGKILL)
    body = last(run(client, job), job)
    assert "killed (SIGKILL)" in body.message and "memory" in body.hint
    assert outcome(client, "echo").kind == "done"


@posix_only
def test_a_killed_worker_leaves_no_children(a_client, run, until):
    client = a_client()
    job = client.submit("stubborn", {})
    events = until(client, lambda events: any(event.kind == "message" for event in events))
    child = int(next(event.body.text for event in events if event.kind == "message"))
    os.kill(client.pid, signal.SIGKILL)
    assert last(run(client, job), job).kind == "error"
    assert gone(child)


@posix_only
def test_the_error_of_a_dead_worker_carries_the_logs_tail(a_client, outcome):
    client = a_client()
    body = outcome(client, "die")
    assert body.type == "WorkerError" and "last words" in body.traceback


@pytest.mark.parametrize("code", [0, 5])
def test_a_worker_that_ends_without_a_last_record_is_an_error(a_client, code, outcome):
    client = a_client()
    body = outcome(client, "vanish", {"number": code})
    assert f"exit code {code}" in body.message
    assert "leaving quietly" in body.traceback


def test_prints_and_a_flood_of_log_do_not_break_the_protocol(a_client, run):
    client = a_client()
    job = client.submit("shout", {"number": 40})  # 40 x 8192 lines of 11 bytes: 3.6 MB
    events = run(client, job)
    assert kinds(events, job) == ["started", "done"]
    assert [event.kind for event in events if event.id is None] == ["started"]
    # The log has its own pipe: what was printed before the last record may arrive after it.
    end = time.monotonic() + 10
    while client.log_tail(1) != "the last line" and time.monotonic() < end:
        time.sleep(0.01)
    assert client.log_tail(1) == "the last line"
    assert len(client.log_tail().encode("utf-8")) < 200_000
    assert "log \ufffd line" in client.log_tail()


def test_many_steps_are_added_up(a_client, run):
    client = a_client()
    job = client.submit("steps", {"number": 20000})
    advances = [event.body.advance for event in run(client, job) if event.kind == "step"]
    assert sum(advances) == 20000
    assert len(advances) < 2000


def test_garbage_between_events_becomes_log(tmp_path, a_client, run):
    script = tmp_path / "noisy.py"
    script.write_text(
        "import os, sys, json, time\n"
        "job = json.loads(sys.stdin.readline())['id']\n"
        "def line(kind, **data):\n"
        "    return json.dumps({'version': 1, 'id': job, 'kind': kind, 'data': data}).encode() + b'\\n'\n"
        "os.write(1, b'hello \\xff\\n{\"version\": 1}\\n[1]\\n')\n"
        "done = line('done', result=7)\n"
        "os.write(1, line('stage', name='a') + done[:9]); time.sleep(0.2)\n"
        "os.write(1, done[9:-1]); time.sleep(0.2)\n"
        "os.write(1, b'\\n' + line('done', result=8) + line('error', type='x', message='late'))\n"
        "sys.stdin.read()\n",
        encoding="utf-8",
    )
    client = a_client(command=[str(script)], idle_seconds=None)
    job = client.submit("any", {})
    events = run(client, job)
    assert last(events, job).result == 7
    assert [event.body.text for event in events if event.kind == "message"] == [
        "hello \ufffd", '{"version": 1}', "[1]",
    ]  # fmt: skip
    client.release()  # closes the input, and so ends the script
    end = time.monotonic() + 10
    while client.running and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(event.is_last for event in client.poll())


def test_a_worker_that_cannot_import_the_library_says_what_is_missing(tmp_path, a_client, outcome):
    script = tmp_path / "broken.py"
    script.write_text("import no_such_library\n", encoding="utf-8")
    client = a_client(command=[str(script)])
    body = outcome(client, "echo")
    assert "no_such_library" in body.message and "Install" in body.hint
    assert "Traceback" in body.traceback


def test_a_result_that_no_line_can_hold_is_an_error_and_the_worker_stays(a_client, outcome):
    client = a_client()
    pid = outcome(client, "echo").result["number"]
    body = outcome(client, "verbose", {"number": 17})
    assert "17 MiB is longer than the 16 MiB" in body.message
    assert outcome(client, "echo").result["number"] == pid


def test_a_request_that_no_line_can_hold_is_refused(a_client, outcome):
    client = a_client()
    with pytest.raises(SettingsError, match="longer than"):
        client.submit("echo", {"text": "x" * (17 << 20)})
    assert client.jobs == () and outcome(client, "echo").result["text"] == ""


def test_jobs_of_a_worker_that_cannot_be_started_again_all_end(tmp_path, run, until):
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with WorkerClient(
        Interpreter(interpreter, "current"), command=[str(small())], environment=environment
    ) as client:
        first, second = client.submit("patient", {}), client.submit("echo", {})
        until(client, lambda events: any(event.kind == "stage" for event in events))
        interpreter.unlink()
        os.kill(client.pid, signal.SIGTERM)
        events = run(client, first, second)
        assert "before the job was finished" in last(events, first).message
        assert "cannot be started" in last(events, second).message
        assert client.jobs == () and client.poll() == []


LAUNCHER = """#!{python}
import subprocess, sys
code = subprocess.Popen([{python!r}, *sys.argv[1:]]).wait()
if code < 0:
    print("error: [/opt/Slicer/bin/python-real] exit abnormally - Report the problem.", file=sys.stderr)
sys.exit(1 if code < 0 else code)
"""
"""Ends as CTKAppLauncher, Slicer's, does."""


@posix_only
@pytest.mark.parametrize(
    ("task", "words", "hint"),
    [
        ("die", "was killed or crashed", "memory"),
        ("crash", "crashed (Segmentation fault)", "Run it again"),
        ("vanish", "ended with exit code 7", "Run it again"),
    ],
)
def test_a_death_behind_slicers_launcher_is_told_apart(tmp_path, run, task, words, hint):
    launcher = tmp_path / "PythonSlicer"
    launcher.write_text(LAUNCHER.format(python=sys.executable))
    launcher.chmod(0o755)
    with WorkerClient(Interpreter(launcher, "slicer"), command=[str(small())]) as client:
        job = client.submit(task, {"number": 7})
        body = last(run(client, job), job)
    assert words in body.message and hint in body.hint


@posix_only
def test_a_process_that_is_not_ours_is_left_alone_whatever_number_is_reported(tmp_path):
    stranger = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys, time\nfrom TransferRiskLib.jobs import events\n"
        f"body = events.Started({stranger.pid}, {{}})\n"
        "sys.stdout.buffer.write(events.encode_event(events.Event(None, body))); sys.stdout.flush()\n"
        "time.sleep(60)\n"
    )
    client = WorkerClient(Interpreter(Path(sys.executable), "current"), command=[str(script)])
    try:
        client.submit("echo", {})
        end = time.monotonic() + 20
        while client.pid != stranger.pid and time.monotonic() < end:
            client.poll()
            time.sleep(0.01)
        assert client.pid == stranger.pid
        client.close(0.1)
        assert stranger.poll() is None
    finally:
        client.close(0.1)
        stranger.communicate(b"\n")


def test_release_ends_a_warm_worker_and_the_next_job_gets_a_new_one(a_client, outcome):
    client = a_client()
    first = outcome(client, "echo").result["number"]
    client.release()
    second = outcome(client, "echo").result["number"]
    assert first != second


def test_release_waits_for_a_busy_worker(a_client, run, until):
    client = a_client()
    job = client.submit("steps", {"number": 2000})
    client.release()
    events = until(client, lambda events: any(event.kind == "released" for event in events))
    assert [e.kind for e in events if e.kind in ("done", "released")] == ["done", "released"]
    assert last(events, job).kind == "done"


def test_an_idle_worker_ends_and_a_late_job_is_not_lost(a_client, outcome):
    client = a_client(idle_seconds=0.05)
    first = outcome(client, "echo")
    end = time.monotonic() + 10
    while client.running and time.monotonic() < end:
        time.sleep(0.01)
    assert not client.running
    assert outcome(client, "echo").result != first.result


@posix_only
def test_close_ends_a_busy_worker(a_client, until):
    client = a_client()
    client.submit("stubborn", {})
    until(client, lambda events: any(event.kind == "message" for event in events))
    pid = client.pid
    client.close(wait_seconds=0.1)
    assert gone(pid)
    assert client.poll() == [] and client.jobs == ()


def test_an_interpreter_that_cannot_be_started_is_named(tmp_path):
    client = WorkerClient(Interpreter(tmp_path / "python", "setting"))
    with pytest.raises(SettingsError, match="python"):
        client.submit("echo", {})


def test_the_real_worker_answers_without_importing_heavy_libraries(a_client, run):
    client = a_client(command=["-X", "importtime", *WORKER])
    job = client.submit("no-such-task", {})
    body = last(run(client, job), job)
    assert body.type == "SettingsError" and "rank" in body.hint
    imported = {line.split("|")[-1].strip() for line in client.log_tail().splitlines() if "|" in line}
    assert "TransferRiskLib.jobs.registry" in imported
    assert not imported & {"numpy", "torch", "monai", "SimpleITK", "slicer"}
