"""Models whose outputs are regions: nested ones, and independent ones that may overlap."""

from __future__ import annotations

import pytest

from TransferRiskLib.cases.labels import LabelScheme

REGIONS = LabelScheme.of("core", "vessel")


@pytest.fixture
def regions(tmp_path):
    """Saves a tiny source model for T1 of an activation."""
    import torch
    from tiny_training import TINY

    from TransferRiskLib.models.card import ModelCard
    from TransferRiskLib.models.networks import build_network
    from TransferRiskLib.models.saving import save_bundle

    def save(activation):
        card = ModelCard(
            "regions",
            ("T1",),
            REGIONS,
            activation,
            patch_size=(16, 16, 16),
            divisible_by=4,
            contrasts=("T1",),
        )
        config = {**TINY, "out_channels": 2}
        torch.manual_seed(0)
        return save_bundle(tmp_path / "regions", card, build_network(config), config)

    return save


@pytest.mark.parametrize(
    ("activation", "states"),
    [
        ("nested", ("background", "core", "vessel")),
        ("sigmoid", ("background", "core", "vessel", "core+vessel")),
    ],
)
def test_a_scan_gets_segments_and_a_probability_of_every_combination_of_regions(
    session, scene, regions, add_scan, finish, activation, states
):
    from slicer.util import arrayFromVolume

    session.models.add(regions(activation))
    add_scan("Anna", labelled=False)
    session.segmenting.add_from_scene()
    session.segmenting.set_options(uncertainty=True, probabilities=True)
    session.segmenting.segment()
    assert finish(session).kind == "done", session.jobs.outcome
    row = session.segmenting.rows[0]
    nodes = [scene.GetNodeByID(node) for node in row.probabilities]
    assert [node.GetName() for node in nodes] == [f"Anna probability of {state}" for state in states]
    assert sum(map(arrayFromVolume, nodes)) == pytest.approx(1.0, abs=1e-5)
    key = session.segmenting.add_to_cases(row.key)
    assert session.cases.segment_labels(key) == {"core": "core", "vessel": "vessel"}
