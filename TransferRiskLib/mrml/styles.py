"""How each kind of map looks: legend with its unit, fixed window, what is hidden, colours."""

from __future__ import annotations

from dataclasses import dataclass

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.wording import wording

_ = wording(__name__)

Colours = tuple[tuple[float, float, float], ...]

SEQUENTIAL: Colours = (
    (0.171, 0.112, 0.434), (0.455, 0.004, 0.506), (0.658, 0.004, 0.470), (0.853, 0.002, 0.421),
    (0.995, 0.214, 0.342), (0.998, 0.474, 0.334), (1.000, 0.652, 0.384), (1.000, 0.807, 0.487),
    (0.999, 0.950, 0.643),
)  # fmt: skip
"""Equal steps of CIE lightness from L* = 18 (purple) to 95 (pale yellow): perceptually uniform."""

DIVERGING: Colours = (
    (0.661, 0.000, 0.124), (0.796, 0.283, 0.273), (0.882, 0.494, 0.461), (0.936, 0.695, 0.668),
    (0.910, 0.910, 0.910),
    (0.614, 0.769, 0.930), (0.252, 0.631, 0.899), (0.009, 0.484, 0.725), (0.014, 0.341, 0.517),
)  # fmt: skip
"""Red (negative) over grey to blue (positive), equally light on both sides: L* = 35 to 92."""


@dataclass(frozen=True)
class MapStyle:
    """The look of one kind of map.

    Attributes:
        kind: The kind, as in `tasks.requests.MapKind` (and "uncertainty" of a segmentation).
        name: Of its colours in the scene.
        window: Values at the ends of the colours. Fixed, so that two maps can be compared.
        threshold: Values outside are transparent in slices.
        colours: Equidistant RGB control points from the lower to the upper end of the window.
        labels: Numbers along the legend.
        opacity: Value and opacity of the points of the volume rendering's opacity curve.
    """

    kind: str
    name: str
    window: tuple[float, float]
    threshold: tuple[float, float]
    colours: Colours
    opacity: tuple[tuple[float, float], ...]
    labels: int = 5

    @property
    def legend(self) -> str:
        """The legend's title with the unit."""
        return {
            "risk": _("Transfer risk (nats)"),
            "relative-risk": _("Relative transfer risk (1: uninformed)"),
            "gain": _("Transfer gain (nats, red: misleads)"),
            "expected-risk": _("Expected risk (nats)"),
            "uncertainty": _("Uncertainty (nats)"),
        }[self.kind]

    def opened(self, low: float, high: float) -> tuple[float, float]:
        """The threshold of two handles that move over the window: one at its end hides nothing there.

        Colours end with the window, values do not: the worst spots lie beyond it. Zero stays hidden where
        nothing is below it: a map of risk holds it where nobody annotated, and unknown is not safe.
        """
        ends, own = self.window, self.threshold
        lowest, highest = min(ends[0], own[0]), max(ends[1], own[1])
        return (
            (lowest if lowest < 0 else _ABOVE_ZERO) if low <= ends[0] + _HAIR else low,
            highest if high >= ends[1] - _HAIR else high,
        )

    @property
    def points(self) -> list[tuple[float, float, float, float]]:
        """Value, red, green, blue of every control point, over the window."""
        low, high = self.window
        step = (high - low) / (len(self.colours) - 1)
        return [(low + n * step, *colour) for n, colour in enumerate(self.colours)]


_EVERYTHING = 1e6
_ABOVE_ZERO = 1e-6
"""Below every risk that is known: P(y|z) is never quite 1."""
_HAIR = 0.005
"""Handles show two decimals: nearer to an end than half of the last one, they stand at it."""


def _hot(low: float, high: float) -> tuple[tuple[float, float], ...]:
    middle = (low + high) / 2
    return ((low, 0.0), (low + (middle - low) / 4, 0.05), (middle, 0.6), (high, 0.95))


STYLES: dict[str, MapStyle] = {
    style.kind: style
    for style in (
        MapStyle("risk", "Transfer risk", (0.0, 3.0), (0.5, _EVERYTHING),
                 SEQUENTIAL, _hot(1.0, 3.0), 4),
        MapStyle("relative-risk", "Relative transfer risk", (0.0, 2.0), (0.4, _EVERYTHING),
                 SEQUENTIAL, _hot(0.8, 2.0)),
        MapStyle("gain", "Transfer gain", (-2.0, 2.0), (-50.0, 50.0),
                 DIVERGING, ((-2.0, 0.9), (-1.0, 0.5), (-0.1, 0.05), (0.0, 0.0)), 3),
        MapStyle("expected-risk", "Expected risk", (0.0, 1.5), (0.25, _EVERYTHING),
                 SEQUENTIAL, _hot(0.5, 1.5), 4),
        MapStyle("uncertainty", "Uncertainty", (0.0, 1.5), (0.25, _EVERYTHING),
                 SEQUENTIAL, _hot(0.5, 1.5), 4),
    )
}  # fmt: skip


def style_of(kind: str) -> MapStyle:
    """The style of a kind of map; raises SettingsError when it has none."""
    if kind not in STYLES:
        raise SettingsError(f"Maps of kind {kind!r} have no style.", hint=f"Known: {', '.join(STYLES)}.")
    return STYLES[kind]
