from __future__ import annotations

import pytest
import torch

from TransferRiskLib.errors import DeviceError
from TransferRiskLib.inference.devices import describe_device, has_bfloat16, resolve_device


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_first_gpu(two_gpus):
    assert resolve_device("auto") == torch.device("cuda", 0)


def test_auto_takes_apples_gpu_where_there_is_no_other(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("mps")


def test_auto_falls_back_to_the_cpu(no_gpu):
    assert resolve_device("auto") == torch.device("cpu")


def test_a_gpu_is_chosen_by_number(two_gpus):
    assert resolve_device("CUDA:1") == torch.device("cuda", 1)
    assert resolve_device("cuda") == torch.device("cuda", 0)


def test_a_number_beyond_the_last_gpu_lists_what_there_is(two_gpus):
    with pytest.raises(DeviceError, match="cuda:2") as caught:
        resolve_device("cuda:2")
    assert caught.value.hint == "This computer has: cuda:0, cuda:1."


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_an_error_with_a_remedy(no_gpu, name):
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert "auto or cpu" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:one", "cpu:0", "xpu"])
def test_a_malformed_name_is_an_error_with_a_remedy(name):
    with pytest.raises(DeviceError, match="is not a device") as caught:
        resolve_device(name)
    assert "cuda:N" in str(caught.value.hint)


def test_the_cpu_is_described_with_its_memory():
    described = describe_device(torch.device("cpu"))
    assert described["device"] == "cpu"
    assert str(described["name"]).startswith("CPU")
    if described["total_bytes"] is not None:
        assert 0 < described["free_bytes"] <= described["total_bytes"]


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bfloat16_is_for_gpus_that_compute_in_it(monkeypatch, capability, native):
    # compute capability 7.5 is Turing, 8.0 Ampere
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_bfloat16(torch.device("cuda", 0)) is native
    assert not has_bfloat16(torch.device("cpu"))
