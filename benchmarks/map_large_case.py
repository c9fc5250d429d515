"""Time and peak memory of the `map` task on a 240x240x155 case with four channels.

    python benchmarks/map_large_case.py [--device cpu]

A fresh process maps one simulated-noise case with a small untrained DynUNet (0.35 M parameters, four
source classes), so the figures are those of the whole path: reading, sliding window, statistics, maps,
writing. `--threads` sets torch's threads. The task runs twice: on a GPU the first one also loads CUDA.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.map import map_risk
from TransferRiskLib.tasks.requests import CohortInput, MapRequest
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

SIZE = (240, 240, 155)
CHANNELS = ("T1", "T1ce", "T2", "FLAIR")
NETWORK = {
    "_target_": "monai.networks.nets.DynUNet",
    "spatial_dims": 3,
    "in_channels": 4,
    "out_channels": 4,
    "kernel_size": [3] * 4,
    "strides": [1, 2, 2, 2],
    "upsample_kernel_size": [2] * 3,
    "filters": [8, 16, 32, 64],
    "norm_name": ["INSTANCE", {"affine": True}],
}


def make_case(folder: Path) -> Cohort:
    """Smooth noise with four classes, written as the files of one case."""
    random = np.random.default_rng(0)
    geometry = Geometry(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    coarse = random.integers(0, 4, (31, 48, 48))
    labels = np.kron(coarse, np.ones((5, 5, 5), int))[:155, :240, :240].astype(np.uint8)
    files = {}
    for n, channel in enumerate(CHANNELS):
        image = (labels * (n + 1) + random.normal(0, 1, labels.shape)).astype(np.float32)
        files[channel] = ChannelFile(folder / f"{channel}.nii.gz")
        write_volume(Volume(image, geometry), files[channel].path)
    write_volume(Volume(labels, geometry), folder / "labels.nii.gz")
    scheme = LabelScheme.of("edema", "core", "enhancing")
    return Cohort((Case("large", files, folder / "labels.nii.gz"),), scheme)


def main() -> None:
    """Print the seconds and the growth of the process's peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = resolve_device(given.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = make_case(folder)
        scheme = LabelScheme.of("a", "b", "c")
        card = ModelCard("large", CHANNELS, scheme, patch_size=(96, 96, 96), divisible_by=8)
        torch.manual_seed(0)
        bundle = save_bundle(folder / "model", card, build_network(NETWORK), NETWORK)
        before = peak()
        seconds = []
        for n in range(2):
            started = time.perf_counter()
            request = MapRequest(
                bundle,
                CohortInput(cohort),
                folder / f"out-{n}",
                prediction=PredictionSettings(given.device, given.overlap),
            )
            map_risk(request, Progress())
            seconds.append(time.perf_counter() - started)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(
        "| case | device | threads | seconds, first and second | peak memory of the process | before | GPU |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    print(
        f"| {'x'.join(map(str, SIZE))}, 4 channels, 4 + 4 classes | {where} | {given.threads} "
        f"| {seconds[0]:.1f}, {seconds[1]:.1f} | {peak():.0f} MiB | {before:.0f} MiB | {gpu_peak(device)} |"
    )


def peak() -> float:
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def gpu_peak(device: torch.device) -> str:
    """The most that PyTorch has held of the GPU."""
    return f"{torch.cuda.max_memory_reserved(device) / 2**20:.0f} MiB" if device.type == "cuda" else "none"


if __name__ == "__main__":
    main()
