"""A single small patch on the CPU, with and without `models.single_samples`, beside two patches.

    python benchmarks/single_samples.py [--rounds 5]

DynUNets of four levels, one thread. CPU time of a pass forward (prediction) and of a step (forward and
backward), in turn in one process; the best round counts. Ratios are to the pass without.
"""

from __future__ import annotations

import argparse
import contextlib
import time

import torch
from training_plans import network_config

from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.single_samples import QuickSingleSamples


def seconds(network: torch.nn.Module, samples: int, side: int, quick: bool) -> tuple[float, float]:
    """CPU seconds of a pass forward without gradients, and of a step."""
    image = torch.randn(samples, 1, side, side, side)
    with QuickSingleSamples() if quick else contextlib.nullcontext():
        started = time.process_time()
        with torch.no_grad():
            network(image)
        between = time.process_time()
        network(image).square().mean().backward()
    return between - started, time.process_time() - between


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| patch | filters | | without, ms | with, ms | ratio | two patches, ms |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for side, filters in ((32, 8), (48, 8), (64, 16), (64, 32)):
        torch.manual_seed(0)
        network = build_network(network_config(filters)).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        best = [[float("inf")] * 3 for _ in range(2)]
        for _ in range(rounds):
            for n, (samples, quick) in enumerate(((1, False), (1, True), (2, False))):
                for kind, taken in enumerate(seconds(network, samples, side, quick)):
                    best[kind][n] = min(best[kind][n], taken)
        for kind, (without, with_it, two) in zip(("prediction", "step"), best, strict=True):
            print(
                f"| {side}x{side}x{side} | {filters} | {kind} | {without * 1e3:.0f} | {with_it * 1e3:.0f} "
                f"| {with_it / without:.2f} | {two * 1e3:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
