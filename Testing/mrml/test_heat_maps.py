"""Maps as heat in a scene."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.mrml import heat
from TransferRiskLib.mrml.nodes import add_volume, volume_from_node
from TransferRiskLib.mrml.styles import STYLES, style_of
from TransferRiskLib.volumes.volume import Volume


@pytest.fixture
def risk(oblique) -> Volume:
    return Volume(np.linspace(0, 4, int(np.prod(oblique.shape))).reshape(oblique.shape), oblique)


@pytest.mark.parametrize("kind", STYLES)
def test_a_map_gets_the_window_threshold_and_colours_of_its_kind(scene, risk, kind) -> None:
    node = heat.add_map(scene, risk, kind, "map")
    display, style = node.GetVolumeDisplayNode(), style_of(kind)
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx(style.window)
    assert display.GetApplyThreshold()
    assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == pytest.approx(style.threshold)
    colours = display.GetColorNode()
    assert colours.IsA("vtkMRMLProceduralColorNode")
    for value, *colour in style.points:
        assert colours.GetColorTransferFunction().GetColor(value) == pytest.approx(colour)
    assert heat.kind_of(node) == kind


def test_a_map_is_stored_as_float32(scene, risk) -> None:
    assert volume_from_node(heat.add_map(scene, risk, "risk", "map")).array.dtype == np.float32


def test_the_legend_shows_title_and_unit_for_the_maps_own_display(scene, risk) -> None:
    node = heat.add_map(scene, risk, "risk", "map")
    legend = heat.legend_of(node)
    assert legend.GetTitleText() == "Transfer risk (nats)"
    assert legend.GetPrimaryDisplayNode() is node.GetVolumeDisplayNode()


def test_maps_of_one_kind_share_their_colours(scene, risk) -> None:
    first, second = (heat.add_map(scene, risk, "risk", name) for name in "ab")
    assert first.GetVolumeDisplayNode().GetColorNode() is second.GetVolumeDisplayNode().GetColorNode()


def test_showing_a_map_again_adds_no_second_legend(scene, risk) -> None:
    node = heat.add_map(scene, risk, "risk", "map")
    heat.show_map(node, "gain")
    assert scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1
    assert heat.legend_of(node).GetTitleText().startswith("Transfer gain")


def test_window_and_threshold_can_be_chosen(scene, risk) -> None:
    node = add_volume(scene, risk, "map")
    display = heat.show_map(node, "risk", window=(1.0, 5.0), threshold=(2.0, 4.0))
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((1.0, 5.0))
    assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == pytest.approx((2.0, 4.0))


def test_gain_outside_the_structures_shows_only_where_the_source_misleads(scene, oblique) -> None:
    gain = np.zeros(oblique.shape, np.float32)
    gain[0, 0, 0], gain[0, 0, 1], gain[0, 0, 2] = 0.4, -0.4, 0.4
    outside = np.ones(oblique.shape, bool)
    outside[0, 0, 2] = False
    node = heat.add_map(scene, heat.shown_values(Volume(gain, oblique), "gain", outside), "gain", "map")
    shown = volume_from_node(node).array
    np.testing.assert_allclose(shown[0, 0, :3], [heat.NOT_SHOWN, -0.4, 0.4], rtol=1e-6)
    assert node.GetVolumeDisplayNode().GetUpperThreshold() < heat.NOT_SHOWN


def test_values_that_are_not_finite_are_hidden(oblique) -> None:
    values = np.full(oblique.shape, np.nan, np.float32)
    values[0, 0, 0] = np.inf
    shown = heat.shown_values(Volume(values, oblique), "risk").array
    assert (shown < style_of("risk").threshold[0]).all()


def test_the_volume_rendering_has_the_opacity_curve_of_the_kind(scene, risk) -> None:
    node = heat.add_map(scene, risk, "risk", "map")
    display = heat.show_in_3d(node, "risk")
    look = display.GetVolumePropertyNode().GetVolumeProperty()
    for value, alpha in style_of("risk").opacity:
        assert look.GetScalarOpacity().GetValue(value) == pytest.approx(alpha)
    assert look.GetRGBTransferFunction().GetColor(3.0) == pytest.approx(style_of("risk").colours[-1])
    assert display.GetVolumeNode() is node


def test_switching_the_volume_rendering_off_keeps_it(scene, risk) -> None:
    node = heat.add_map(scene, risk, "risk", "map")
    on = heat.show_in_3d(node, "risk")
    off = heat.show_in_3d(node, "risk", visible=False)
    assert off is on
    assert not off.GetVisibility()
