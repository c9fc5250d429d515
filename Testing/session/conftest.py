"""Sessions on a real MRML scene, with the real worker process or with one that is played."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed (pip install '.[standalone]')")
pytest.importorskip("trame_slicer", reason="trame-slicer is not installed (pip install '.[standalone]')")

from played_maps import HISTOGRAM, ROW, WORST
from session_fakes import PlayedWorker

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.discarding import wait_for_removals
from TransferRiskLib.jobs import events
from TransferRiskLib.jobs.client import WorkerClient
from TransferRiskLib.jobs.ending import wait_for_endings
from TransferRiskLib.jobs.interpreters import Interpreter
from TransferRiskLib.mrml.nodes import add_volume
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.mrml.standalone import headless_slicer
from TransferRiskLib.session.desk import MemorySettings
from TransferRiskLib.session.session import Session
from TransferRiskLib.session.state import SuggestedNext, SuggestedScan
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_volume, write_volume
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((20, 18, 16), (1.0, 1.0, 1.5), (-9.0, 8.0, 4.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
SCHEME = LabelScheme.of("anterior", "posterior")
PATIENCE = 120.0


@pytest.fixture(scope="session")
def headless() -> Iterator[Any]:
    with headless_slicer() as slicer:
        yield slicer


@pytest.fixture
def scene(headless: Any) -> Iterator[Any]:
    """An empty scene; what a test added is gone afterwards, as after "Close scene" in Slicer."""
    headless.scene.Clear(False)
    yield headless.scene
    headless.scene.Clear(False)


@pytest.fixture
def tree(scene):
    """The subject hierarchy, kept up to date as desktop Slicer's own logic does it: nodes that come get
    an item, nodes that go lose theirs."""
    import slicer
    import vtk

    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    tree.RemoveAllItems()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller, event, node):
        if node.IsA("vtkMRMLDisplayableNode") and not tree.GetItemByDataNode(node):
            tree.CreateItem(tree.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def going(caller, event, node):
        if item := tree.GetItemByDataNode(node):
            tree.RemoveItem(item, False, False)

    observed = ((scene.NodeAddedEvent, added), (scene.NodeAboutToBeRemovedEvent, going))
    tags = [scene.AddObserver(event, callback) for event, callback in observed]
    yield tree
    for tag in tags:
        scene.RemoveObserver(tag)


@pytest.fixture(scope="session")
def warm_worker() -> Iterator[WorkerClient]:
    """One real worker for all tests: it imports torch once."""
    client = WorkerClient(Interpreter(Path(sys.executable), "current"))
    yield client
    client.close()


@pytest.fixture
def settings(tmp_path: Path) -> MemorySettings:
    return MemorySettings({"OutputFolder": str(tmp_path / "output"), "Device": "cpu"})


@pytest.fixture
def session(scene: Any, settings: MemorySettings, tmp_path: Path, warm_worker: Any) -> Iterator[Session]:
    """A session with the real worker, which stays warm for the next test."""

    class Lent:
        def __getattr__(self, name: str) -> Any:
            return getattr(warm_worker, name)

        def close(self, wait_seconds: float = 2.0) -> None:
            for job in warm_worker.jobs:
                warm_worker.cancel(job)
            drain(warm_worker)

    (tmp_path / "temporary").mkdir()
    made = Session(scene, lambda setting: Lent(), settings, temporary=tmp_path / "temporary")
    yield made
    made.close()
    assert wait_for_endings(PATIENCE), "a worker was not ended"
    wait_for_removals(10)
    assert list((tmp_path / "temporary").iterdir()) == [], "temporary folders stayed"


@pytest.fixture
def played() -> PlayedWorker:
    """A worker whose events the test writes."""
    return PlayedWorker()


@pytest.fixture
def stage(scene: Any, settings: MemorySettings, tmp_path: Path, played: PlayedWorker) -> Iterator[Session]:
    """A session with a played worker."""
    (tmp_path / "temporary").mkdir()
    made = Session(scene, lambda setting: played, settings, temporary=tmp_path / "temporary")
    yield made
    made.close()
    assert wait_for_endings(PATIENCE), "a worker was not ended"
    wait_for_removals(10)
    assert list((tmp_path / "temporary").iterdir()) == [], "temporary folders stayed"


@pytest.fixture
def begun(stage: Session, bundle: Path, add_scan: Any, played: PlayedWorker) -> Session:
    """A session with one complete case whose adaptation has been handed to the played worker."""
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.adapting.start()
    while not played.submitted:
        stage.tick()
    return stage


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny source model for T1 with the labels anterior and posterior."""
    import torch
    from tiny_training import TINY

    from TransferRiskLib.models.card import ModelCard
    from TransferRiskLib.models.networks import build_network
    from TransferRiskLib.models.saving import save_bundle

    card = ModelCard("tiny", ("T1",), SCHEME, patch_size=(16, 16, 16), divisible_by=4, contrasts=("T1",))
    config = {**TINY, "out_channels": len(SCHEME)}
    torch.manual_seed(0)
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", card, build_network(config), config)


