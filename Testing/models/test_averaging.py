from __future__ import annotations

import pytest
import torch

from TransferRiskLib.errors import ModelError, SettingsError
from TransferRiskLib.models.averaging import average_weights

START = {"w": torch.tensor([0.0, 4.0]), "steps": torch.tensor(3)}
ADAPTED = {"w": torch.tensor([1.0, 2.0]), "steps": torch.tensor(9)}


def test_weights_are_mixed_and_counters_are_not():
    averaged = average_weights(START, ADAPTED, 0.25)
    assert averaged["w"].tolist() == [0.25, 3.5]
    assert averaged["steps"].item() == 9


@pytest.mark.parametrize(("share", "expected"), [(0.0, START), (1.0, ADAPTED)])
def test_the_ends_are_exact_copies(share, expected):
    averaged = average_weights(START, ADAPTED, share)
    assert torch.equal(averaged["w"], expected["w"])
    assert averaged["w"].data_ptr() not in (START["w"].data_ptr(), ADAPTED["w"].data_ptr())


def test_states_of_different_networks_are_refused():
    with pytest.raises(ModelError, match=r"\(b\)"):
        average_weights(START, {**ADAPTED, "b": torch.zeros(1)}, 0.5)
    with pytest.raises(ModelError, match=r"\(w\)"):
        average_weights(START, {**ADAPTED, "w": torch.zeros(3)}, 0.5)


def test_an_impossible_share_is_refused():
    with pytest.raises(SettingsError, match="0 to 1"):
        average_weights(START, ADAPTED, 1.1)
