from __future__ import annotations

import pytest
import torch
from tiny_training import tiny_model
from torch.overrides import TorchFunctionMode

from TransferRiskLib.adaptation.gradients import add_gradients
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import Batch
from TransferRiskLib.adaptation.shortage import StepPlan
from TransferRiskLib.models.single_samples import SLOW, QuickSingleSamples


class Seen(TorchFunctionMode):
    """Notes how many samples every convolution gets."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[int] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.conv3d:
            self.samples.append(args[0].shape[0])
        return func(*args, **(kwargs or {}))


def gradients(convolution: torch.nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    convolution.zero_grad()
    image = image.clone().requires_grad_()
    output = convolution(image)
    (output**2 * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    assert image.grad is not None
    return [output.detach(), image.grad, *(p.grad.clone() for p in convolution.parameters())]


@pytest.mark.parametrize("options", [{}, {"stride": 2, "bias": False}, {"padding": 1, "groups": 2}])
def test_outputs_and_gradients_stay_what_they_are(options):
    convolution = torch.nn.Conv3d(2, 4, 3, **options)
    image = torch.randn(1, 2, 9, 8, 7)
    expected = gradients(convolution, image)
    with Seen() as seen, QuickSingleSamples():
        found = gradients(convolution, image)
    assert seen.samples == [2]
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "samples"),
    [
        ((1, 8, 32, 32, 32), 2),
        ((2, 8, 32, 32, 32), 2),  # two samples are fast already
        ((1, SLOW // 64, 8, 8, 2), 2),
        ((1, SLOW // 64 + 1, 8, 8, 2), 1),  # so is one large enough
    ],
)
def test_only_small_single_samples_are_doubled(shape, samples):
    with Seen() as seen, QuickSingleSamples():
        assert (
            len(torch.nn.functional.conv3d(torch.zeros(shape), torch.zeros(1, shape[1], 1, 1, 1))) == shape[0]
        )
    assert seen.samples == [samples]


def test_named_arguments_and_other_dimensions_pass_through():
    image, weight = torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 2, 2, 2)
    with QuickSingleSamples():
        assert float(torch.nn.functional.conv3d(input=image, weight=weight).max()) == 8
        assert tuple(torch.nn.functional.conv3d(image[0], weight).shape) == (1, 3, 3, 3)


def test_models_predict_and_train_with_it():
    model, patch = tiny_model("ball"), torch.zeros(1, 1, 16, 16, 16)
    with Seen() as predicting:
        model.probabilities(patch)
    batch = Batch(patch, patch[0].long(), patch[0] + 1, torch.ones(1))
    with Seen() as training:
        add_gradients(model.network, AdaptationLoss("labelled", "ce"), batch, StepPlan(1))
    for seen in (predicting, training):
        assert seen.samples and set(seen.samples) == {2}
