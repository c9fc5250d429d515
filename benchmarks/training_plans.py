"""Time and memory of a training step with each plan of `adaptation.shortage`, beside the estimate.

    python benchmarks/training_plans.py [--device auto] [--size 32] [--patch 128] [--batch 2] [--steps 10]

One DynUNet with `--size` filters at full resolution (four levels), one channel, four labels,
cross-entropy + Dice, patches of noise. Every plan makes a warm-up step and `--steps` more, in turn on the
same network; the median counts. Memory is the most that PyTorch held of the GPU; on the CPU it is not
measured, and size and patch are 8 and 32 unless given. The estimate is what the window shows before a
start: `measure_speed`'s figures times the voxels of a step. `--full-precision` switches bfloat16 off.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from TransferRiskLib.adaptation.gradients import add_gradients
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import Batch
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings
from TransferRiskLib.adaptation.shortage import step_plans
from TransferRiskLib.adaptation.timing import measure_speed
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

LABELS = LabelScheme.of("a", "b", "c")


def network_config(filters: int) -> dict:
    """A DynUNet of four levels."""
    return {
        "_target_": "monai.networks.nets.DynUNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": len(LABELS),
        "kernel_size": [3] * 4,
        "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2] * 3,
        "filters": [min(320, filters * 2**level) for level in range(4)],
        "norm_name": ["INSTANCE", {"affine": True}],
    }


def measured(step: Callable[[], object], steps: int, device: torch.device) -> tuple[float, float]:
    """Median seconds of a step, and MiB that PyTorch held meanwhile."""
    gpu = device.type == "cuda"
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    taken = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        step()
        if gpu:
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:]), torch.cuda.max_memory_allocated(device) / 2**20 if gpu else 0.0


def main() -> None:
    """Measure every plan and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="auto")
    for name, value in (("size", None), ("patch", None), ("batch", 2), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--full-precision", action="store_true")
    given = parser.parse_args()
    device, half = resolve_device(given.device), not given.full_precision
    usual = (32, 128) if device.type == "cuda" else (8, 32)
    size, side = given.size or usual[0], given.patch or usual[1]
    patch = (side,) * 3
    torch.manual_seed(0)
    config = network_config(size)
    network = build_network(config)
    weights = 4 * sum(p.numel() for p in network.parameters())
    settings = AdaptationSettings(batch_size=given.batch, augmentation=AugmentationSettings.off())
    source = SourceModel(
        ModelCard("bench", ("T1",), LABELS, patch_size=patch, divisible_by=8), network, config
    )
    with tempfile.TemporaryDirectory() as folder:
        prediction = PredictionSettings(given.device, mixed_precision=half)
        speed = measure_speed(source, LABELS, settings, prediction, Path(folder), Progress())
    voxels = given.batch * side**3
    print(f"Estimate: {speed.step * voxels * 1e3:.0f} ms, ", end="")
    print(f"{(speed.memory * voxels + 4 * weights) / 2**20:.0f} MiB a step; ", end="")
    print(f"a window {speed.window * side**3 * 1e3:.0f} ms; weights {weights / 2**20:.1f} MiB\n")
    network.train().to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer, loss = torch.optim.AdamW(network.parameters()), AdaptationLoss("labelled", "ce+dice")
    labels = torch.randint(0, len(LABELS), (given.batch, *patch))
    image = labels[:, None] + torch.randn(given.batch, 1, *patch)
    batch = Batch(image, labels, torch.ones(labels.shape), torch.ones(given.batch)).to(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{name}, torch {torch.__version__}, {'bfloat16' if half else 'float32'}\n")
    print("| plan | ms a step | of the first | MiB | of the first |\n|---|---:|---:|---:|---:|")
    first: tuple[float, float] | None = None
    for plan in step_plans(given.batch, device):

        def step(plan=plan) -> None:
            optimizer.zero_grad(set_to_none=True)
            add_gradients(network, loss, batch, plan, half)
            optimizer.step()

        seconds, memory = measured(step, given.steps, device)
        first = first or (seconds, memory)
        print(
            f"| {plan} | {seconds * 1e3:.0f} | {seconds / first[0]:.2f} | {memory:.0f} "
            f"| {memory / max(first[1], 1e-9):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
