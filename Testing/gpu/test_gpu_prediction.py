"""Predictions on a GPU: the numbers of the CPU, and what happens when its memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from told import Told

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.simulate import simulate_case
from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.evaluation.metrics import dice
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.jobs.worker import release_memory
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel

MIB = 2**20


@pytest.fixture(scope="module")
def brain() -> torch.Tensor:
    """A simulated T1, (1, X, Y, Z), as the demonstration model wants it."""
    image = torch.from_numpy(simulate_case(5).images["T1"]).permute(2, 1, 0).float()
    inside = image != 0
    return torch.where(inside, (image - image[inside].mean()) / image[inside].std(), 0.0)[None]


def test_single_precision_gives_the_probabilities_of_the_cpu(gpu, brain):
    model = open_model(demo_models()["tissue-t1w"])
    on_cpu = predict_on_grid(model, brain, PredictionSettings("cpu"))
    on_gpu = predict_on_grid(model, brain, PredictionSettings("cuda", mixed_precision=False))
    assert on_gpu.device.type == "cpu"
    torch.testing.assert_close(on_gpu, on_cpu, atol=1e-4, rtol=0)


def test_half_precision_segments_as_the_cpu_does(gpu, brain):
    model = open_model(demo_models()["tissue-t1w"])
    on_cpu = predict_on_grid(model, brain, PredictionSettings("cpu")).argmax(0).numpy()
    on_gpu = predict_on_grid(model, brain, PredictionSettings("cuda")).argmax(0).numpy()
    assert len(np.unique(on_cpu)) > 2
    for label in np.unique(on_cpu)[1:]:
        assert dice(on_gpu == label, on_cpu == label) > 0.99


def a_large_model(features: tuple[int, ...] = (16, 32), labels: int = 8) -> SourceModel:
    torch.manual_seed(0)
    scheme = LabelScheme.of(*(f"label-{n}" for n in range(1, labels)))
    card = ModelCard(
        "large", ("T1",), scheme, normalisation=Normalisation("none"), patch_size=(64, 64, 64), divisible_by=4
    )
    network = {
        "_target_": "monai.networks.nets.UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": labels,
        "channels": list(features), "strides": [2] * (len(features) - 1),
    }  # fmt: skip
    return SourceModel(card, build_network(network))


@pytest.mark.parametrize(("size", "least"), [(200, 1), (100, 2), (20, 5)])
def test_a_lack_of_real_memory_takes_the_next_plan_and_changes_nothing(gpu, only, size, least):
    model = a_large_model()
    image = torch.randn(1, 160, 144, 128, generator=torch.Generator().manual_seed(0))
    settings = PredictionSettings("cuda", overlap=0.25, batch_size=8, mixed_precision=False)
    whole = predict_on_grid(model, image, settings)
    model.to(torch.device("cpu"))
    only(size * MIB)
    told = Told()
    short = predict_on_grid(model, image, settings, told)
    assert len(told.warnings) >= least and all("Out of memory" in text for text in told.warnings)
    if size == 20:
        assert "network on cpu" in told.warnings[-1]
    torch.testing.assert_close(short, whole, atol=1e-4, rtol=0)


def test_the_worker_gives_the_memory_back(gpu):
    model = a_large_model()
    predict_on_grid(model, torch.randn(1, 64, 64, 64), PredictionSettings("cuda"))
    assert torch.cuda.memory_reserved(gpu) > 8 * MIB
    del model
    assert release_memory() < 8 * MIB  # what cuBLAS and cuDNN keep
