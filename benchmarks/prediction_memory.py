"""Peak memory of a prediction: the formula of Docs/memory.md beside what was measured.

On the CPU every measurement is a process of its own: `ru_maxrss` (the largest resident set of a
process so far) after the work, less its value before the case was made. On a GPU it is the largest sum
of PyTorch's allocations, less that before. The network's activations a voxel are measured once, on a
single batch of windows.

    python benchmarks/prediction_memory.py [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from TransferRiskLib.inference.memory import FLOAT, prediction_memory

PATCH = (64, 64, 64)
FEATURES = (8, 16, 32, 64)
CONFIGURATIONS = (
    {"size": (96, 96, 96), "channels": 1, "states": 3, "batch": 1},
    {"size": (96, 96, 96), "channels": 1, "states": 3, "batch": 4},
    {"size": (192, 192, 128), "channels": 1, "states": 3, "batch": 1},
    {"size": (192, 192, 128), "channels": 1, "states": 16, "batch": 1},
    {"size": (240, 240, 155), "channels": 4, "states": 4, "batch": 2},
)


def main() -> None:
    """Measure every configuration and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    on_gpu = arguments.device != "cpu"
    made = measure if on_gpu else in_a_process
    if arguments.measure:
        print(json.dumps(measure(**json.loads(arguments.measure))))
        return
    print("| image | channels | states | batch | activations | formula, MB | measured, MB | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for configuration in CONFIGURATIONS:
        channels, states, batch = (configuration[name] for name in ("channels", "states", "batch"))
        activations = (
            made(only_windows=True, device=arguments.device, **configuration)["bytes"] / window_floats(batch)
            - channels
        )
        measured = made(only_windows=False, device=arguments.device, **configuration)
        size = configuration["size"]
        memory = prediction_memory(
            native=size, grid=size, channels=channels, states=states, patch=PATCH, batch_size=batch,
            activations=activations - states, network_on_gpu=on_gpu, blending_on_gpu=on_gpu,
        )  # fmt: skip
        formula = memory.device if on_gpu else memory.host
        print(
            f"| {'x'.join(map(str, size))} | {channels} | {states} | {batch} | {activations - states:.0f} "
            f"| {formula / 1e6:.0f} | {measured['bytes'] / 1e6:.0f} | {measured['seconds']:.0f} |",
            flush=True,
        )


def window_floats(batch: int) -> int:
    """Bytes of one float32 a voxel of a batch of windows."""
    return FLOAT * batch * PATCH[0] * PATCH[1] * PATCH[2]


def in_a_process(**work: object) -> dict[str, float]:
    """`measure` in a fresh process, so that one peak does not hide another."""
    command = [sys.executable, __file__, "--measure", json.dumps(work)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(
    size: tuple[int, int, int], channels: int, states: int, batch: int, only_windows: bool, device: str
) -> dict[str, float]:
    """Growth of the peak resident set, or of the GPU's allocations, in bytes, and the time."""
    import numpy as np
    import torch
    from monai.networks.nets import UNet

    from TransferRiskLib.cases.labels import LabelScheme
    from TransferRiskLib.cases.load import LoadedCase
    from TransferRiskLib.inference.devices import resolve_device
    from TransferRiskLib.inference.predict import predict_states
    from TransferRiskLib.inference.settings import PredictionSettings
    from TransferRiskLib.models.card import ModelCard
    from TransferRiskLib.models.source_model import SourceModel
    from TransferRiskLib.volumes.geometry import Geometry

    names = tuple(f"channel-{c}" for c in range(channels))
    labels = LabelScheme.of(*(f"label-{n}" for n in range(1, states)))
    network = UNet(3, channels, states, FEATURES, strides=(2, 2, 2), num_res_units=1)
    model = SourceModel(ModelCard("benchmark", names, labels, patch_size=PATCH, divisible_by=8), network)
    model.to(resolve_device(device))
    on_gpu = device != "cpu"
    half = torch.autocast("cuda", torch.float16, enabled=on_gpu)
    with torch.no_grad(), half:
        model.probabilities(torch.zeros(1, channels, 16, 16, 16, device=device))
    before, started = peak(on_gpu), time.perf_counter()
    if only_windows:
        with torch.no_grad(), half:
            model.probabilities(torch.zeros(batch, channels, *PATCH, device=device))
    else:
        rng = np.random.default_rng(0)
        images = np.empty((channels, *size[::-1]), np.float32)
        for image in images:
            rng.standard_normal(out=image, dtype=np.float32)
        geometry = Geometry(tuple(size), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        case = LoadedCase("case", names, images, geometry, None, None, "case", Path("case"))
        predict_states(model, case, PredictionSettings(device, batch_size=batch, overlap=0.25))
    return {"bytes": peak(on_gpu) - before, "seconds": time.perf_counter() - started}


def peak(on_gpu: bool) -> int:
    """Largest resident set of this process so far, or most allocated on the GPU since the last call."""
    if on_gpu:
        import torch

        most = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return most
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
