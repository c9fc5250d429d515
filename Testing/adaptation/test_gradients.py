from __future__ import annotations

import math

import pytest
import torch
from tiny_training import TINY
from torch import nn

from TransferRiskLib.adaptation.gradients import add_gradients
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import Batch
from TransferRiskLib.adaptation.shortage import StepPlan
from TransferRiskLib.models.composite import StackedHead
from TransferRiskLib.models.networks import build_network

LOSSES = [
    (normalisation, kind)
    for normalisation in ("labelled", "weights", "foreground")
    for kind in ("ce", "ce+dice", "focal+dice", "topk+dice")
]


def a_batch(patches: int = 5, classes: int = 3) -> Batch:
    """Patches that differ in how many voxels are labelled, in weights and in what they show."""
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(-1, classes, (patches, 16, 16, 16), generator=random)
    for n in range(patches):
        labels[n, : 3 * n] = -1
        labels[n, 12:] = n % classes
    image = labels[:, None] + torch.randn(patches, 1, 16, 16, 16, generator=random)
    anchor = torch.softmax(torch.randn(patches, classes, 16, 16, 16, generator=random), 1)
    weights = torch.rand(labels.shape, generator=random) * torch.arange(1, patches + 1)[:, None, None, None]
    return Batch(image, labels, weights, 1.0 + torch.arange(patches), anchor)


def a_network(**changes) -> nn.Module:
    torch.manual_seed(0)
    return build_network({**TINY, "out_channels": 3, **changes}).train()


def gradients(network: nn.Module, loss: AdaptationLoss, plan: StepPlan, batch: Batch | None = None):
    network.zero_grad(set_to_none=True)
    torch.manual_seed(5)
    value = add_gradients(network, loss, batch or a_batch(), plan)
    return value, {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def difference(one: dict, other: dict) -> float:
    """Largest difference, as a share of the largest gradient."""
    assert one.keys() == other.keys() and one
    largest = max(float(g.abs().max()) for g in one.values())
    return max(float((one[name] - other[name]).abs().max()) for name in one) / largest


@pytest.mark.parametrize(("normalisation", "kind"), LOSSES)
def test_parts_add_up_to_the_gradient_of_the_whole_batch(normalisation, kind):
    network, loss = a_network(), AdaptationLoss(normalisation, kind, anchor=0.5)
    value, whole = gradients(network, loss, StepPlan(5))
    for plan in (StepPlan(2), StepPlan(1), StepPlan(1, offload=True)):
        parted, parts = gradients(network, loss, plan)
        assert parted == pytest.approx(value, rel=1e-6)
        assert difference(whole, parts) < 1e-5


def test_a_mean_over_the_losses_of_the_parts_would_be_another_gradient():
    # what the test above would not notice if its patches were alike
    network = a_network()
    for normalisation, kind in LOSSES:
        if (normalisation, kind) == ("foreground", "ce"):
            continue  # defined as a mean over patches
        loss = AdaptationLoss(normalisation, kind, anchor=0.5)
        _, whole = gradients(network, loss, StepPlan(5))
        network.zero_grad(set_to_none=True)
        for part in a_batch().split(1):
            (loss(network(part.image), part.labels, part.weights, part.ratio, part.anchor) / 5).backward()
        mean = {name: p.grad for name, p in network.named_parameters()}
        assert difference(whole, mean) > 1e-3, (normalisation, kind)


def test_the_finest_of_several_outputs_is_trained():
    supervised = a_network(deep_supervision=True, deep_supr_num=1)
    plain = a_network()
    plain.load_state_dict(
        {name: value for name, value in supervised.state_dict().items() if name in plain.state_dict()}
    )
    loss = AdaptationLoss("labelled", "ce+dice")
    value, whole = gradients(plain, loss, StepPlan(5))
    parted, parts = gradients(supervised, loss, StepPlan(2))
    assert parted == pytest.approx(value, rel=1e-6)
    assert difference(whole, {name: parts[name] for name in whole}) < 1e-5


def test_running_statistics_move_once_a_step_by_the_mean_of_the_parts():
    network = nn.Sequential(nn.BatchNorm3d(1, momentum=0.1), nn.Conv3d(1, 3, 1)).train()
    network.register_buffer("constant", torch.tensor([0.1, 0.7]))
    batch = a_batch()
    gradients(network, AdaptationLoss("labelled", "ce+dice"), StepPlan(2), batch)
    norm = network[0]
    # all patches are equally large, so the mean over parts by their share is that of the batch
    assert float(norm.running_mean) == pytest.approx(0.1 * float(batch.image.mean()), rel=1e-5)
    variances = [float(part.image.var()) for part in batch.split(2)]
    expected = 0.9 + 0.1 * (2 * variances[0] + 2 * variances[1] + variances[2]) / 5
    assert float(norm.running_var) == pytest.approx(expected, rel=1e-5)
    assert int(norm.num_batches_tracked) == 1
    assert torch.equal(network.constant, torch.tensor([0.1, 0.7]))


def test_dropout_leaves_out_the_same_units_in_both_passes():
    class Noted(nn.Sequential):
        def forward(self, image):
            outputs = super().forward(image)
            seen.append(outputs.detach().clone())
            return outputs

    seen: list[torch.Tensor] = []
    network = Noted(nn.Conv3d(1, 3, 1), nn.Dropout(0.5)).train()
    gradients(network, AdaptationLoss("labelled", "ce+dice"), StepPlan(2))
    assert len(seen) == 6
    for first, second in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(seen[0] == 0, seen[1] == 0)


def test_a_torchscript_network_is_trained_in_parts_too():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4), nn.ReLU(), nn.Conv3d(4, 2, 1))
    network = StackedHead(torch.jit.script(body), 2, 3).train()
    loss = AdaptationLoss("labelled", "ce+dice")
    _, whole = gradients(network, loss, StepPlan(5))
    assert len(whole) == 6
    for plan in (StepPlan(2), StepPlan(1, offload=True)):
        assert difference(whole, gradients(network, loss, plan)[1]) < 1e-5


@pytest.mark.parametrize("plan", [StepPlan(5), StepPlan(2)])
def test_a_loss_that_is_not_a_number_leaves_no_gradient(plan):
    batch = a_batch()
    batch.image[0, 0, 0, 0, 0] = math.nan
    batch.labels[0, 0, 0, 0] = 1
    value, left = gradients(a_network(), AdaptationLoss("labelled", "ce+dice"), plan, batch)
    assert math.isnan(value) and not left
