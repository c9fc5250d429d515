"""What a reader of a picture needs: which side is which, and a camera that shows the whole head."""

from __future__ import annotations

from typing import Any

import numpy as np

_NAMES = (("L", "R"), ("P", "A"), ("I", "S"))
_FROM = np.array([-0.55, 0.75, 0.45])  # RAS direction of the eye: left, in front, above


def letters(view: Any) -> None:
    """Write the anatomical directions on the four edges of a slice view, once."""
    if getattr(view, "transfer_risk_letters", None) is None:
        view.transfer_risk_letters = [_letter(view, *place) for place in _places(view)]


def _places(view: Any) -> list[tuple[str, float, float]]:
    matrix = view.get_view_node().GetSliceToRAS()
    right = np.array([matrix.GetElement(row, 0) for row in range(3)])
    up = np.array([matrix.GetElement(row, 1) for row in range(3)])
    return [(_side(-right), 0.02, 0.5), (_side(right), 0.98, 0.5), (_side(up), 0.5, 0.98)]


def _side(direction: np.ndarray) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return _NAMES[axis][int(direction[axis] > 0)]


def _letter(view: Any, text: str, x: float, y: float) -> Any:
    import vtk

    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    place = actor.GetPositionCoordinate()
    place.SetCoordinateSystemToNormalizedViewport()
    place.SetValue(x, y)
    look = actor.GetTextProperty()
    look.SetFontSize(max(14, view.render_window().GetSize()[1] // 26))
    look.SetColor(0.95, 0.95, 0.95)
    look.BoldOn()
    look.SetJustification(0 if x < 0.3 else 2 if x > 0.7 else 1)
    look.SetVerticalJustification(2 if y > 0.7 else 1)
    view.first_renderer().AddViewProp(actor)
    return actor


def aim_camera(view: Any, points: np.ndarray, margin: float = 1.12) -> None:
    """Look at points from the front, the left and above, so that they fill a 3-D view.

    Args:
        view: trame-slicer's 3-D view.
        points: LPS mm, shape (N, 3).
        margin: The view's size over that of the points.
    """
    eye = _FROM / np.linalg.norm(_FROM)
    right = np.cross([0.0, 0.0, 1.0], eye)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(eye, right), eye])
    seen = (points * [-1, -1, 1]) @ axes.T  # along right, up and towards the eye
    low, high = seen.min(axis=0), seen.max(axis=0)
    half = (high - low) / 2 * margin
    width, height = view.render_window().GetSize()
    camera = view.get_camera_node().GetCamera()
    # The view angle is that of the height; the nearest point must fit as well.
    distance = max(half[1], half[0] * height / width) / np.tan(np.deg2rad(camera.GetViewAngle() / 2))
    middle = (low + high) / 2 @ axes
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(middle + eye * (distance + half[2] / 2)))
    camera.SetViewUp(0, 0, 1)
    view.first_renderer().ResetCameraClippingRange()
