"""The look of a map in Slicer: procedural colours over a fixed window, threshold, legend, 3-D opacity."""

from __future__ import annotations

import numpy as np

from TransferRiskLib.mrml.nodes import Node, add_volume
from TransferRiskLib.mrml.styles import STYLES, MapStyle, style_of
from TransferRiskLib.volumes.volume import Volume
from TransferRiskLib.wording import wording

_ = wording(__name__)
_KIND_ATTRIBUTE = "TransferRisk.MapKind"
_COLOURS_CLASS = "vtkMRMLProceduralColorNode"

NOT_SHOWN = 999.0
"""Value of the voxels that a gain map hides: far above its threshold, and clear without opacity in
3-D. Not-a-number would do in slices, but graphics cards may draw it as anything."""


def shown_values(volume: Volume, kind: str, background: np.ndarray | None = None) -> Volume:
    """A map's values as its node has them, float32. Touches no node: it may run beside the GUI thread.

    Args:
        volume: The map's values; those that are not finite are hidden.
        kind: The kind of map, see `styles.STYLES`.
        background: Boolean (k, j, i), true where the case is labelled background or not at all.
            There a transfer gain is shown only when it is negative: what the source gets right
            outside the structures would tint the whole image. Those voxels become `NOT_SHOWN`.
    """
    hidden = NOT_SHOWN if kind == "gain" else 0.0
    values = volume.array.astype(np.float32)
    np.copyto(values, hidden, where=~np.isfinite(values))
    if kind == "gain" and background is not None:
        np.copyto(values, hidden, where=background & (values > -0.05))
    return volume.with_array(values)


def add_map(scene: Node, volume: Volume, kind: str, name: str) -> Node:
    """A map as a float32 volume node that looks as its kind does.

    Args:
        scene: The MRML scene.
        volume: The map's values, as `shown_values` gives them.
        kind: The kind of map, see `styles.STYLES`.
        name: Name of the node.
    """
    node = add_volume(scene, volume, name, style_of(kind).window)
    show_map(node, kind)
    node.SetDescription(_without_value(kind))
    return node


def _without_value(kind: str) -> str:
    """What the numbers of hidden voxels mean, for Data Probe, statistics and exported volumes."""
    if kind == "gain":
        text = _("{number} marks voxels without annotation, and background where the model does not mislead.")
        return text.format(number=f"{NOT_SHOWN:g}")
    return _("0 marks voxels without a value, such as those without annotation.")


def show_map(
    node: Node,
    kind: str,
    window: tuple[float, float] | None = None,
    threshold: tuple[float, float] | None = None,
) -> Node:
    """Give a scalar volume node the colours, window, threshold and legend of a kind of map.

    Args:
        node: The volume node, float, in a scene.
        kind: The kind of map, see `styles.STYLES`.
        window: Values at the ends of the colours, instead of the kind's own.
        threshold: Values outside are transparent, instead of the kind's own.

    Returns:
        The volume display node.
    """
    style = style_of(kind)
    node.CreateDefaultDisplayNodes()
    node.SetAttribute(_KIND_ATTRIBUTE, kind)
    display = node.GetVolumeDisplayNode()
    display.SetAndObserveColorNodeID(colour_node(node.GetScene(), style).GetID())
    set_window(node, *(window or style.window))
    set_threshold(node, *(threshold or style.threshold))
    display.SetInterpolate(True)
    _legend(node, style)
    return display


def kind_of(node: Node) -> str | None:
    """The kind of map that `show_map` gave the node, or None."""
    return node.GetAttribute(_KIND_ATTRIBUTE)


def set_window(node: Node, low: float, high: float) -> None:
    """Fix the values at the two ends of the colours."""
    display = node.GetVolumeDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)


def set_threshold(node: Node, low: float, high: float) -> None:
    """Make values outside of low..high transparent in slices."""
    display = node.GetVolumeDisplayNode()
    display.AutoThresholdOff()
    display.SetThreshold(low, high)
    display.ApplyThresholdOn()


