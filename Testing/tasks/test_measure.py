"""The speed of this computer: real steps on made-up patches, within a budget, nothing left behind."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from tiny_training import tiny_model

from TransferRiskLib.adaptation import timing
from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import Cancelled, SettingsError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.measure import measure
from TransferRiskLib.tasks.requests import MeasureRequest

CPU = PredictionSettings(device="cpu")
TARGET = LabelScheme.of("CSF", "lesion")


def request(bundle: Path, folder: Path, **changes) -> MeasureRequest:
    return MeasureRequest(bundle, TARGET, folder, preset_settings("recommended", **changes), CPU)


@pytest.mark.parametrize("preset", ["recommended", "paper", "scratch"])
def test_every_cost_is_measured_and_nothing_is_left(bundle, tmp_path, preset):
    asked = from_json(MeasureRequest, to_json(request(bundle, tmp_path)))
    speed = measure(dataclasses.replace(asked, settings=preset_settings(preset, batch_size=1)), Progress())
    assert speed.device == "cpu"
    for cost in (speed.step, speed.window, speed.scoring, speed.memory):
        assert math.isfinite(cost) and cost > 0
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_ends_it_and_leaves_nothing(bundle, tmp_path):
    with pytest.raises(Cancelled):
        measure(request(bundle, tmp_path), Progress(lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_settings_that_the_source_cannot_follow_are_refused(bundle, tmp_path):
    with pytest.raises(SettingsError, match="cannot be kept"):
        measure(request(bundle, tmp_path, head="keep"), Progress())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bench(tmp_path):
    def make(**changes):
        settings = preset_settings("plain", augmentation=AugmentationSettings.off(), **changes)
        return timing._Bench(tiny_model("CSF"), TARGET, settings, CPU, tmp_path, Progress())

    return make


def test_patches_grow_in_steps_that_the_network_can_take():
    assert timing._growing((64, 64, 48), 8) == [(16, 16, 16), (32, 32, 24), (64, 64, 48)]
    assert timing._growing((16, 16, 16), 8) == [(16, 16, 16)]
    assert timing._growing((40, 40, 8), 4) == [(8, 8, 8), (20, 20, 8), (40, 40, 8)]


def test_a_patch_that_would_take_too_long_is_not_tried(monkeypatch, tmp_path):
    tried = []

    def step_seconds(self, size, seconds):
        tried.append(size)
        return 1e-3 * math.prod(size)  # a step of the second size would take four seconds

    monkeypatch.setattr(timing._Bench, "step_seconds", step_seconds)
    settings = preset_settings("plain", patch_size=(32, 32, 32), batch_size=2)
    speed = timing.measure_speed(tiny_model("CSF"), TARGET, settings, CPU, tmp_path, Progress())
    assert tried == [(8, 8, 8)]
    assert speed.step == pytest.approx(1e-3 / 2), "per voxel of both patches"


def test_what_is_not_timed_lies_on_the_line_through_the_last_two():
    assert timing._extrapolated([(100, 2.0)], 300) == pytest.approx(6.0)
    assert timing._extrapolated([(100, 2.0), (200, 3.0)], 400) == pytest.approx(5.0)
    assert timing._extrapolated([(100, 3.0), (200, 2.0)], 400) == pytest.approx(2.0), "never faster"


def test_the_first_step_does_not_count(bench, monkeypatch):
    times = iter([0.0, 10.0, 10.5, 11.25, 12.0] + [99.0] * 50)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(times))
    monkeypatch.setattr(timing, "STEPS", 4)
    assert bench().step_seconds((16, 16, 16), math.inf) == pytest.approx((0.5 + 0.75 + 0.75) / 3)


def test_it_stops_when_the_time_is_over_but_not_before_one_step_counts(bench, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    assert bench().step_seconds((16, 16, 16), 0.0) == 1.0
    assert next(clock) == 3, "before the first step, after it, after the second"


def test_memory_of_a_step_grows_with_the_network_and_not_with_the_patch(bench):
    small = bench(patch_size=(16, 16, 16), batch_size=1).held_bytes()
    batch = bench(patch_size=(16, 16, 16), batch_size=2).held_bytes()
    # Not exactly alike: how a convolution lays out its working memory depends on the batch.
    assert batch == pytest.approx(small, rel=0.3)
    # Two convolutions of four filters in full resolution keep what goes in, float32, at the least.
    assert small > 2 * 4 * 4
