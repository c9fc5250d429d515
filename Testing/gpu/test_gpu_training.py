"""Trainings on a GPU: gradients, memory that runs out, and going on after a stop, on either device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_training import TINY, ball_case, tiny_model, tiny_plan
from told import Told

from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.augmentation import Augmentation
from TransferRiskLib.adaptation.gradients import add_gradients
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import Batch, TrainingCase
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings, preset_settings
from TransferRiskLib.adaptation.shortage import StepPlan
from TransferRiskLib.adaptation.timing import measure_speed
from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import Cancelled
from TransferRiskLib.evaluation.metrics import dice
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.progress import Progress

MIB = 2**20
# plain gradient descent: AdamW would make a full step of a gradient that is zero but for rounding
SETTINGS = AdaptationSettings(
    steps=8, probe_steps=3, head="probe", validate_every=5, batch_size=4, optimizer="sgd", learning_rate=0.001
)


def trained(folder: Path, device: torch.device, progress: Progress | None = None) -> dict:
    plan = tiny_plan(folder, SETTINGS, device=device, mixed_precision=False)
    return Trainer(plan, progress or Progress()).train().state


def assert_close(one: dict, other: dict, tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=tolerance, atol=tolerance, msg=name)


def a_batch(patches: int, size: int, classes: int = 3) -> Batch:
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(-1, classes, (patches, *[size] * 3), generator=random)
    image = labels[:, None] + torch.randn(patches, 1, *[size] * 3, generator=random)
    return Batch(image, labels, torch.rand(labels.shape, generator=random), torch.ones(patches))


def gradients(network: torch.nn.Module, batch: Batch, plan: StepPlan, half: bool = False):
    network.zero_grad(set_to_none=True)
    torch.manual_seed(5)
    value = add_gradients(network, AdaptationLoss("labelled", "ce+dice"), batch, plan, half)
    return value, {
        name: p.grad.to("cpu", copy=True) for name, p in network.named_parameters() if p.grad is not None
    }


def difference(one: dict, other: dict) -> float:
    """Largest difference, as a share of the largest gradient."""
    assert one.keys() == other.keys() and one
    largest = max(float(g.abs().max()) for g in one.values())
    return max(float((one[name] - other[name]).abs().max()) for name in one) / largest


@pytest.mark.parametrize("plan", [StepPlan(5), StepPlan(2), StepPlan(1), StepPlan(1, offload=True)])
def test_gradients_are_those_of_the_cpu_whatever_the_plan(gpu, plan):
    torch.manual_seed(0)
    network = build_network({**TINY, "out_channels": 3}).train()
    batch = a_batch(5, 16)
    expected, reference = gradients(network, batch, StepPlan(5))
    value, found = gradients(network.to(gpu), batch.to(gpu), plan)
    assert value == pytest.approx(expected, rel=1e-5)
    assert difference(reference, found) < 1e-3


def test_half_precision_points_the_same_way(gpu):
    torch.manual_seed(0)
    network = build_network({**TINY, "out_channels": 3}).train().to(gpu)
    batch = a_batch(5, 16).to(gpu)
    _, whole = gradients(network, batch, StepPlan(5))
    _, half = gradients(network, batch, StepPlan(5), half=True)
    one, other = (torch.cat([g.flatten() for g in each.values()]) for each in (whole, half))
    assert difference(whole, half) > 0
    assert float(torch.nn.functional.cosine_similarity(one, other, 0)) > 0.99


def test_a_training_comes_to_the_weights_of_the_cpu(gpu, tmp_path):
    settings = dataclasses.replace(SETTINGS, augmentation=AugmentationSettings.off())
    found = [
        Trainer(tiny_plan(tmp_path / str(device), settings, device=device, mixed_precision=False), Progress())
        .train()
        .state
        for device in (torch.device("cpu"), gpu)
    ]
    assert_close(*found, tolerance=1e-3)


def test_augmentation_on_a_gpu_is_that_of_the_cpu(gpu):
    settings = dataclasses.replace(
        AugmentationSettings.strong(), spatial_probability=1.0, intensity_probability=1.0, mirror_axes=(0,)
    )
    batch = a_batch(2, 24)
    here, there = Augmentation(settings)(batch, 7), Augmentation(settings)(batch.to(gpu), 7)
    torch.testing.assert_close(there.image.cpu(), here.image, atol=2e-3, rtol=2e-3)
    assert float((there.labels.cpu() != here.labels).float().mean()) < 0.01


@pytest.mark.parametrize("then", ["cuda", "cpu"])
def test_a_cancelled_training_goes_on_here_or_there(gpu, tmp_path, then):
    uninterrupted = trained(tmp_path / "whole", gpu)
    with pytest.raises(Cancelled):
        trained(tmp_path / "stopped", gpu, Told(steps=6))
    resumed = trained(tmp_path / "stopped", gpu if then == "cuda" else torch.device("cpu"))
    assert_close(uninterrupted, resumed, tolerance=1e-3)


def test_a_training_of_the_cpu_goes_on_on_a_gpu(gpu, tmp_path):
    uninterrupted = trained(tmp_path / "whole", torch.device("cpu"))
    with pytest.raises(Cancelled):
        trained(tmp_path / "stopped", torch.device("cpu"), Told(steps=6))
    assert_close(uninterrupted, trained(tmp_path / "stopped", gpu), tolerance=1e-3)


LARGE = {
    "_target_": "monai.networks.nets.UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
    "channels": [24, 48], "strides": [2], "num_res_units": 2,
}  # fmt: skip


def large_trainer(folder: Path, gpu: torch.device, progress: Progress) -> Trainer:
    """Patches of 64 voxels a side, four a step."""
    torch.manual_seed(0)
    batch, network = a_batch(1, 64), build_network(LARGE)
    case = TrainingCase("large", batch.image[0], batch.labels[0], torch.ones(64, 64, 64))
    settings = dataclasses.replace(SETTINGS, probe_steps=0, steps=4, augmentation=AugmentationSettings.off())
    plan = tiny_plan(
        folder, settings, network=network, head=[], probe_steps=0, cases=[case], patch=(64, 64, 64),
        device=gpu, mixed_precision=False,
    )  # fmt: skip
    return Trainer(plan, progress)


def peak_of(work: Callable[[], object], gpu: torch.device) -> int:
    torch.cuda.synchronize(gpu)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(gpu)
    work()
    return torch.cuda.max_memory_reserved(gpu)


def test_a_lack_of_real_memory_halves_the_batch_and_then_offloads(gpu, only, tmp_path):
    whole = large_trainer(tmp_path / "whole", gpu, Progress()).train().state
    network, batch = build_network(LARGE).to(gpu), a_batch(4, 64).to(gpu)
    needs = {}
    for plan in (StepPlan(4), StepPlan(2), StepPlan(1), StepPlan(1, offload=True)):
        needs[plan] = peak_of(partial(gradients, network, batch, plan), gpu)
    del network, batch
    sizes = list(needs.values())
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.7 * sizes[0], needs
    told = Told()
    trainer = large_trainer(tmp_path / "short", gpu, told)
    only((needs[StepPlan(2)] + needs[StepPlan(1)]) // 2)
    short = trainer.train().state
    assert len(told.warnings) >= 2 and "1 patch at once" in told.warnings[1]
    assert_close(whole, short, tolerance=1e-3)


@pytest.mark.parametrize("preset", ["recommended", "paper", "plain"])
def test_a_preset_learns_on_a_gpu(gpu, tmp_path, preset):
    source, target = tiny_model("ball"), LabelScheme.of("ball")
    settings = preset_settings(preset, steps=120, batch_size=2, audit=False, learning_rate=0.01, momentum=0.9)
    prediction = PredictionSettings("cuda")
    cases = [ball_case(seed) for seed in range(3)]
    adapted = adapt_model(source, cases, target, settings, prediction, tmp_path, Progress())
    new = ball_case(17)
    states = predict_on_grid(adapted.model, new.image, prediction)
    assert new.labels is not None
    assert dice(states.argmax(0).numpy() == 1, new.labels.numpy() == 1) > 0.85


def test_the_speed_is_measured_on_the_gpu(gpu, tmp_path):
    speed = measure_speed(
        tiny_model("ball"), LabelScheme.of("ball"), SETTINGS, PredictionSettings("cuda"), tmp_path, Progress()
    )
    assert speed.device == "cuda"
    assert 0 < speed.step < 1e-3 and 0 < speed.window < 1e-3 and speed.memory > 4 * TINY["filters"][0]