@pytest.fixture
def add_scan(scene: Any) -> Callable[..., Any]:
    """Adds a small scan, a bright two-coloured ball in noise, and its segmentation to the scene."""

    def add(name: str, seed: int = 0, labelled: bool = True) -> tuple[Any, Any]:
        image, labels = ball(seed)
        volume = add_volume(scene, Volume(image, GRID), name)
        if not labelled:
            return volume, None
        return volume, add_segmentation(scene, labels, GRID, SCHEME, f"{name}_label", volume)

    return add


def ball(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centre = random.uniform(6, 10, 3)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij"), -1)
    inside = np.linalg.norm(places - centre, axis=-1) < 4
    labels = inside.astype(np.int16) + (inside & (places[..., 1] > centre[1]))
    return (100 + 80 * labels + random.normal(0, 8, GRID.shape)).astype(np.float32), labels


@pytest.fixture
def suggest() -> Callable[..., None]:
    """Gives a session the answer of its chosen model to *Suggest next*: these rows, in that order."""

    def answer(session: Session, *keys: str) -> None:
        scans = (SuggestedScan(key, 0.5, (1.0, 2.0, 3.0), session.cases.volumes(key)) for key in keys)
        answer = SuggestedNext(session.state.model, tuple(scans))
        session._desk.update(replace(session.state, suggested=answer), "cases")

    return answer


def drain(client: WorkerClient) -> None:
    end = time.monotonic() + PATIENCE
    while client.jobs and time.monotonic() < end:
        client.poll()
        time.sleep(0.01)


@pytest.fixture
def finish() -> Callable[..., Any]:
    """Ticks until a condition holds, by default until the job has ended; gives its outcome."""

    def run(session: Session, until: Callable[[], bool] | None = None) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            session.tick()
            if until() if until is not None else not session.jobs.busy:
                return session.jobs.outcome
            time.sleep(0.01)
        raise AssertionError(f"waited in vain: {session.jobs.progress}, {session.environment.log_tail(20)}")

    return run


@pytest.fixture
def views(scene):
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetOrientation("Axial")
    return composite, view


@pytest.fixture
def answer_maps(played, tmp_path):
    """Plays the worker's answer to the latest map job: constant maps of 1.5."""

    def tell(kinds=("risk", "gain")):
        request = played.submitted[-1][1]
        cases = []
        for case in request.target.cohort.cases:
            scan = read_volume(case.images["T1"].path)
            files = {kind: tmp_path / f"{case.name}-{kind}.nii.gz" for kind in kinds}
            for path in files.values():
                write_volume(scan.with_array(np.full(scan.array.shape, 1.5, np.float32)), path)
            maps = {kind: str(path) for kind, path in files.items()}
            cases.append({"case": case.name, "maps": maps, "worst_lps": list(WORST[case.name])})
        (tmp_path / "summary.json").write_text(json.dumps({"histogram": HISTOGRAM}))
        (tmp_path / "statistics.json").write_text('{"joint": 1}')
        score = {"model": "tiny", "path": "m", "leep": -0.5, "normalised": 0.25, "per_class": {}}
        result = {
            "score": score, "statistics": str(tmp_path / "statistics.json"),
            "summary": str(tmp_path / "summary.csv"), "cases": cases, "risk": [ROW],
        }  # fmt: skip
        played.say(events.Done(result))

    return tell


@pytest.fixture
def mapped(stage, views, bundle, add_scan, played, answer_maps, finish):
    """A session with one run of maps of two cases."""
    stage.models.add(bundle)
    for number in range(2):
        add_scan(f"case{number}", number)
    stage.cases.add_from_scene()
    stage.maps.compute()
    finish(stage, lambda: bool(played.submitted))
    answer_maps()
    assert finish(stage).kind == "done", stage.jobs.outcome
    return stage
