"""Tasks without torch, and a worker that knows only them: `python small_tasks.py` is that worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from TransferRiskLib.errors import ImageError
from TransferRiskLib.jobs.registry import TaskEntry
from TransferRiskLib.jobs.worker import main


@dataclass(frozen=True)
class Text:
    text: str = ""
    number: int = 0


def echo(request, progress):
    progress.stage("Echo", 2)
    progress.step()
    progress.metrics(1, {"loss": 0.5, "bad": float("nan")})
    progress.message("grüße")
    progress.artifact(Path("a.png"), "figure")
    progress.step()
    return Text(request.text, os.getpid())


def fail(request, progress):
    raise ImageError("is truncated.", file="scan.nii.gz", hint="Copy it again.")


def surprise(request, progress):
    return {}[request.text]


def leave(request, progress):
    sys.exit(3)


def no_json(request, progress):
    return Text("x", float("inf"))


def verbose(request, progress):
    """A result of so many MiB."""
    return Text("x" * (request.number << 20))


def crash(request, progress):
    os.kill(os.getpid(), signal.SIGSEGV)


def patient(request, progress):
    """Works until cancelled, and notices at once."""
    progress.stage("Waiting")
    while True:
        progress.check()
        time.sleep(0.02)


def stubborn(request, progress):
    """Never notices a cancel, and has a child of its own."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    progress.message(str(child.pid))
    while True:
        time.sleep(0.05)


def die(request, progress):
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def vanish(request, progress):
    print("leaving quietly", file=sys.stderr, flush=True)
    os._exit(request.number)


def shout(request, progress):
    """Prints where events go, by Python, by the descriptor and by a child, and floods the log."""
    print("printed by Python")
    os.write(1, b"written to descriptor 1\n\xff\xfe\n")
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    for _ in range(request.number):
        os.write(2, b"log \xff line\n" * 8192)
    print("the last line", file=sys.stderr)
    return Text("done", sys.stdin.read().count("x"))


def steps(request, progress):
    for _ in range(request.number):
        progress.step()
    return Text()


def entry(name: str, module: str = "__main__") -> TaskEntry:
    return TaskEntry("__main__:Text", f"{module}:{name}")


TASKS = (echo, fail, surprise, leave, no_json, patient, stubborn, die, vanish, shout, steps, verbose, crash)
REGISTRY = {task.__name__: entry(task.__name__) for task in TASKS} | {"heavy": entry("x", "no_such_torch")}

if __name__ == "__main__":
    sys.exit(main(registry=REGISTRY))
