from __future__ import annotations

import math

import pytest
import torch
from model_fakes import image, network, unet

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.composite import PROBABILITY_FLOOR, EepAveraged
from TransferRiskLib.models.networks import build_network

CONDITIONAL = [[0.9, 0.2], [0.1, 0.3], [0.0, 0.5]]


class Constant(torch.nn.Module):
    """Gives the same logits everywhere."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(logits).view(1, -1, 1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(image.shape[0], -1, image.shape[2], image.shape[3], image.shape[4])


def averaged(weight: float, activation: str = "softmax", source: Constant | None = None) -> EepAveraged:
    source = source or Constant(0.0, 0.0)
    states = {"softmax": 2, "nested": 3}[activation]
    conditional = CONDITIONAL if states == 2 else torch.eye(3).tolist()
    return EepAveraged(source, Constant(0.0, 0.0, 1.0), activation, weight, 3, states, conditional)


def voxel(net: torch.nn.Module) -> list[float]:
    return torch.softmax(net(torch.zeros(1, 1, 2, 2, 2)), 1)[0, :, 0, 0, 0].tolist()


def test_the_output_is_the_log_of_the_mixture():
    # by hand: source 1/2, 1/2 gives EEP (0.55, 0.2, 0.25); adapted softmax(0, 0, 1) with e = 2.71828
    adapted = [1 / 4.718282, 1 / 4.718282, 2.718282 / 4.718282]
    expected = [0.25 * a + 0.75 * e for a, e in zip(adapted, (0.55, 0.2, 0.25), strict=True)]
    assert voxel(averaged(0.75)) == pytest.approx(expected, abs=1e-6)


def test_weight_zero_is_the_adapted_network_and_weight_one_the_eep():
    assert voxel(averaged(0.0)) == pytest.approx([1 / 4.718282, 1 / 4.718282, 2.718282 / 4.718282], abs=1e-6)
    assert voxel(averaged(1.0)) == pytest.approx([0.55, 0.2, 0.25], abs=1e-6)


def test_nested_sources_speak_in_exclusive_states():
    # sigmoid(0) = 0.5 outside, and the inner region of 0.25 within it: states 0.5, 0.25, 0.25
    source = Constant(0.0, -1.0986123)
    assert voxel(averaged(1.0, "nested", source)) == pytest.approx([0.5, 0.25, 0.25], abs=1e-6)


def test_an_impossible_class_keeps_a_finite_logarithm():
    net = averaged(1.0, source=Constant(100.0, -100.0))
    outputs = net(torch.zeros(1, 1, 2, 2, 2))
    assert outputs.min().item() == pytest.approx(math.log(PROBABILITY_FLOOR))


def test_gradients_reach_the_adapted_network_only():
    net = averaged(0.5)
    net(torch.zeros(1, 1, 2, 2, 2))[:, 0].sum().backward()
    assert net.adapted.logits.grad is not None
    assert net.source.logits.grad is None and not net.source.logits.requires_grad


def test_the_source_stays_in_evaluation_mode_while_the_adapted_network_trains():
    net = build_network(config()).train()
    assert net.adapted.training and not any(module.training for module in net.source.modules())


def config():
    return {
        "_target_": "TransferRiskLib.models.composite.EepAveraged", "source": unet(out_channels=2),
        "adapted": unet(), "source_activation": "softmax", "eep_weight": 0.5, "targets": 3, "states": 2,
    }  # fmt: skip


def test_weight_and_conditional_travel_with_the_state():
    given = EepAveraged(
        network(unet(out_channels=2)), network(unet(), seed=1), "softmax", 0.25, 3, 2, CONDITIONAL
    ).eval()
    rebuilt = build_network(config())
    rebuilt.load_state_dict(given.state_dict())
    assert float(rebuilt.eep_weight) == 0.25
    assert torch.equal(rebuilt(image()), given(image()))


def test_torchscript_gives_the_same_output():
    net = EepAveraged(
        network(unet(out_channels=2)), network(unet(), seed=1), "softmax", 0.25, 3, 2, CONDITIONAL
    ).eval()
    torch.testing.assert_close(torch.jit.script(net)(image()), net(image()), rtol=0, atol=1e-6)


def test_half_precision_logits_do_not_coarsen_the_eep():
    net = averaged(1.0, source=Constant(0.3, -1.2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = net(torch.zeros(1, 1, 2, 2, 2))
    torch.testing.assert_close(coarse, net(torch.zeros(1, 1, 2, 2, 2)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eep_weight": 1.5}, "0 to 1"),
        ({"source_activation": "relu"}, "no activation"),
        ({"conditional": [[1.0, 0.0]]}, "shape"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        build_network({**config(), **change})
