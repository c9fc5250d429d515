"""Heads, schemes and anchors: what a training starts from and holds on to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_training import tiny_model

from TransferRiskLib.adaptation.schemes import SourceAnchor, encoder_parameters, set_trainable
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.starts import misnamed, starting_network
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.transfer.statistics import JointStatistics

IMAGE = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))


def outputs(network: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(IMAGE)


def test_a_matching_head_is_kept_to_the_bit_and_needs_no_probe():
    source = tiny_model("CSF", "GM")
    start = starting_network(source, LabelScheme.of("csf", "gm"), AdaptationSettings(head="auto"))
    assert torch.equal(outputs(start.network), outputs(source.network))
    assert (start.probe_steps, start.fresh, start.divides) == (0, set(), False)


def test_reordered_labels_permute_the_rows():
    source = tiny_model("CSF", "GM")
    start = starting_network(source, LabelScheme.of("GM", "CSF"), AdaptationSettings(head="keep"))
    assert torch.equal(outputs(start.network), outputs(source.network)[:, [0, 2, 1]])


def test_new_labels_get_a_probed_head_on_the_source_features():
    source = tiny_model("CSF", "GM")
    start = starting_network(source, LabelScheme.of("lesion"), AdaptationSettings(probe_steps=9))
    assert start.probe_steps == 9 and start.head and start.fresh == start.head
    theirs = source.network.state_dict()
    for name, value in start.network.state_dict().items():
        assert name in start.head or torch.equal(value, theirs[name])


def test_rows_of_matching_labels_are_kept_beside_new_ones():
    source = tiny_model("CSF", "GM")
    start = starting_network(source, LabelScheme.of("GM", "lesion"), AdaptationSettings(probe_steps=9))
    torch.testing.assert_close(outputs(start.network)[:, :2], outputs(source.network)[:, [0, 2]])
    assert start.probe_steps == 9 and start.fresh == start.head


def statistics_of(joint: list[list[float]], target: LabelScheme) -> JointStatistics:
    table = np.array(joint)
    counts = table.sum(1).astype(np.int64)
    return JointStatistics(table, counts, target.names, ("background", "organ"))


def test_translated_rows_divide_the_probability_of_their_source_class():
    source, target = tiny_model("organ"), LabelScheme.of("top", "bottom")
    # of the organ's 40 voxels (as the source sees it) 10 are top, 25 bottom, 5 background
    statistics = statistics_of([[95.0, 5.0], [0.0, 10.0], [5.0, 25.0]], target)
    start = starting_network(source, target, AdaptationSettings(head="translate"), statistics)
    theirs = torch.softmax(outputs(source.network), 1)
    ours = torch.softmax(outputs(start.network), 1)
    # rows: background + log 0.95, organ + log 10/40, organ + log 25/40
    unnormalised = torch.cat([theirs[:, :1] * 0.95, theirs[:, 1:] * 10 / 40, theirs[:, 1:] * 25 / 40], 1)
    # the background's own row is kept by its name only beside other kept rows: here it is translated
    torch.testing.assert_close(ours, unnormalised / unnormalised.sum(1, keepdim=True))
    assert start.probe_steps == AdaptationSettings().probe_steps
    assert start.divides, "top and bottom both start from the organ's row"


def test_a_name_wins_over_the_translation():
    source, target = tiny_model("organ"), LabelScheme.of("organ", "rim")
    statistics = statistics_of([[90.0, 0.0], [0.0, 30.0], [10.0, 10.0]], target)
    start = starting_network(source, target, AdaptationSettings(head="translate"), statistics)
    theirs, ours = outputs(source.network), outputs(start.network)
    torch.testing.assert_close(ours[:, :2], theirs)
    assert (ours[:, 2] - theirs[:, 0]).mean().item() == pytest.approx(math.log(10 / 100), abs=1e-5)
    assert start.divides, "the rim starts from the background's row, which the background has too"


def test_labels_with_a_row_each_are_not_divided_though_they_look_like_one_class():
    source, target = tiny_model("organ", "rim"), LabelScheme.of("rim", "organ")
    joint = [[90.0, 0.0, 0.0], [0.0, 20.0, 10.0], [0.0, 40.0, 10.0]]
    statistics = JointStatistics(
        np.array(joint), np.array([90, 30, 50]), target.names, ("background", "organ", "rim")
    )
    settings = AdaptationSettings(head="translate")
    assert not starting_network(source, target, settings, statistics).divides
    other = LabelScheme.of("top", "organ")
    statistics = JointStatistics(statistics.joint, statistics.counts, other.names, statistics.states)
    assert starting_network(source, other, settings, statistics).divides


def swapped(joint: list[list[float]], target: LabelScheme) -> JointStatistics:
    table = np.array(joint)
    return JointStatistics(table, table.sum(1).astype(np.int64), target.names, ("background", "CSF", "WM"))


def test_names_that_the_statistics_contradict_give_way_to_the_translation():
    source, target = tiny_model("CSF", "WM"), LabelScheme.of("CSF", "WM")
    # another contrast: 40 of 50 voxels of CSF look like WM, all 80 of WM like CSF
    statistics = swapped([[90.0, 0.0, 0.0], [6.0, 4.0, 40.0], [0.0, 80.0, 0.0]], target)
    start = starting_network(source, target, AdaptationSettings(head="translate"), statistics)
    theirs, ours = outputs(source.network), outputs(start.network)
    # background + log 90/96, CSF from the row of WM + log 40/40, WM from the row of CSF + log 80/84
    expected = theirs[:, [0, 2, 1]] + torch.tensor([math.log(90 / 96), 0.0, math.log(80 / 84)]).view(
        3, 1, 1, 1
    )
    torch.testing.assert_close(ours, expected)
    assert not start.divides and start.fresh == set() and start.new_head == start.head
    assert start.probe_steps == 0, "the rows know already what a probe would teach them"


@pytest.mark.parametrize("head", ["auto", "keep"])
def test_other_heads_follow_the_names_whatever_the_statistics_say(head):
    source, target = tiny_model("CSF", "WM"), LabelScheme.of("CSF", "WM")
    statistics = swapped([[90.0, 0.0, 0.0], [6.0, 4.0, 40.0], [0.0, 80.0, 0.0]], target)
    start = starting_network(source, target, AdaptationSettings(head=head), statistics)
    assert torch.equal(outputs(start.network), outputs(source.network))


@pytest.mark.parametrize(
    "csf, trusted",
    [
        ([44.0, 4.0, 2.0], True),  # missed: taken for background
        ([10.0, 15.0, 25.0], True),  # more of WM, but not twice as much
        ([0.0, 16.0, 34.0], False),
        ([48.0, 0.0, 2.0], False),
    ],
)
def test_a_name_is_given_up_where_another_label_gets_more_than_twice_as_much(csf, trusted):
    source, target = tiny_model("CSF", "WM"), LabelScheme.of("CSF", "WM")
    statistics = swapped([[90.0, 0.0, 0.0], csf, [0.0, 10.0, 70.0]], target)
    assert misnamed(source, target, statistics) == (set() if trusted else {1})


def test_a_row_that_its_name_keeps_and_another_label_takes_is_divided():
    source, target = tiny_model("CSF", "WM"), LabelScheme.of("CSF", "WM")
    statistics = swapped([[90.0, 0.0, 0.0], [0.0, 5.0, 45.0], [0.0, 10.0, 70.0]], target)
    start = starting_network(source, target, AdaptationSettings(head="translate"), statistics)
    theirs, ours = outputs(source.network), outputs(start.network)
    torch.testing.assert_close(ours[:, [0, 2]], theirs[:, [0, 2]])  # by name
    torch.testing.assert_close(ours[:, 1], theirs[:, 2] + math.log(45 / 115))
    assert start.divides


def test_the_start_of_an_average_is_the_probed_network():
    source = tiny_model("organ")
    target = LabelScheme.of("lesion")
    statistics = statistics_of([[95.0, 5.0], [0.0, 10.0]], target)
    start = starting_network(source, target, AdaptationSettings(head="translate"), statistics)
    assert not start.divides
    fresh = starting_network(source, target, AdaptationSettings())
    trained = {name: torch.full_like(value, 3.0) for name, value in start.before.items()}
    probed = {name: torch.full_like(value, 1.0) for name, value in start.before.items()}
    averaged = start.averaged(trained, 0.75, probed)
    assert all(torch.equal(v, torch.full_like(v, 2.5)) for v in averaged.values() if v.is_floating_point())
    kept = fresh.averaged(trained, 0.75, probed)
    assert fresh.fresh and all(torch.equal(kept[name], trained[name]) for name in fresh.fresh)


def test_from_scratch_shares_nothing_with_the_source():
    source = tiny_model("CSF", "GM", seed=3)
    settings = AdaptationSettings(scheme="scratch", head="random")
    start = starting_network(source, source.card.labels, settings)
    theirs = source.network.state_dict()
    convolutions = [n for n, v in start.network.named_parameters() if v.dim() == 5]
    assert convolutions and not any(torch.equal(start.before[n], theirs[n]) for n in convolutions)


def test_a_head_that_cannot_be_kept_is_refused():
    with pytest.raises(SettingsError, match="does not segment lesion"):
        starting_network(tiny_model("GM"), LabelScheme.of("lesion"), AdaptationSettings(head="keep"))


def test_the_encoder_of_a_known_architecture_is_frozen_and_its_decoder_is_not():
    network = tiny_model("GM").network
    frozen = encoder_parameters(network)
    assert any(name.startswith("input_block") for name in frozen)
    assert not any(name.startswith(("upsamples", "output_block")) for name in frozen)
    trainable = set_trainable(network, {n for n, _ in network.named_parameters()} - frozen)
    assert trainable and not any(p.requires_grad for n, p in network.named_parameters() if n in frozen)
    with pytest.raises(SettingsError, match="encoder"):
        encoder_parameters(torch.nn.Conv3d(1, 1, 1))


def test_l2_sp_is_half_the_squared_distance_to_the_source_by_hand():
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([[1.0, 2.0]])
        layer.bias[:] = 3.0
    anchor = SourceAnchor(layer, head={"bias"}, strength=0.1)
    with torch.no_grad():
        layer.weight += torch.tensor([[1.0, -2.0]])
    # (1² + 2²) from the source's weights, 3² of the new head from zero
    assert anchor(layer).item() == pytest.approx(0.5 * 0.1 * (1 + 4 + 9))
