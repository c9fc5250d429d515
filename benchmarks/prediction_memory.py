"""Peak memory of a prediction on the CPU: the formula of Docs/memory.md beside what was measured.

Every measurement is a process of its own: `ru_maxrss` (the largest resident set of a process so far)
after the work, less its value before the case was made. The network's activations a voxel are
measured once, on a single batch of windows.

    python benchmarks/prediction_memory.py
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
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(**json.loads(arguments.measure))))
        return
    print("| image | channels | states | batch | activations | formula, MB | measured, MB | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for configuration in CONFIGURATIONS:
        channels, states, batch = (configuration[name] for name in ("channels", "states", "batch"))
        activations = (
            in_a_process(only_windows=True, **configuration)["bytes"] / window_floats(batch) - channels
        )
        measured = in_a_process(only_windows=False, **configuration)
        size = configuration["size"]
        formula = prediction_memory(
            native=size, grid=size, channels=channels, states=states, patch=PATCH, batch_size=batch,
            activations=activations - states,
        ).host  # fmt: skip
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
    size: tuple[int, int, int], channels: int, states: int, batch: int, only_windows: bool
) -> dict[str, float]:
    """Growth of the peak resident set, in bytes, and the time."""
    import numpy as np
    import torch
    from monai.networks.nets import UNet

    from TransferRiskLib.cases.labels import LabelScheme
    from TransferRiskLib.cases.load import LoadedCase
    from TransferRiskLib.inference.predict import predict_states
    from TransferRiskLib.inference.settings import PredictionSettings
    from TransferRiskLib.models.card import ModelCard
    from TransferRiskLib.models.source_model import SourceModel
    from TransferRiskLib.volumes.geometry import Geometry

    names = tuple(f"channel-{c}" for c in range(channels))
    labels = LabelScheme.of(*(f"label-{n}" for n in range(1, states)))
    network = UNet(3, channels, states, FEATURES, strides=(2, 2, 2), num_res_units=1)
    model = SourceModel(ModelCard("benchmark", names, labels, patch_size=PATCH, divisible_by=8), network)
    model.probabilities(torch.zeros(1, channels, 16, 16, 16))
    before, started = peak(), time.perf_counter()
    if only_windows:
        model.probabilities(torch.zeros(batch, channels, *PATCH))
    else:
        rng = np.random.default_rng(0)
        images = np.empty((channels, *size[::-1]), np.float32)
        for image in images:
            rng.standard_normal(out=image, dtype=np.float32)
        geometry = Geometry(tuple(size), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        case = LoadedCase("case", names, images, geometry, None, None, "case", Path("case"))
        predict_states(model, case, PredictionSettings("cpu", batch_size=batch, overlap=0.25))
    return {"bytes": peak() - before, "seconds": time.perf_counter() - started}


def peak() -> int:
    """Largest resident set of this process so far, in bytes."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
