"""What a bundle's list of MONAI transforms says about spacing, orientation and intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.bundle_configs import Unresolved, leaves, resolve
from TransferRiskLib.models.card import Normalisation

CARD_EXAMPLE = (
    '{"name": "my model", "channels": ["T1", "FLAIR"], "labels": ["background", "lesion"], '
    '"activation": "softmax", "spacing": [1, 1, 1], "orientation": "RAS", '
    '"normalisation": {"kind": "zscore", "nonzero": true}, "patch_size": [96, 96, 96], "divisible_by": 16}'
)
CARD_HINT = f"Write a configs/card.json that says it, for example: {CARD_EXAMPLE}"
_INTENSITY = {
    "NormalizeIntensity", "ScaleIntensity", "ScaleIntensityRange", "ScaleIntensityRangePercentiles",
    "ThresholdIntensity", "ClipIntensityPercentiles", "HistogramNormalize", "ShiftIntensity",
    "AdjustContrast", "MaskIntensity",
}  # fmt: skip


@dataclass(frozen=True)
class Preprocessing:
    """How images are brought to a bundle's network; fields as in `ModelCard`."""

    spacing: tuple[float, float, float] | None = None
    orientation: str = "RAS"
    normalisation: Normalisation = field(default_factory=lambda: Normalisation("none"))


def transforms_of(config: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    """The transforms of `preprocessing` or `postprocessing`, references resolved; empty when unknown."""
    places = ((section,), ("validate", section), ("val", section), ("train", section))
    for place in places:
        value: Any = config
        for part in place:
            value = value.get(part) if isinstance(value, Mapping) else None
        found = resolve(value, config)
        if isinstance(found, Mapping) and "transforms" in found:
            found = found["transforms"]
        if isinstance(found, list):
            return [entry for entry in found if isinstance(entry, dict) and not entry.get("_disabled_")]
    return []


def read_preprocessing(config: Mapping[str, Any], channels: int, file: Path | None = None) -> Preprocessing:
    """What the `preprocessing` of a bundle does, as far as a card can say it.

    Args:
        config: The bundle's configuration.
        channels: Number of input channels.
        file: The bundle, for messages.

    Raises:
        ModelError: no list of transforms, a value that only running an expression would give, or
            intensities that no `Normalisation` describes.
    """
    transforms = transforms_of(config, "preprocessing")
    if not transforms:
        raise _unclear("its preprocessing is not a list of transforms", file)
    spacing: tuple[float, float, float] | None = None
    orientation = "RAS"
    intensity: list[tuple[str, dict[str, Any]]] = []
    for transform in transforms:
        kind = base_name(transform)
        if kind == "Spacing":
            _require_known(transform, ("pixdim",), kind, file)
            spacing = _spacing(transform.get("pixdim"), file)
        elif kind == "Orientation":
            _require_known(transform, ("axcodes",), kind, file)
            orientation = str(transform.get("axcodes") or "RAS").upper()
        elif kind in _INTENSITY:
            _require_known(transform, tuple(transform), kind, file)
            intensity.append((kind, transform))
    return Preprocessing(spacing, orientation, _normalisation(intensity, channels, file))


def base_name(transform: Mapping[str, Any]) -> str:
    """The transform's name without module and dictionary suffix: `Spacingd` is `Spacing`."""
    name = str(transform.get("_target_", "")).rpartition(".")[2]
    for suffix in ("Dict", "d", "D"):
        if name.endswith(suffix) and name[: -len(suffix)] in _INTENSITY | {"Spacing", "Orientation"}:
            return name[: -len(suffix)]
    return name


def _spacing(pixdim: Any, file: Path | None) -> tuple[float, float, float] | None:
    values = [pixdim] * 3 if isinstance(pixdim, (int, float)) else pixdim
    if isinstance(values, Sequence) and len(values) == 1:
        values = [values[0]] * 3
    if not isinstance(values, Sequence) or len(values) < 3:
        raise _unclear(f"its spacing is {pixdim!r}", file)
    x, y, z = (float(value) for value in values[:3])
    if max(x, y, z) <= 0:
        return None
    if min(x, y, z) <= 0:
        raise _unclear(f"its spacing {pixdim!r} keeps some axes and changes others", file)
    return x, y, z


def _normalisation(
    steps: list[tuple[str, dict[str, Any]]], channels: int, file: Path | None
) -> Normalisation:
    if not steps:
        return Normalisation("none")
    kind, last = steps[-1]
    earlier = steps[:-1]
    if kind == "NormalizeIntensity":
        nonzero = is_true(last.get("nonzero"))
        # a z-score undoes whatever affine change came before, unless that change moved the zeros
        harmless = all(name == "ScaleIntensity" for name, _ in earlier) and not (earlier and nonzero)
        plain = last.get("subtrahend") is None and last.get("divisor") is None
        if harmless and plain and (channels == 1 or is_true(last.get("channel_wise"))):
            return Normalisation("zscore", nonzero=nonzero)
    elif not earlier and kind == "ScaleIntensityRange" and _unit_range(last) and is_true(last.get("clip")):
        return Normalisation("window", limits=(float(last["a_min"]), float(last["a_max"])))
    elif not earlier and kind == "ScaleIntensityRangePercentiles" and _unit_range(last):
        per_channel = channels == 1 or is_true(last.get("channel_wise"))
        if per_channel and is_true(last.get("clip")) and not is_true(last.get("relative")):
            return Normalisation("percentile", limits=(float(last["lower"]), float(last["upper"])))
    elif not earlier and kind == "ScaleIntensity":
        unit = last.get("minv", 0) == 0 and last.get("maxv", 1) == 1 and last.get("factor") is None
        if unit and (channels == 1 or is_true(last.get("channel_wise"))):
            return Normalisation("minmax")
    raise _unclear(
        f"its intensity preprocessing ({', '.join(name for name, _ in steps)} with these settings) is not "
        "one that a card can describe",
        file,
    )


def _unit_range(transform: Mapping[str, Any]) -> bool:
    return transform.get("b_min") == 0 and transform.get("b_max") == 1


def _require_known(transform: Mapping[str, Any], names: Sequence[str], kind: str, file: Path | None) -> None:
    for name in names:
        for _, value in leaves(transform.get(name)):
            if isinstance(value, Unresolved):
                raise _unclear(f"{name!r} of {kind} is the expression {value.expression!r}", file)


def is_true(value: Any) -> bool:
    """Whether a configuration says true, as a truth value or in words."""
    return value is True or (isinstance(value, str) and value.casefold() == "true")


def _unclear(what: str, file: Path | None) -> ModelError:
    return ModelError(f"There is no card for this model, and {what}.", file=file, hint=CARD_HINT)
