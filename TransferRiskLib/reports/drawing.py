"""How every chart looks: style, colours and markers of series, files; drawn off screen."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from TransferRiskLib.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008, without the yellow that vanishes on white paper;
# line styles and markers tell the series apart where colour is lost.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1)), (0, (8, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STYLE: dict[Any, Any] = {
    "font.size": 9.5, "axes.titlesize": 10.5, "axes.labelsize": 9.5, "legend.fontsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "lines.linewidth": 1.6,
    "legend.frameon": False, "figure.facecolor": "white", "savefig.facecolor": "white",
    "svg.hashsalt": "transferrisk",
}  # fmt: skip


@contextlib.contextmanager
def drawing(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure free of pyplot's global state (safe in threads and beside a GUI) and its flat axes.

    Args:
        width, height: In inches.
        rows, columns: Of the grid of axes.
        options: For `Figure.subplots`.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingsError(
            f"Figures need matplotlib, which cannot be imported ({error}).", hint="pip install matplotlib"
        ) from error
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def to_svg(figure: Figure) -> str:
    """SVG text, the same every time."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "TransferRisk"})
    return buffer.getvalue()


def to_png(figure: Figure) -> bytes:
    """PNG bytes, the same every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def legend_below(figure: Figure, axes: Axes, entries: int) -> None:
    """The legend of `axes` under the whole figure, at most four entries a line."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(entries, 4))


def colour(number: int) -> str:
    """The colour of a series."""
    return _COLOURS[number % len(_COLOURS)]


def marker(number: int) -> str:
    """The marker of a series."""
    return _MARKERS[number % len(_MARKERS)]


def dashes(number: int) -> Any:
    """The line style of a series."""
    return _DASHES[number % len(_DASHES)]
