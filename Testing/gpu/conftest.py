"""Tests of this folder need a CUDA device; elsewhere they skip."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import torch


@pytest.fixture
def gpu(monkeypatch) -> torch.device:
    """The first CUDA device, with convolutions in single precision where a test compares with the CPU."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return torch.device("cuda", 0)


@pytest.fixture
def only(gpu) -> Iterator[Callable[[int], None]]:
    """Lets PyTorch have no more than so many bytes of the GPU beside what it holds already."""
    total = torch.cuda.get_device_properties(gpu).total_memory

    def limit(size: int) -> None:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(gpu) + size) / total, gpu)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0, gpu)
    torch.cuda.empty_cache()
