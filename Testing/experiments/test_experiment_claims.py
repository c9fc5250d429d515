"""Claims: one owner at a time, taken over from the dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments import claims
from experiments.claims import STALE_SECONDS, Claims

ROOT = Path(__file__).resolve().parents[2]


def stale_claim(folder: Path, pid: int, host: str | None = None, age: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "cell.claim"
    content = {"token": "old", "pid": pid, "host": host or socket.gethostname()}
    file.write_text(json.dumps(content), encoding="utf-8")
    then = time.time() - age
    os.utime(file, (then, then))
    return file


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_claim_has_one_owner_until_it_is_given_back(tmp_path: Path) -> None:
    here, there = Claims(tmp_path), Claims(tmp_path)
    with here.claimed("cell") as first:
        assert first
        assert there.taken("cell")
        with there.claimed("cell") as second:
            assert not second
        with there.claimed("other") as other:
            assert other
        assert here.taken("cell"), "a refused claim takes nothing away"
    assert not here.taken("cell")
    with there.claimed("cell") as third:
        assert third
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_claim_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Claims(tmp_path).claimed("cell"):
        raise ZeroDivisionError
    assert not Claims(tmp_path).taken("cell")


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    stale_claim(tmp_path, dead_process())
    assert not Claims(tmp_path).taken("cell")
    with Claims(tmp_path).claimed("cell") as ours:
        assert ours
        assert Claims(tmp_path).taken("cell")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("age", "expected"), [(STALE_SECONDS - 60, False), (STALE_SECONDS + 60, True)])
def test_a_claim_of_another_machine_counts_until_it_is_old(
    tmp_path: Path, age: float, expected: bool
) -> None:
    stale_claim(tmp_path, dead_process(), host="elsewhere", age=age)
    with Claims(tmp_path).claimed("cell") as ours:
        assert ours is expected


def test_a_half_written_claim_counts_until_it_is_old(tmp_path: Path) -> None:
    file = stale_claim(tmp_path, 1)
    file.write_text("{", encoding="utf-8")
    with Claims(tmp_path).claimed("cell") as ours:
        assert not ours
    os.utime(file, (0, 0))
    with Claims(tmp_path).claimed("cell") as ours:
        assert ours


def test_who_lost_a_claim_does_not_remove_the_new_owners(tmp_path: Path) -> None:
    with Claims(tmp_path).claimed("cell"):
        stale_claim(tmp_path, os.getpid())
    assert Claims(tmp_path).taken("cell")


def test_a_claim_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_SECONDS", 0.01)
    with Claims(tmp_path).claimed("cell"):
        file = tmp_path / "cell.claim"
        os.utime(file, (0, 0))
        renewed = threading.Event()
        for _ in range(1000):
            if file.stat().st_mtime > 0:
                renewed.set()
                break
            time.sleep(0.01)
        assert renewed.is_set()


def test_a_takeover_that_died_blocks_nobody_for_long(tmp_path: Path) -> None:
    stale_claim(tmp_path, dead_process())
    guard = tmp_path / "cell.claim.takeover"
    guard.write_text(json.dumps({"token": "t", "pid": dead_process(), "host": socket.gethostname()}))
    with Claims(tmp_path).claimed("cell") as ours:
        assert not ours, "the guard is removed first"
    with Claims(tmp_path).claimed("cell") as ours:
        assert ours


def test_waiting_gets_the_claim_or_gives_up(tmp_path: Path) -> None:
    def give_up() -> None:
        raise TimeoutError

    both = Claims(tmp_path)
    with both.waiting("cell", give_up), pytest.raises(TimeoutError), both.waiting("cell", give_up):
        pass


WORKER = """
import sys, time
from pathlib import Path
from experiments.claims import Claims
folder = Path(sys.argv[1])
while not (folder / "go").exists():
    time.sleep(0.001)
for n in range(40):
    with Claims(folder / "claims").claimed(f"cell-{n}") as ours:
        done = folder / f"done-{n}"
        if ours and not done.exists():
            with (folder / "log").open("a") as log:
                log.write(f"{n}\\n")
            done.touch()
"""


def test_processes_on_one_folder_do_every_piece_once(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    dead = dead_process()
    for n in range(0, 40, 2):  # half of the pieces were left by a process that died
        content = {"token": "old", "pid": dead, "host": socket.gethostname()}
        (tmp_path / "claims" / f"cell-{n}.claim").write_text(json.dumps(content), encoding="utf-8")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], cwd=ROOT) for _ in range(3)]
    (tmp_path / "go").touch()
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    done = (tmp_path / "log").read_text(encoding="utf-8").split()
    assert len(done) == len(set(done))
    assert set(done) >= {str(n) for n in range(1, 40, 2)}
    assert not list((tmp_path / "claims").glob("*")), "no claim outlives its process"
