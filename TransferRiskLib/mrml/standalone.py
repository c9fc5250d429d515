"""A headless Slicer: the application's scene, logics and off-screen views, without the desktop.

Only the set-up lives here; what is done with the scene is the same code as in desktop Slicer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.mrml.available import scene_available
from TransferRiskLib.mrml.nodes import Node

SLICE_VIEWS = {"axial": "Axial", "sagittal": "Sagittal", "coronal": "Coronal"}


class HeadlessSlicer:
    """Slicer's application logic, scene and views in this process. Make it through `headless_slicer`.

    Attributes:
        scene: The `vtkMRMLScene`.
        views: View name ("axial", "sagittal", "coronal", "3d") to trame-slicer view; empty without views.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        from trame_slicer.core import SlicerApp

        _quiet()
        self._app = SlicerApp()
        self.scene: Node = self._app.scene
        register_nodes(self.scene)
        self.views: dict[str, Any] = {}
        if size is not None:
            self._add_views(size)

    def _add_views(self, size: tuple[int, int]) -> None:
        from trame_slicer.views import DirectViewFactory, ViewLayoutDefinition, ViewProps, ViewType

        manager = self._app.view_manager
        manager.register_factory(DirectViewFactory(do_render_offscreen=True))
        for name, orientation in SLICE_VIEWS.items():
            props = ViewProps(orientation=orientation, background_color="#000000")
            self.views[name] = manager.create_view(
                ViewLayoutDefinition(orientation, ViewType.SLICE_VIEW, props)
            )
            self.views[name].set_orientation(orientation)
        props = ViewProps(background_color=("#05060a", "#1b2030"), box_visible=False)
        self.views["3d"] = manager.create_view(ViewLayoutDefinition("ThreeD", ViewType.THREE_D_VIEW, props))
        for view in self.views.values():
            window = view.render_window()
            # Both are for graphics cards: a software renderer takes minutes with them, seconds without.
            window.SetMultiSamples(0)
            for renderer in view.renderers():
                renderer.SetUseDepthPeeling(False)
                renderer.SetUseDepthPeelingForVolumes(False)
            view.set_render_blocked(True)  # every change of a node would render; `capture` renders once
            window.SetSize(*size)
            view.update_size(*size)

    def close(self) -> None:
        """Finalise the views before the scene goes; VTK reports errors otherwise."""
        for view in self.views.values():
            view.set_render_blocked(True)
            view.finalize()
        self.views.clear()
        self.scene.Clear(True)


@contextlib.contextmanager
def headless_slicer(size: tuple[int, int] | None = None) -> Iterator[HeadlessSlicer]:
    """A headless Slicer that is closed in the right order.

    Args:
        size: Width and height of the views in pixels; None makes none, and needs no OpenGL.

    Raises:
        TransferRiskError: the packages are not installed; the hint says how to get them.
    """
    ok, reason = scene_available()
    if not ok:
        raise TransferRiskError("Slicer's scene is not available here.", hint=reason)
    slicer = HeadlessSlicer(size)
    try:
        yield slicer
    finally:
        slicer.close()


def register_nodes(scene: Node) -> None:
    """Make known to a scene the node classes that desktop Slicer's modules register by themselves."""
    import slicer

    for name in ("vtkMRMLColorLegendDisplayNode",):
        if not scene.IsNodeClassRegistered(name):
            scene.RegisterNodeClass(getattr(slicer, name)())


def capture(view: Any, path: Path) -> None:
    """Render a view and write it as PNG, atomically."""
    import vtk

    from TransferRiskLib.atomic import atomic_path

    view.set_render_blocked(False)
    view.render()
    view.set_render_blocked(True)
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(view.render_window())
    grab.SetInputBufferTypeToRGB()
    grab.ReadFrontBufferOff()
    grab.Update()
    with atomic_path(path) as scratch:
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(scratch))
        writer.SetInputConnection(grab.GetOutputPort())
        writer.Write()


def _quiet() -> None:
    """Only warnings and errors of VTK on the console."""
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_WARNING)
