from __future__ import annotations

import io
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.reports import figures
from TransferRiskLib.reports.drawing import drawing, to_svg
from TransferRiskLib.reports.figures import Overlay
from TransferRiskLib.reports.findings import CaseScore, RiskHistogram, TrainingHistory


def paths(svg: str) -> int:
    """Drawn paths of an SVG; a blank figure has only its frame."""
    return sum(element.tag.endswith("}path") for element in ElementTree.fromstring(svg).iter())


def blank_paths() -> int:
    with drawing(3, 2) as (figure, _):
        return paths(to_svg(figure))


@pytest.mark.parametrize(
    "draw",
    [
        lambda f: figures.training_curves(f.histories, f.methods),
        lambda f: figures.dice_strips(f.scores, f.methods),
        lambda f: figures.risk_histogram(f.histogram),
        lambda f: figures.ranking_bars(f.ranking),
    ],
    ids=["training", "dice", "histogram", "ranking"],
)
def test_charts_are_svg_that_is_not_blank_and_the_same_every_time(draw, findings):
    svg = draw(findings)
    assert paths(svg) > blank_paths()
    assert draw(findings) == svg


def test_charts_take_gaps():
    scores = [CaseScore("a", "1", "x", 0.5), CaseScore("b", "1", "x", None), CaseScore("b", "2", "x", 0.7)]
    assert "<svg" in figures.dice_strips(scores)
    assert "<svg" in figures.training_curves([TrainingHistory("a", (1,), (0.3,))])
    assert "<svg" in figures.risk_histogram(RiskHistogram((0.0, 1.0, 2.0), {"x": (0, 0)}))


def test_smoothing_keeps_constants_and_averages_at_the_ends():
    np.testing.assert_allclose(figures._smooth([2.0] * 200), 2.0)
    ramp = figures._smooth([float(n) for n in range(80)])
    assert ramp[0] == pytest.approx((0 + 1 + 2) / 3)
    assert ramp[40] == pytest.approx(40)
    assert ramp[79] == pytest.approx((77 + 78 + 79) / 3)


def pixels(png: bytes) -> np.ndarray:
    import matplotlib.image

    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def test_the_montage_shows_heat_and_outlines_in_colour():
    grey = np.tile(np.linspace(0, 1, 32), (32, 1))
    plain = pixels(figures.montage([[Overlay("image", grey)]]))
    assert np.ptp(plain) > 0.9
    assert np.abs(plain.max(axis=-1) - plain.min(axis=-1)).max() < 0.02
    labels = np.zeros((32, 32), dtype=int)
    labels[8:24, 8:24] = 1
    for extra in (Overlay("h", grey, heat=2 * grey), Overlay("l", grey, labels=labels)):
        coloured = pixels(figures.montage([[extra]]))
        assert (coloured.max(axis=-1) - coloured.min(axis=-1)).max() > 0.3


def test_a_montage_of_slices_that_do_not_fit_is_refused():
    with pytest.raises(SettingsError, match=r"\(4, 4\).*\(5, 4\)"):
        figures.montage([[Overlay("x", np.zeros((4, 4)), heat=np.zeros((5, 4)))]])
    with pytest.raises(SettingsError, match="at least one"):
        figures.montage([])


def test_a_missing_matplotlib_is_named(monkeypatch, findings):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SettingsError, match="pip install matplotlib"):
        figures.ranking_bars(findings.ranking)


def test_figures_leave_pyplots_state_alone(findings):
    figures.ranking_bars(findings.ranking)
    import matplotlib

    assert matplotlib.rcParams["svg.hashsalt"] != "transferrisk"
