"""Outputs of every kind of network become exclusive states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.states import state_names, to_states


def a_card(activation, *names):
    return ModelCard("a model", ("T1",), LabelScheme.of(*names), activation)


def logit(*probabilities):
    p = torch.tensor(probabilities, dtype=torch.float64)
    return torch.log(p / (1 - p)).float()


def test_softmax_states_are_the_labels():
    card = a_card("softmax", "csf", "grey")
    assert state_names(card) == ("background", "csf", "grey")
    states = to_states(torch.log(torch.tensor([[0.2, 0.5, 0.3]])), "softmax")
    np.testing.assert_allclose(states, [[0.2, 0.5, 0.3]], atol=1e-7)


def test_nested_regions_become_differences():
    card = a_card("nested", "whole", "core", "enhancing")
    assert state_names(card) == ("background", "whole", "core", "enhancing")
    states = to_states(logit(0.9, 0.6, 0.1)[None], "nested")
    # outside 1 - 0.9, whole only 0.9 - 0.6, core only 0.6 - 0.1, enhancing 0.1
    np.testing.assert_allclose(states, [[0.1, 0.3, 0.5, 0.1]], atol=1e-6)


def test_an_inner_region_more_probable_than_its_outer_is_cut_down_by_the_running_minimum():
    states = to_states(logit(0.4, 0.7, 0.5)[None], "nested")
    # minima 0.4, 0.4, 0.4: nothing is left between them
    np.testing.assert_allclose(states, [[0.6, 0.0, 0.0, 0.4]], atol=1e-6)
    assert (states >= 0).all()


def test_independent_regions_become_all_their_combinations_bit_by_bit():
    card = a_card("sigmoid", "core", "vessel")
    assert state_names(card) == ("background", "core", "vessel", "core+vessel")
    states = to_states(logit(0.9, 0.2)[None], "sigmoid")
    np.testing.assert_allclose(states, [[0.1 * 0.8, 0.9 * 0.8, 0.1 * 0.2, 0.9 * 0.2]], atol=1e-6)


def test_bit_r_of_a_state_is_region_r():
    regions = ("a", "b", "c", "d", "e", "f")
    names = state_names(a_card("sigmoid", *regions))
    assert len(names) == 64 and names[0b100101] == "a+c+f"
    sure = torch.tensor([[40.0, -40.0, 40.0, -40.0, -40.0, 40.0]])
    assert int(to_states(sure, "sigmoid").argmax()) == 0b100101


@pytest.mark.parametrize(("activation", "states"), [("softmax", 3), ("nested", 4), ("sigmoid", 8)])
def test_states_are_probabilities_even_of_extreme_logits(activation, states):
    logits = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 60
    result = to_states(logits, activation)
    assert result.shape == (2, states, 4, 5, 6) and result.dtype == torch.float32
    assert (result >= 0).all() and (result <= 1).all()
    torch.testing.assert_close(result.sum(1), torch.ones(2, 4, 5, 6), atol=1e-6, rtol=0)


@pytest.mark.parametrize("activation", ["softmax", "nested", "sigmoid"])
def test_any_dimension_may_hold_the_outputs(activation):
    logits = torch.randn(3, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(to_states(logits.T, activation, -1).T, to_states(logits, activation, 0))


@pytest.mark.parametrize("activation", ["softmax", "nested", "sigmoid"])
def test_half_precision_logits_are_upcast_first(activation):
    logits = torch.randn(1, 4, 1000, generator=torch.Generator().manual_seed(2)).half()
    assert torch.equal(to_states(logits, activation), to_states(logits.float(), activation))


def test_a_confident_background_keeps_its_small_remainder():
    # 1 - sigmoid(20) is 0 or 2.4e-7 in float32; the remainder is 2.06e-9.
    states = to_states(torch.tensor([[20.0]]), "nested")
    np.testing.assert_allclose(float(states[0, 0]), 2.0611536e-09, rtol=1e-5)


class _Activated(nn.Module):
    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return to_states(logits, self.activation)


@pytest.mark.parametrize("activation", ["softmax", "nested", "sigmoid"])
def test_torchscript_compiles_it(activation):
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(3))
    scripted = torch.jit.script(_Activated(activation))
    assert torch.equal(scripted(logits), to_states(logits, activation))


def test_gradients_pass_through():
    logits = torch.zeros(1, 2, 1, requires_grad=True)
    to_states(logits, "sigmoid")[0, 3, 0].backward()
    # d(s(a) s(b))/da at 0 is 1/4 * 1/2
    np.testing.assert_allclose(logits.grad.ravel(), [0.125, 0.125])


def test_what_cannot_be_is_refused():
    with pytest.raises(ModelError, match="relu"):
        to_states(torch.zeros(1, 2), "relu")
    with pytest.raises(ModelError, match="7 independent regions"):
        to_states(torch.zeros(1, 7), "sigmoid")
    with pytest.raises(ModelError, match="no outputs"):
        to_states(torch.zeros(1, 0), "nested")
