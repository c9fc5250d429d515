"""Removing nodes with what belongs to them alone."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.removal import remove_with_belongings
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((4, 4, 4), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture
def maps(scene):
    """Two maps, rendered in 3-D."""
    values = Volume(np.ones(GRID.shape, np.float32), GRID)
    made = [heat.add_map(scene, values, "risk", name) for name in ("one", "two")]
    for node in made:
        heat.show_in_3d(node, "risk")
    return made


def displays_of(node):
    return [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]


def rendering_of(node):
    return next(d for d in displays_of(node) if d.IsA("vtkMRMLVolumeRenderingDisplayNode"))


def test_displays_and_their_properties_go_with_a_map_and_shared_colours_stay(scene, maps):
    one, two = maps
    going = [one, *displays_of(one), rendering_of(one).GetVolumePropertyNode()]
    staying = [two, *displays_of(two), rendering_of(two).GetVolumePropertyNode()]
    colours = one.GetDisplayNode().GetColorNode()
    assert len(going) == len(staying) == 5 and colours is two.GetDisplayNode().GetColorNode()
    remove_with_belongings(scene, [one])
    assert {node.GetScene() for node in going} == {None}
    assert {node.GetScene() for node in [*staying, colours]} == {scene}


def test_what_another_node_uses_stays_with_what_that_needs(scene, maps):
    one, two = maps
    rendering = rendering_of(one)
    look = rendering.GetVolumePropertyNode()
    two.AddAndObserveDisplayNodeID(rendering.GetID())
    plain = one.GetVolumeDisplayNode()
    remove_with_belongings(scene, [one])
    assert (rendering.GetScene(), look.GetScene(), plain.GetScene()) == (scene, scene, None)


def test_the_colours_of_maps_go_with_the_last_map_that_shows_them(scene, maps):
    one, two = maps
    colours = one.GetDisplayNode().GetColorNode()
    theirs = scene.AddNewNodeByClass("vtkMRMLProceduralColorNode", "theirs")
    remove_with_belongings(scene, [one])
    assert colours.GetScene() is scene
    two.GetVolumeDisplayNode().SetAndObserveColorNodeID(theirs.GetID())
    user = heat.add_map(scene, Volume(np.ones(GRID.shape, np.float32), GRID), "risk", "the user's")
    remove_with_belongings(scene, [two])
    assert {colours.GetScene(), theirs.GetScene()} == {scene}
    remove_with_belongings(scene, [user])
    assert colours.GetScene() is None and theirs.GetScene() is scene
