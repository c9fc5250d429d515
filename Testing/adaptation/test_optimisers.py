from __future__ import annotations

import pytest
import torch
from tiny_training import TINY, tiny_plan

from TransferRiskLib.adaptation.optimisers import learning_rate
from TransferRiskLib.adaptation.settings import AdaptationSettings, preset_settings
from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.progress import Progress


@pytest.mark.parametrize(
    ("features", "rate"),
    [(4, 0.003), (8, 0.003), (16, 0.002), (24, 0.001 * 32 / 24), (32, 0.001), (48, 0.001)],
)
def test_a_narrow_network_learns_faster(features, rate):
    network = build_network({**TINY, "filters": [features, 8, 8]})
    assert learning_rate(AdaptationSettings(), network) == pytest.approx(rate)


@pytest.mark.parametrize(("kind", "width"), [("UNet", "channels"), ("SwinUNETR", "feature_size")])
def test_the_width_is_that_of_the_first_convolution(kind, width):
    sizes = {"spatial_dims": 3, "in_channels": 2, "out_channels": 5}
    more = {"channels": (16, 64), "strides": (2,)} if kind == "UNet" else {width: 12}
    network = build_network({"_target_": f"monai.networks.nets.{kind}", **sizes, **more})
    assert learning_rate(AdaptationSettings(), network) == pytest.approx(
        0.002 if kind == "UNet" else 0.001 * 32 / 12
    )


def test_a_network_without_convolutions_counts_as_wide():
    assert learning_rate(AdaptationSettings(), torch.nn.Linear(2, 2)) == 0.001


def test_what_is_set_is_taken():
    network = build_network(TINY)
    assert learning_rate(AdaptationSettings(learning_rate=0.5), network) == 0.5
    assert learning_rate(preset_settings("paper"), network) == 0.01
    assert learning_rate(AdaptationSettings(optimizer="sgd"), network) == 0.01
    with pytest.raises(SettingsError, match="positive"):
        AdaptationSettings(learning_rate=0.0)


def test_a_training_takes_it(tmp_path):
    # AdamW's first step moves every weight by the learning rate, whatever the gradient's size
    settings = AdaptationSettings(steps=1, head="random", probe_steps=0, weight_decay=0.0)
    plan = tiny_plan(tmp_path, settings)
    before = {name: value.clone() for name, value in plan.network.state_dict().items()}
    after = Trainer(plan, Progress()).train().state
    moved = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert moved == pytest.approx(0.003, rel=1e-2)
