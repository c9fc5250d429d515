"""Lesions with a core and a rim, and what a contrast agent does to the rim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from TransferRiskLib.cases.simulate import BRAIN_SCHEME, SOURCE_SITE, TUMOUR_SCHEME
from TransferRiskLib.cases.simulation_anatomy import (
    CSF,
    ENHANCING,
    LESION,
    NECROSIS,
    OUTSIDE,
    WHITE,
    Head,
)
from TransferRiskLib.cases.simulation_scanner import Sequence, acquire, sample_fractions
from TransferRiskLib.cases.simulation_tumour import nest_lesions
from TransferRiskLib.volumes.geometry import Geometry


@pytest.fixture
def head():
    """White matter with a slab of lesion, 20 voxels of 1 mm thick, a thin plate of it, and some CSF."""
    tissues = np.full((40, 50, 50), WHITE, np.int8)
    tissues[5:25] = LESION
    tissues[30:33] = LESION
    tissues[36:] = CSF
    return Head(tissues, 1.0, (0.0, 0.0, 0.0))


def test_a_lesion_is_nested_by_the_distance_from_its_border(head):
    nested = nest_lesions(head)
    # depth of the slab's layers is 1, 2, ..., 10, 10, ..., 1 mm; the rim begins at 3 mm, the core at 5.5
    layers = [LESION] * 2 + [ENHANCING] * 3 + [NECROSIS] * 10 + [ENHANCING] * 3 + [LESION] * 2
    assert nested.tissues[5:25, 25, 25].tolist() == layers
    assert nested.kinds == 7 and head.kinds == 5


def test_thin_lesions_and_other_tissues_stay(head):
    nested = nest_lesions(head)
    outside = np.ones(40, bool)
    outside[5:25] = False
    np.testing.assert_array_equal(nested.tissues[outside], head.tissues[outside])


def test_a_head_without_lesions_stays(head):
    healthy = replace(head, tissues=np.full((4, 4, 4), WHITE, np.int8))
    np.testing.assert_array_equal(nest_lesions(healthy).tissues, healthy.tissues)


def test_the_scheme_names_the_tissues_in_their_order():
    assert TUMOUR_SCHEME.names[LESION:] == ("edema", "necrotic core", "enhancing tumour")
    assert (LESION, NECROSIS, ENHANCING) == (4, 5, 6)
    assert TUMOUR_SCHEME.labels[:LESION] == BRAIN_SCHEME.labels[:LESION]


def test_fractions_have_a_map_a_tissue_that_the_head_can_have(head):
    grid = Geometry((8, 8, 8), (3.0, 3.0, 3.0), (-25.0, -25.0, 2.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    assert len(sample_fractions(head, grid, 1.0)) == 5
    fractions = sample_fractions(nest_lesions(head), grid, 1.0)
    assert len(fractions) == 7
    np.testing.assert_allclose(fractions.sum(axis=0), 1.0, atol=1e-5)
    assert fractions[NECROSIS].max() > 0.9


@pytest.mark.parametrize(("agent", "t1"), [(False, 1150.0), (True, 1 / (1 / 1150.0 + 0.0022))])
def test_the_agent_shortens_t1_of_the_enhancing_part_alone(agent, t1):
    sequence = Sequence("spin", tr=500, te=10, agent=agent)
    site = replace(SOURCE_SITE, sequences={"T1": sequence}, noise=0.0, bias=0.0, drift=0.0)
    fractions = np.zeros((7, 12, 12, 12), np.float32)
    fractions[ENHANCING, :4] = 1
    fractions[LESION, 4:8] = 1
    fractions[WHITE, 8:] = 1
    image = acquire(np.random.default_rng(0), fractions, np.ones((12, 12, 12), bool), site, "T1")

    def signal(t1, t2, density):
        """Spin echo, by hand."""
        return density * (1 - np.exp(-500 / t1)) * np.exp(-10 / t2)

    white = np.median(image[8:])
    # relaxation times vary by 3.5 % from voxel to voxel
    enhancing = signal(t1, 115, 0.87) / signal(650, 74, 0.70)
    lesion = signal(1250, 160, 0.88) / signal(650, 74, 0.70)
    assert np.median(image[:4]) / white == pytest.approx(enhancing, rel=0.02)
    assert np.median(image[4:8]) / white == pytest.approx(lesion, rel=0.02)


def test_the_agent_changes_nothing_without_an_enhancing_part():
    fractions = np.zeros((5, 6, 6, 6), np.float32)
    fractions[OUTSIDE, :2] = 1
    fractions[WHITE, 2:] = 1
    images = [
        acquire(
            np.random.default_rng(0),
            fractions,
            fractions[WHITE] > 0,
            replace(SOURCE_SITE, sequences={"T1": Sequence("spin", tr=500, te=10, agent=agent)}),
            "T1",
        )
        for agent in (False, True)
    ]
    np.testing.assert_array_equal(*images)
