"""Workers that are let go: nobody waits for them, and none is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from functools import partial
from pathlib import Path
from TransferRiskLib.jobs.client import WorkerClient
from TransferRiskLib.jobs.ending import end_beside, is_ending
from TransferRiskLib.jobs.exchange import ExchangeFolder
from TransferRiskLib.jobs.interpreters import Interpreter

client = WorkerClient(Interpreter(Path(sys.executable), "current"), command=[sys.argv[1]])
folder = ExchangeFolder(Path(sys.argv[2]))
client.submit("stubborn", {})
while not (said := [event.body.text for event in client.poll() if event.kind == "message"]):
    time.sleep(0.01)
print(client.pid, said[0], flush=True)

def end():
    client.close(0.3)
    folder.close()

end_beside(end)
print(is_ending())
"""


@pytest.mark.skipif(os.name == "nt", reason="looks processes up as POSIX does")
def test_a_program_ends_with_the_busy_worker_that_it_let_go(small_tasks, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small_tasks), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0 and ended.stderr == ""
    *pids, beside = ended.stdout.split()
    assert beside == "True", "the program went on while the worker was being ended"
    end = time.monotonic() + 10  # whoever took the dead over has to look
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    assert all(not stat.exists() or stat.read_text().rsplit(")")[-1].split()[0] == "Z" for stat in states)
    assert list(tmp_path.iterdir()) == []
