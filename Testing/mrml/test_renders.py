"""Pictures from Slicer's own views, made in a child process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.segmentation_files import write_labelmap
from TransferRiskLib.mrml import available, render_request
from TransferRiskLib.mrml.render_request import Rendered, RenderRequest, render_case
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((40, 44, 30), (2.0, 2.0, 2.5), (-40.0, -44.0, -37.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
HOT = (15, 30, 10)
"""Index k, j, i of the middle of the hot spot: right (low L) and posterior (high P)."""


def _ball(middle: tuple[int, int, int], radius: float) -> np.ndarray:
    grid = np.indices(GRID.shape) - np.reshape(middle, (3, 1, 1, 1))
    return np.sqrt((grid**2).sum(axis=0)) < radius


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Rendered:
    ok, reason = available.renders_available()
    if not ok:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("renders")
    head, spot = _ball((15, 22, 20), 14), _ball(HOT, 3)
    image = np.where(head, 100.0, 0.0) + np.random.default_rng(0).uniform(0, 5, GRID.shape)
    write_volume(Volume(image.astype(np.float32), GRID), folder / "scan.nii.gz")
    write_volume(Volume(np.where(spot, 3.0, 0.1).astype(np.float32), GRID), folder / "risk.nii.gz")
    write_labelmap(spot.astype(np.int16), GRID, LabelScheme.of("lesion"), folder / "labels.nii.gz")
    request = RenderRequest(
        folder / "scan.nii.gz",
        folder / "pictures",
        maps={"risk": folder / "risk.nii.gz"},
        segmentations={"manual": folder / "labels.nii.gz"},
        scheme=LabelScheme.of("lesion"),
        size=(320, 280),
        views=("axial", "3d"),
        scene=folder / "case.mrb",
    )
    answer = render_case(request, timeout=120)
    assert answer.problem is None
    return answer


def _pixels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(int)[..., :3]


def _hot(pixels: np.ndarray) -> np.ndarray:
    """Pixels as warm as the upper half of the risk colours: red far above blue, none of the greys."""
    return (pixels[..., 0] > 120) & (pixels[..., 0] - pixels[..., 2] > 50)


def test_every_view_of_scan_map_and_segmentation_becomes_a_picture(rendered) -> None:
    assert set(rendered.pictures) == {
        "scan-axial", "risk-axial", "risk-3d", "segmentation-manual-axial", "segmentation-manual-3d",
    }  # fmt: skip
    for path in rendered.pictures.values():
        pixels = _pixels(path)
        assert pixels.shape == (280, 320, 3)
        assert pixels.std() > 3


def test_heat_appears_where_the_map_is_hot_and_only_there(rendered) -> None:
    picture = _hot(_pixels(rendered.pictures["risk-axial"])[:225])  # the legend lies below
    assert picture.sum() > 100
    rows, columns = np.nonzero(picture)
    # Radiological: the patient's right is on the left of the picture, posterior is below.
    assert columns.max() < 160
    assert rows.min() > 110
    assert picture[rows.min() : rows.max(), columns.min() : columns.max()].mean() > 0.6


def test_the_scan_without_a_map_is_grey(rendered) -> None:
    pixels = _pixels(rendered.pictures["scan-axial"])
    assert (pixels.max(axis=-1) - pixels.min(axis=-1)).max() <= 2
    assert (pixels[100:180, 120:200] > 100).mean() > 0.9


def test_the_legend_shows_the_colours_from_low_to_high(rendered) -> None:
    below = _pixels(rendered.pictures["risk-axial"])[225:]
    bar = below[np.ptp(below, axis=2).mean(axis=1).argmax()]
    coloured = np.nonzero(np.ptp(bar, axis=1) > 40)[0]
    assert len(coloured) > 80
    brightness = bar[coloured].sum(axis=1)
    assert brightness[-10:].mean() > 2 * brightness[:10].mean()


def test_the_hot_spot_glows_in_3d(rendered) -> None:
    assert _hot(_pixels(rendered.pictures["risk-3d"])).sum() > 50
    assert _hot(_pixels(rendered.pictures["risk-3d"])).mean() < 0.1


def test_the_scene_is_saved_beside_the_pictures(rendered) -> None:
    assert rendered.scene is not None
    assert rendered.scene.is_file()


def test_a_bad_file_comes_back_as_words(tmp_path) -> None:
    if not available.renders_available()[0]:
        pytest.skip(available.renders_available()[1])
    request = RenderRequest(tmp_path / "absent.nii.gz", tmp_path / "out")
    assert "absent.nii.gz" in (render_case(request).problem or "")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in interpreter is a shell script")
def test_a_crash_of_the_renderer_does_not_reach_the_caller(tmp_path, monkeypatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 'no OpenGL' >&2\nkill -ABRT $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(render_request, "renders_available", lambda: (True, ""))
    monkeypatch.setattr(render_request.sys, "executable", str(crashing))
    answer = render_case(RenderRequest(tmp_path / "scan.nii.gz", tmp_path / "out"))
    assert answer.pictures == {}
    assert "signal 6" in (answer.problem or "")
    assert "no OpenGL" in (answer.problem or "")
