"""Joint statistics and risk map beside what one would write first: time, memory and error.

    python benchmarks/transfer_numerics.py [--size 240 240 155] [--classes 4] [--rounds 5] [--threads 2]
                                           [--device cpu]

Every method runs once per round, in turn, so that a busy machine slows all of them alike; the best
round counts. With one thread CPU time is measured, which others on the machine disturb little; with
more, and on a GPU, it is wall time until the result is there. Memory (Linux only) is the growth of a
fresh process's peak while it runs the method once; on a GPU that of PyTorch's allocations. Errors are
against float64 from the logits on. The logits are random, the classes as uneven as in a brain scan.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.transfer.maps import transfer_maps
from TransferRiskLib.transfer.scores import LeepSums
from TransferRiskLib.transfer.statistics import JointStatistics


def problem(size: list[int], classes: int) -> tuple[Tensor, Tensor]:
    """Logits (C, *size) float32 and labels (*size,) int16; 9 of 10 voxels are background."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(classes, *size, generator=generator)
    labels = torch.randint(0, 10 * (classes - 1), size, generator=generator, dtype=torch.int16)
    labels = torch.where(labels < classes, labels, 0)
    logits.scatter_add_(0, labels[None].long(), torch.full((1, *size), 3.0))
    return logits, labels


class Methods:
    """The candidates; each returns a joint (Y, Z), a risk map or a scalar."""

    def __init__(self, size: list[int], classes: int, device: torch.device) -> None:
        self.logits, self.labels = (tensor.to(device) for tensor in problem(size, classes))
        self.device = device
        self.classes = classes
        self.names = [str(c) for c in range(classes)]
        part = slice(0, min(16, size[-1]))
        statistics = JointStatistics.from_logits(
            self.logits[..., part], self.labels[..., part], "softmax", self.names, self.names
        )
        self.conditional, self.prior = statistics.conditional, statistics.prior

    def softmax_alone(self) -> Tensor:
        return torch.softmax(self.logits, 0)

    def joint_fused(self) -> np.ndarray:
        return JointStatistics.from_logits(self.logits, self.labels, "softmax", self.names, self.names).joint

    def joint_one_hot(self) -> np.ndarray:
        theta = torch.softmax(self.logits, 0).reshape(self.classes, -1)
        return (one_hot(self.labels.reshape(-1).long(), self.classes).float().T @ theta.T).cpu().numpy()

    def joint_index_add(self) -> np.ndarray:
        theta = torch.softmax(self.logits, 0).reshape(self.classes, -1)
        sums = torch.zeros(self.classes, self.classes, device=self.device)
        return sums.index_add_(1, self.labels.reshape(-1).long(), theta).T.cpu().numpy()

    def risk_fused(self) -> Tensor:
        return transfer_maps(
            self.conditional, self.prior, self.logits, self.labels, activation="softmax", kinds=("risk",)
        ).maps["risk"]

    def risk_unfused(self) -> Tensor:
        conditional = torch.from_numpy(self.conditional).float().to(self.device)
        eep = torch.einsum("yz,z...->y...", conditional, torch.softmax(self.logits, 0))
        return -torch.log(eep.gather(0, self.labels[None].long())[0])

    def all_maps_fused(self) -> None:
        transfer_maps(self.conditional, self.prior, self.logits, self.labels, activation="softmax")

    def leep_fused(self) -> None:
        LeepSums.from_logits(self.conditional, self.logits, self.labels, "softmax", self.names)


TITLES = {
    "softmax_alone": "softmax alone",
    "joint_fused": "joint, fused chunks, float64 sums (`JointStatistics.from_logits`)",
    "joint_one_hot": "joint, softmax + float32 one-hot matmul",
    "joint_index_add": "joint, softmax + float32 index_add",
    "risk_fused": "risk map, fused chunks (`transfer_maps`)",
    "risk_unfused": "risk map, softmax + einsum + gather",
    "all_maps_fused": "all five maps, fused chunks",
    "leep_fused": "LEEP, fused chunks",
}


