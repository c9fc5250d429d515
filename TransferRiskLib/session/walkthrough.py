"""The whole flow of a session, step by step with checks: the test that runs inside Slicer.

It is part of the library, so that "Reload and Test" works in an installed extension too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from TransferRiskLib.cases.simulate import TARGET_SITE, simulate_case, simulate_cohort
from TransferRiskLib.mrml.nodes import Node, add_volume
from TransferRiskLib.session.session import Session
from TransferRiskLib.session.state_nodes import node_ids
from TransferRiskLib.volumes.volume import Volume

MODEL = "tissue-t1w"
CASES = 3
STEPS = 40
"""Enough to be stopped on the way, little enough for a processor."""


def missing_packages(session: Session) -> list[str]:
    """What Slicer's own Python lacks of what the walkthrough computes with; nothing where the user named
    another Python for that."""
    if session.environment.own_python:
        return []
    return [name for name in ("torch", "monai") if find_spec(name) is None]


class Walkthrough:
    """Pick a model, add cases, map, adapt, stop, resume, segment, save, open, go on.

    Args:
        session: On an empty scene.
        scene: That scene.
        save: Writes the scene to a path that ends in `.mrb`.
        load: Closes the scene and opens that file.
        idle: Called between two ticks, to let a GUI breathe.
        seconds: Longest time of one job.

    Raises:
        AssertionError: a step did not do what it should; the message says which.
    """

    def __init__(
        self,
        session: Session,
        scene: Node,
        save: Callable[[Path], object],
        load: Callable[[Path], object],
        idle: Callable[[], object] = lambda: None,
        seconds: float = 600.0,
    ) -> None:
        self._session, self._scene = session, scene
        self._save, self._load = save, load
        self._idle, self._seconds = idle, seconds

    def run(self, tell: Callable[[str], object] = lambda text: None) -> None:
        """All steps in order; `tell` is called with the name of each before it begins."""
        models = self._session.adapting.chosen_output_folder
        try:
            self._run(tell)
        finally:
            self._session.adapting.set_output_folder(models)  # it belongs to the user's settings

    def _run(self, tell: Callable[[str], object]) -> None:
        with tempfile.TemporaryDirectory(prefix="transferrisk-test-") as name:
            folder = Path(name)
            steps: tuple[tuple[str, Callable[[Path], None]], ...] = (
                ("Pick a model", self.pick_model),
                ("Add three cases", self.add_cases),
                ("Map the risk", self.map_risk),
                ("Adapt, and stop", self.adapt_and_stop),
                ("Resume", self.resume),
                ("Segment a new scan", self.segment),
                ("Save and open the scene", self.save_and_open),
                ("Go on", self.go_on),
            )
            for title, step in steps:
                tell(title)
                step(folder)

    def pick_model(self, folder: Path) -> None:
        """The demonstration model is offered and can be chosen."""
        models = self._session.models
        entry = next((e for e in models.entries if e.path.name == MODEL), None)
        check(entry is not None and not entry.problem, "the demonstration model cannot be used")
        assert entry is not None
        models.choose(entry.path)
        check(models.card is not None and models.card.channels == ("T1",), "the card is not shown")
        check(not self._session.maps.can_compute()[0], "a map could be computed without cases")

    def add_cases(self, folder: Path) -> None:
        """A folder of labelled cases becomes complete rows."""
        simulate_cohort(folder / "cases", CASES, 7101, ("T1",), TARGET_SITE)
        cases = self._session.cases
        cases.add_folder(folder / "cases")
        self._finish("done")
        check(len(cases.rows) == CASES, f"{len(cases.rows)} rows instead of {CASES}")
        for row in cases.rows:
            check(not cases.missing(row.key), f"{row.name}: {cases.missing(row.key)}")

    def map_risk(self, folder: Path) -> None:
        """Maps are float volumes in the scene, never negative, with a table a row a case and class."""
        from slicer.util import arrayFromVolume

        maps = self._session.maps
        maps.compute()
        self._finish("done")
        check(len(maps.runs) == 1 and len(maps.runs[0].cases) == CASES, "not every case was mapped")
        for mapped in maps.runs[0].cases:
            node = self._scene.GetNodeByID(mapped.maps["risk"])
            check(node is not None, f"{mapped.case} has no risk map in the scene")
            values = arrayFromVolume(node)
            check(values.dtype.kind == "f", "the risk map is not a float volume")
            check(values.min() >= 0 and values.max() > 0, "the risk map holds no risk")
        check(len(maps.table()[1]) > CASES, "the table of risk is missing rows")

    def adapt_and_stop(self, folder: Path) -> None:
        """A running adaptation can be stopped; it is unfinished then and can be resumed."""
        adapting = self._session.adapting
        adapting.set_output_folder(str(folder / "models"))
        adapting.set_preset("plain")
        adapting.set_option("steps", STEPS)
        adapting.set_option("patch_size", [32, 32, 32])
        adapting.set_option("checkpoint_seconds", 0.0)
        check(adapting.can_start()[0], adapting.can_start()[1])
        adapting.start()
        self._wait(lambda: bool(adapting.curves) or not self._session.jobs.busy)
        check(self._session.jobs.busy, "the adaptation ended before it could be stopped")
        self._session.jobs.cancel()
        self._finish("cancelled")
        check(adapting.run.status == "unfinished", f"the run is {adapting.run.status}")

    def resume(self, folder: Path) -> None:
        """It goes on and ends with a model."""
        adapting = self._session.adapting
        check(adapting.can_resume()[0], adapting.can_resume()[1])
        adapting.resume()
        self._finish("done")
        check(adapting.run.status == "done", f"the run is {adapting.run.status}")
        result = adapting.run.result
        check(result is not None and result.resumed, "it began anew instead of going on")
        check(adapting.bundle is not None and adapting.bundle.is_dir(), "there is no adapted model")

    def segment(self, folder: Path) -> None:
        """A new scan gets a segmentation with the labels' names, on its own grid."""
        case = simulate_case(7201, ("T1",), TARGET_SITE)
        volume = add_volume(self._scene, Volume(case.images["T1"], case.geometry), "new scan")
        part = self._session.segmenting
        keys = part.add_volumes([volume.GetID()])
        check(len(keys) == 1, "the scan was not added")
        part.segment()
        self._finish("done")
        self._check_segmented(keys[0])

    def save_and_open(self, folder: Path) -> None:
        """A saved scene comes back with cases, maps and results."""
        before = self._session.state
        file = folder / "scene.mrb"
        self._save(file)
        self._load(file)
        self._session.tick()
        after = self._session.state
        check(after.model == before.model, "the model was forgotten")
        check([r.name for r in after.cases] == [r.name for r in before.cases], "the cases were forgotten")
        check(len(after.runs) == 1 and after.runs[0].risk == before.runs[0].risk, "the maps were forgotten")
        check(after.adapted.status == "done", "the adapted model was forgotten")
        for identity in node_ids(after):
            check(self._scene.GetNodeByID(identity) is not None, f"the node {identity} is gone")

    def go_on(self, folder: Path) -> None:
        """The opened scene is worked on: segment again, and learn from the result."""
        part = self._session.segmenting
        key = part.rows[0].key
        part.segment()
        self._finish("done")
        self._check_segmented(key)
        part.add_to_cases(key)
        check(len(self._session.cases.rows) == CASES + 1, "the scan did not become a case")

    def _check_segmented(self, key: str) -> None:
        row = self._session.state.scan(key)
        node = self._scene.GetNodeByID(row.segmentation) if row.segmentation else None
        check(node is not None, f"the scan has no segmentation: {row.error}")
        assert node is not None
        segments = node.GetSegmentation()
        names = {segments.GetNthSegment(n).GetName() for n in range(segments.GetNumberOfSegments())}
        check({"CSF", "GM", "WM"} <= names, f"the segments are {sorted(names)}")

    def _finish(self, kind: str) -> None:
        self._wait(lambda: not self._session.jobs.busy)
        outcome = self._session.jobs.outcome
        assert outcome is not None
        check(outcome.kind == kind, f"{outcome.title}: {outcome.message} {outcome.hint}\n{outcome.details}")

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._seconds
        while not until():
            check(time.monotonic() < deadline, f"no end after {self._seconds:g} s")
            self._session.tick()
            self._idle()
            time.sleep(0.02)
        self._session.tick()


def check(holds: bool, message: str) -> None:
    """Raise AssertionError with a message unless something holds."""
    if not holds:
        raise AssertionError(message)
