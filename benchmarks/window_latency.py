"""How long the GUI thread is kept, and how soon a job shows its first progress and obeys Cancel.

    python benchmarks/window_latency.py

Goes through the module's whole flow (`session.walkthrough`: map, adapt, cancel, resume, segment, save, open
again) on a real MRML scene with a real worker, as Slicer does, but with nothing drawn. It prints, for every
job, the time from its start to the first stage that the worker told, and for every kind of tick the longest
and the 99th percentile. While a job is "preparing" or "applying", a tick may hand nodes to MRML; all other
ticks are meant to stay under 100 ms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from TransferRiskLib.jobs.client import WorkerClient
from TransferRiskLib.jobs.interpreters import Interpreter
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.mrml.standalone import headless_slicer
from TransferRiskLib.session.desk import MemorySettings
from TransferRiskLib.session.session import Session
from TransferRiskLib.session.walkthrough import Walkthrough


class Watch:
    """Takes the times of a session's ticks and jobs.

    Args:
        session: Its `tick`, and the `cancel` of its jobs, are timed from now on.
    """

    def __init__(self, session: Session) -> None:
        self.ticks: dict[str, list[float]] = defaultdict(list)
        self.first_progress: list[tuple[str, float]] = []
        self.cancelled: list[tuple[str, float]] = []
        self._jobs = session.jobs
        self._tick, self._cancel = session.tick, session.jobs.cancel
        self._asked: float | None = None
        self._began: float | None = None
        self._told = False
        session.tick = self.tick  # type: ignore[method-assign]
        session.jobs.cancel = self.cancel  # type: ignore[method-assign]

    def tick(self) -> None:
        """A tick, with its time under the phase that it began in."""
        progress = self._jobs.progress
        phase = progress.phase if progress is not None else "no job"
        start = time.perf_counter()
        self._tick()
        end = time.perf_counter()
        self.ticks[phase].append(end - start)
        self._follow(end)

    def cancel(self) -> None:
        """A click on Cancel."""
        self._asked = time.perf_counter()
        self._cancel()

    def _follow(self, now: float) -> None:
        progress, outcome = self._jobs.progress, self._jobs.outcome
        if progress is None:
            if self._asked is not None and outcome is not None:
                self.cancelled.append((outcome.title, now - self._asked))
            self._asked = self._began = None
            self._told = False
            return
        self._began = now if self._began is None else self._began
        if not self._told and progress.phase == "running" and progress.stage != "Starting":
            self._told = True
            self.first_progress.append((progress.title, now - self._began))


def walk(folder: Path) -> Watch:
    """The flow, with a worker that has to be started first."""
    client = WorkerClient(Interpreter(Path(sys.executable), "current"))
    settings = MemorySettings({"OutputFolder": str(folder / "models"), "Device": "cpu"})
    with headless_slicer() as slicer:
        scene = slicer.scene

        def load(path: Path) -> None:
            scene.Clear(False)
            load_scene(scene, path)

        connect: Callable[[str], Any] = lambda setting: client  # noqa: E731
        session = Session(scene, connect, settings)
        watch = Watch(session)
        try:
            Walkthrough(session, scene, lambda path: save_scene(scene, path), load).run(print)
        finally:
            session.close()
            client.close()
    return watch


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        watch = walk(Path(folder))
    print("\njob: seconds from its start to the worker's first stage (images are handed over before)")
    for title, seconds in watch.first_progress:
        print(f"  {title}: {seconds:.2f}")
    print("cancel: seconds from the click to the end of the job")
    for title, seconds in watch.cancelled:
        print(f"  {title}: {seconds:.2f}")
    print("ticks of the GUI thread, in ms")
    print(f"  {'phase':<12} {'count':>6} {'99 %':>8} {'longest':>8} {'over 100':>9}")
    for phase, seconds in watch.ticks.items():
        ms = 1000 * np.array(seconds)
        print(
            f"  {phase:<12} {len(ms):>6} {np.quantile(ms, 0.99):>8.1f} {ms.max():>8.1f} {(ms > 100).sum():>9}"
        )


if __name__ == "__main__":
    main()
