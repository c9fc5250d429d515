"""The simulated scans are reached by their names, as `SampleData.downloadSample` is used in scripts."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from TransferRiskLib.cases.segmentation_files import read_segmentation
from TransferRiskLib.errors import StorageError
from TransferRiskLib.mrml.samples import SAMPLES
from TransferRiskLib.volumes.io import read_volume

ONE = "TransferRisk: Simulated T1 brain, university hospital"
THREE = "TransferRisk: Simulated T1 brains, county hospital, 3 with labels"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything that leaves this computer fails."""
    import socket

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(params=[False, True], ids=["Slicer 5.10", "Slicer 5.13"])
def sample_data(
    slicer_stand_ins: ModuleType,
    no_network: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Any:
    """Slicer's `SampleData`, whose nodes are (kind, name, file), with our samples registered twice."""
    import sample_data_standin

    (tmp_path / "cache").mkdir()

    def load(file: str, kind: str, node: str) -> tuple[str, str, Path]:
        return kind, node, Path(file)

    module = sample_data_standin.module(tmp_path / "cache", load, categories=request.param)
    monkeypatch.setitem(sys.modules, "SampleData", module)
    breaths: list[float] = []
    app = SimpleNamespace(
        temporaryPath=str(tmp_path / "temporary files"),
        processEvents=lambda: breaths.append(time.monotonic()),
        breaths=breaths,
    )
    monkeypatch.setattr(slicer_stand_ins, "app", app, raising=False)
    from TransferRiskLib.panels.sample_data import register

    register("icon.png")
    register("icon.png")
    return module


def test_every_sample_is_offered_once(sample_data: Any) -> None:
    sources = sample_data.SampleDataLogic.sampleDataSourcesByCategory("TransferRisk")
    assert [source.sampleName for source in sources] == [f"TransferRisk: {s.name}" for s in SAMPLES]
    assert all(source.thumbnailFileName == "icon.png" for source in sources)


def test_a_script_gets_the_nodes_of_a_sample_by_its_name(sample_data: Any) -> None:
    kind, node, file = sample_data.downloadSample(ONE)
    assert (kind, node) == ("VolumeFile", "university-7001_T1")
    nodes = sample_data.downloadSamples(ONE)
    assert [(kind, node) for kind, node, _ in nodes] == [
        ("VolumeFile", "university-7001_T1"), ("SegmentationFile", "university-7001_T1_label"),
    ]  # fmt: skip
    image = read_volume(file)
    labels, scheme = read_segmentation(nodes[1][2])
    assert scheme is not None and scheme.names == ("background", "CSF", "GM", "WM", "lesion")
    assert image.geometry.difference(labels.geometry) is None
    assert (image.array[labels.array > 0] != 0).mean() > 0.99, "tissue lies where the scan shows something"
    assert image.array.dtype == np.float32


def test_a_sample_of_several_subjects_brings_them_all(sample_data: Any) -> None:
    names = [node for _, node, _ in sample_data.downloadSamples(THREE)]
    subjects = [f"county-710{n}_T1" for n in (1, 2, 3)]
    assert names == [name for subject in subjects for name in (subject, f"{subject}_label")]


def test_a_sample_without_labels_is_one_volume(sample_data: Any) -> None:
    ((kind, node, _),) = sample_data.downloadSamples(
        "TransferRisk: Simulated T1 brain, county hospital, to segment"
    )
    assert (kind, node) == ("VolumeFile", "county-7201_T1")


def test_a_sample_that_was_made_is_not_made_again(sample_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sample_data.downloadSamples(ONE)
    import TransferRiskLib.cases.simulate as simulation

    def refuse(*arguments: Any) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr(simulation, "simulate_case", refuse)
    assert sample_data.downloadSamples(ONE) == before


def test_a_subject_is_simulated_once(sample_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import TransferRiskLib.cases.simulate as simulation

    real, seeds = simulation.simulate_case, []

    def counted(seed: int, *arguments: Any) -> Any:
        seeds.append(seed)
        return real(seed, *arguments)

    monkeypatch.setattr(simulation, "simulate_case", counted)
    assert len(sample_data.downloadSamples(ONE)) == 2
    assert seeds == [7001]


def test_the_application_lives_on_while_a_subject_is_simulated(
    sample_data: Any, slicer_stand_ins: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import TransferRiskLib.cases.simulate as simulation

    real, seen, lived = simulation.simulate_case, [], []
    breaths = slicer_stand_ins.app.breaths

    def slow(*arguments: Any) -> Any:
        seen.append(threading.current_thread() is threading.main_thread())
        before = len(breaths)
        end = time.monotonic() + 30
        while len(breaths) == before and time.monotonic() < end:
            time.sleep(0.001)
        lived.append(len(breaths) > before)
        return real(*arguments)

    monkeypatch.setattr(simulation, "simulate_case", slow)
    sample_data.downloadSample(ONE)
    assert seen == [False] and lived == [True]


def test_why_a_sample_cannot_be_made_is_told(
    sample_data: Any, slicer_stand_ins: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(slicer_stand_ins.app, "temporaryPath", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="file"):
        sample_data.downloadSample(ONE)


@pytest.mark.parametrize("address", ["https://example.org/a.nrrd", "file:///a.nrrd", ""])
def test_addresses_of_others_stay_as_they_are(sample_data: Any, address: str) -> None:
    rules: dict[str, Callable[[str], str]] = sample_data.rules
    assert list(rules) == ["TransferRisk"] and rules["TransferRisk"](address) == address


def test_the_sections_title_can_be_translated(sample_data: Any, request: pytest.FixtureRequest) -> None:
    titled = hasattr(sample_data.SampleDataLogic, "registerCustomSampleDataCategory")
    assert sample_data.titles == ({"TransferRisk": "Transfer Risk"} if titled else {})