def exact(methods: Methods) -> tuple[np.ndarray, np.ndarray]:
    """Joint and risk in float64 NumPy, in portions only for memory's sake."""
    logits = methods.logits.reshape(methods.classes, -1).cpu().numpy()
    labels = methods.labels.reshape(-1).cpu().numpy()
    joint, risk = np.zeros((methods.classes, methods.classes)), np.empty(labels.size)
    for start in range(0, labels.size, 500_000):
        part = slice(start, start + 500_000)
        powers = np.exp(logits[:, part].astype(np.float64))
        theta, here = powers / powers.sum(0), labels[part]
        for y in range(methods.classes):
            joint[y] += theta[:, here == y].sum(1)
        risk[part] = -np.log((methods.conditional[here] * theta.T).sum(1))
    return joint, risk


def error_of(name: str, result: object, joint: np.ndarray, risk: np.ndarray) -> str:
    """Largest relative error of a joint, largest absolute error of a risk map."""
    if name.startswith("joint"):
        return f"{np.max(np.abs(np.asarray(result) - joint) / joint):.1e} relative"
    if isinstance(result, Tensor) and name.startswith("risk"):
        return f"{np.max(np.abs(result.cpu().numpy().reshape(-1) - risk)):.1e} nats"
    return ""


def peak_growth(name: str, methods: Methods, options: argparse.Namespace) -> float:
    """MiB by which the peak of a fresh process grows while it runs the method once; on a GPU, of this one."""
    if methods.device.type == "cuda":
        return measure_memory(name, methods)
    size = [str(n) for n in options.size]
    command = [sys.executable, __file__, "--memory-of", name, "--size", *size]
    command += ["--classes", str(options.classes), "--threads", str(options.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_memory(name: str, methods: Methods) -> float:
    """MiB by which this process's peak grows while it runs the method once."""
    gc.collect()
    if methods.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from here
    before = _peak_kib(methods.device)
    result = getattr(methods, name)()
    growth = _peak_kib(methods.device) - before
    del result
    return growth / 1024


def _peak_kib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1024
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def best_times(methods: Methods, rounds: int) -> dict[str, float]:
    """Seconds of the best round."""
    gpu = methods.device.type == "cuda"
    clock = time.process_time if torch.get_num_threads() == 1 and not gpu else time.perf_counter
    best = dict.fromkeys(TITLES, float("inf"))
    for _ in range(rounds):
        for name in TITLES:
            run: Callable[[], object] = getattr(methods, name)
            start = clock()
            run()
            if gpu:
                torch.cuda.synchronize()
            best[name] = min(best[name], clock() - start)
    return best


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=[240, 240, 155])
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of", choices=TITLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    methods = Methods(options.size, options.classes, resolve_device(options.device))
    if options.memory_of:
        print(json.dumps(measure_memory(options.memory_of, methods)))
        return
    joint, risk = exact(methods)
    best = best_times(methods, options.rounds)
    shape = "x".join(map(str, options.size))
    gpu = methods.device.type == "cuda"
    where = torch.cuda.get_device_name() if gpu else f"{options.threads} threads"
    print(f"{shape}, {options.classes} source and target classes, {where}, ", end="")
    clock = "CPU" if options.threads == 1 and not gpu else "wall"
    print(f"torch {torch.__version__}, {clock} time, best of {options.rounds}\n")
    print("| method | ms | of softmax alone | extra peak MiB | error |\n|---|---:|---:|---:|---:|")
    for name, title in TITLES.items():
        error = error_of(name, getattr(methods, name)(), joint, risk)
        ratio, memory = best[name] / best["softmax_alone"], peak_growth(name, methods, options)
        print(f"| {title} | {best[name] * 1e3:.1f} | {ratio:.1f} | {memory:.0f} | {error} |")


if __name__ == "__main__":
    main()
