"""A disk that is too full is found before the work starts, and one that just suffices is taken."""

from __future__ import annotations

import math
import shutil
from types import SimpleNamespace

import pytest

from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.errors import StorageError
from TransferRiskLib.inference import predict
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.map import map_risk
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import AdaptRequest, CohortInput, MapRequest, RankRequest, SegmentRequest
from TransferRiskLib.tasks.segment import segment
from TransferRiskLib.tasks.space import demand_space
from TransferRiskLib.volumes.io import read_header

CPU = PredictionSettings(device="cpu", overlap=0.0)
BRIEF = preset_settings(
    "plain", steps=1, probe_steps=1, batch_size=1, augmentation=AugmentationSettings.off()
)


def states(cohort, cases) -> int:
    """Four states (background, CSF, GM, WM) of four bytes a voxel."""
    sizes = [read_header(case.images["T1"].path).geometry.size for case in cohort.cases[:cases]]
    return sum(math.prod(size) * 4 * 4 for size in sizes)


@pytest.fixture
def disk(monkeypatch):
    """A disk with so many bytes free."""

    def has(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))

    return has


@pytest.fixture
def tasks(bundle, cohort, tmp_path):
    given, output = CohortInput(cohort), tmp_path / "new" / "out"
    return {
        "map": lambda: map_risk(MapRequest(bundle, given, output, ("risk",), prediction=CPU), Progress()),
        "uncompressed map": lambda: map_risk(
            MapRequest(bundle, given, output, ("risk",), prediction=CPU, compress=False), Progress()
        ),
        "rank": lambda: rank(RankRequest((bundle,), given, output, CPU, "off"), Progress()),
        "adapt": lambda: adapt(AdaptRequest(bundle, given, output, BRIEF, CPU), Progress()),
        "segment": lambda: segment(
            SegmentRequest(bundle, given, output, probabilities=True, prediction=CPU), Progress()
        ),
    }


def needed(task, bundle, cohort) -> int:
    if task == "segment":  # a byte for each of four probabilities and the uncertainty
        return states(cohort, 3) // 16 * 5
    if task == "map":  # and a byte for the one map
        return states(cohort, 3) // 16 * 17
    if task == "uncompressed map":
        return states(cohort, 3) // 16 * 20
    if task == "rank":
        return states(cohort, 3)
    weights = sum(p.numel() * 4 for p in open_model(bundle).network.parameters())
    # the cases on the model's grid of 6 mm, not on their own of 6 x 6 x 7 mm
    voxels = sum(
        x * y * math.floor(z * 7 / 6 + 0.5)
        for x, y, z in (read_header(case.images["T1"].path).geometry.size for case in cohort.cases)
    )
    return 3 * weights + voxels * 4 * 4


@pytest.mark.parametrize("task", ["map", "uncompressed map", "rank", "adapt", "segment"])
def test_a_full_disk_is_refused_before_anything_is_predicted(
    task, tasks, disk, bundle, cohort, tmp_path, monkeypatch
):
    want = needed(task, bundle, cohort)
    disk(want - 1)
    with monkeypatch.context() as patched, pytest.raises(StorageError, match="are needed") as refused:
        patched.setattr(predict, "sliding_window_inference", lambda *a, **n: pytest.fail("it predicted"))
        tasks[task]()
    assert refused.value.file == str(tmp_path / "new" / "out")
    assert "Free some space" in refused.value.hint
    disk(want)
    tasks[task]()


def test_sizes_are_said_in_words(disk, tmp_path):
    disk(1_250_000_000)
    with pytest.raises(StorageError, match=r"with 1\.2 GB free, and about 3\.4 GB are needed"):
        demand_space(tmp_path, 3_400_000_000)
    disk(0)
    with pytest.raises(StorageError, match=r"with 0\.0 kB free, and about 2\.5 MB are needed"):
        demand_space(tmp_path, 2_500_000)


def test_a_disk_that_does_not_tell_is_taken(tmp_path, monkeypatch):
    def fails(place):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "disk_usage", fails)
    demand_space(tmp_path, 1 << 60)