def colour_node(scene: Node, style: MapStyle) -> Node:
    """The procedural colour node of a style; one for the whole scene."""
    import vtk

    name = _colours_name(style)
    found = scene.GetFirstNode(name, _COLOURS_CLASS)
    if found is not None:
        return found
    node = scene.AddNewNodeByClass(_COLOURS_CLASS, name)
    node.SetTypeToUser()
    node.SetHideFromEditors(False)  # colour nodes hide by default, and so would never be offered again
    function = vtk.vtkColorTransferFunction()
    for point in style.points:
        function.AddRGBPoint(*point)
    node.SetAndObserveColorTransferFunction(function)
    return node


def is_colour_node(node: Node) -> bool:
    """Whether a node is one that `colour_node` made; others may be of its class."""
    return node.IsA(_COLOURS_CLASS) and node.GetName() in map(_colours_name, STYLES.values())


def _colours_name(style: MapStyle) -> str:
    return f"{style.name} colours"


def show_in_3d(node: Node, kind: str, visible: bool = True) -> Node:
    """Volume rendering of a map: colours as in the slices, opacity rising with the risk.

    Returns:
        The volume rendering display node; made at the first call, switched on or off by later ones.
    """
    display = _rendering_of(node)
    if display is None:
        display = _add_rendering(node, style_of(kind))
    display.SetVisibility(visible)
    return display


def is_in_3d(node: Node) -> bool:
    """Whether `show_in_3d` was ever asked for this map."""
    return _rendering_of(node) is not None


def _rendering_of(node: Node) -> Node | None:
    for number in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(number)
        if display is not None and display.IsA("vtkMRMLVolumeRenderingDisplayNode"):
            return display
    return None


def _add_rendering(node: Node, style: MapStyle) -> Node:
    import vtk

    scene = node.GetScene()
    holder = scene.AddNewNodeByClass("vtkMRMLVolumePropertyNode", f"{node.GetName()} 3-D look")
    opacity, colours = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
    for value, alpha in style.opacity:
        opacity.AddPoint(value, alpha)
    for point in style.points:
        colours.AddRGBPoint(*point)
    look = holder.GetVolumeProperty()
    look.SetScalarOpacity(opacity)
    look.SetColor(colours)
    look.SetInterpolationTypeToLinear()
    look.ShadeOff()  # shading follows the gradient of the risk, which is no surface
    # Opacity counts per this distance: a hot spot of a few voxels must show.
    look.SetScalarOpacityUnitDistance(float(np.mean(node.GetSpacing())))
    display = scene.AddNewNodeByClass("vtkMRMLGPURayCastVolumeRenderingDisplayNode")
    display.SetAndObserveVolumePropertyNodeID(holder.GetID())
    node.AddAndObserveDisplayNodeID(display.GetID())
    return display


def _legend(node: Node, style: MapStyle) -> None:
    import slicer

    scene = node.GetScene()
    if not scene.IsNodeClassRegistered("vtkMRMLColorLegendDisplayNode"):
        # Desktop Slicer's Colors module does this; the headless application does not.
        scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    legend = legend_of(node)
    if legend is None:
        legend = scene.AddNewNodeByClass("vtkMRMLColorLegendDisplayNode", f"{node.GetName()} legend")
        legend.SetAndObservePrimaryDisplayNode(node.GetVolumeDisplayNode())
        node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(style.legend)
    legend.SetOrientation(slicer.vtkMRMLColorLegendDisplayNode.Horizontal)
    legend.SetPosition(0.5, 0.02)
    legend.SetSize(0.085, 0.55)
    legend.SetNumberOfLabels(style.labels)
    legend.SetLabelFormat("%.1f")
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetFontFamilyToArial()
        text.SetColor(0.95, 0.95, 0.95)
    legend.Modified()  # attaching alone does not make the legend's displayable manager look


def legend_of(node: Node) -> Node | None:
    """The colour legend of a map, or None."""
    for number in range(node.GetNumberOfDisplayNodes()):
        display = node.GetNthDisplayNode(number)
        if display is not None and display.IsA("vtkMRMLColorLegendDisplayNode"):
            return display
    return None
