from __future__ import annotations

import pytest
import torch

from TransferRiskLib.errors import is_out_of_memory
from TransferRiskLib.inference.plans import Plan, fallbacks

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def test_on_a_gpu_the_batch_shrinks_then_blending_and_the_network_move():
    assert list(fallbacks(4, GPU)) == [
        Plan(GPU, GPU, 4), Plan(GPU, GPU, 2), Plan(GPU, GPU, 1), Plan(GPU, CPU, 1), Plan(CPU, CPU, 1),
    ]  # fmt: skip


def test_on_the_cpu_only_the_batch_shrinks():
    assert list(fallbacks(3, CPU)) == [Plan(CPU, CPU, 3), Plan(CPU, CPU, 1)]


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_every_kind_of_memory_shortage_is_recognised(error):
    assert is_out_of_memory(error)


def test_a_shortage_behind_another_error_is_recognised():
    error = RuntimeError("patch size (8, 8, 8)")
    error.__cause__ = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    assert is_out_of_memory(error)


def test_other_errors_are_not_a_shortage():
    assert not is_out_of_memory(RuntimeError("sizes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))
