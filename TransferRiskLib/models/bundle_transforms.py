"""What a bundle's list of MONAI transforms says about spacing, orientation and intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.bundle_configs import leaves, resolve
from TransferRiskLib.models.bundle_expressions import Unresolved
from TransferRiskLib.models.card import Normalisation

CARD_EXAMPLE = (
    '{"name": "my model", "channels": ["T1", "FLAIR"], "labels": ["background", "lesion"], '
    '"activation": "softmax", "spacing": [1, 1, 1], "orientation": "RAS", '
    '"normalisation": {"kind": "zscore", "nonzero": true}, "patch_size": [96, 96, 96], "divisible_by": 16}'
)
CARD_HINT = f"Write a configs/card.json that says it, for example: {CARD_EXAMPLE}"
_INTENSITY: Mapping[str, tuple[str, ...]] = {  # with the arguments that decide what they do
    "NormalizeIntensity": ("nonzero", "channel_wise", "subtrahend", "divisor"),
    "ScaleIntensity": ("minv", "maxv", "factor", "channel_wise"),
    "ScaleIntensityRange": ("a_min", "a_max", "b_min", "b_max", "clip"),
    "ScaleIntensityRangePercentiles": (
        "lower",
        "upper",
        "b_min",
        "b_max",
        "clip",
        "relative",
        "channel_wise",
    ),
}
_HARMLESS = {  # they change neither intensities nor geometry, or only pad
    "LoadImage", "EnsureChannelFirst", "AsChannelFirst", "AddChannel", "EnsureType", "ToTensor", "ToNumpy",
    "ToDevice", "CastToType", "Identity", "SqueezeDim", "SelectItems", "DeleteItems", "CopyItems",
    "ConcatItems", "SpatialPad", "DivisiblePad", "BorderPad",
}  # fmt: skip
_GEOMETRY = {"Spacing", "Orientation", "CropForeground"}
_KNOWN = _HARMLESS | _GEOMETRY | set(_INTENSITY)
_NOT_IMAGES = ("label", "mask", "seg", "pred")


@dataclass(frozen=True)
class Preprocessing:
    """How images are brought to a bundle's network; fields as in `ModelCard`."""

    spacing: tuple[float, float, float] | None = None
    orientation: str | None = None
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
            return [_transform(entry) for entry in found if not _is_disabled(entry)]
    return []


def _is_disabled(entry: Any) -> bool:
    return isinstance(entry, dict) and is_true(entry.get("_disabled_"))


def _transform(entry: Any) -> dict[str, Any]:
    """The entry of a list of transforms; a stand-in that nothing knows for one that only code could tell."""
    if not isinstance(entry, dict):
        return {"_target_": f"the expression {entry!r}".replace(".", " ")}
    if isinstance(entry.get("_disabled_"), Unresolved):
        return {"_target_": f"{base_name(entry)} or not"}
    return entry


def read_preprocessing(config: Mapping[str, Any], channels: int, file: Path | None = None) -> Preprocessing:
    """What the `preprocessing` of a bundle does, as far as a card can say it.

    Args:
        config: The bundle's configuration.
        channels: Number of input channels.
        file: The bundle, for messages.

    Raises:
        ModelError: no list of transforms, a value that only running an expression would give, a transform
            whose effect a card cannot say, or intensities that no `Normalisation` describes.
    """
    transforms = transforms_of(config, "preprocessing")
    if not transforms:
        raise _unclear("its preprocessing is not a list of transforms", file)
    spacing: tuple[float, float, float] | None = None
    orientation: str | None = None
    intensity: list[tuple[str, dict[str, Any]]] = []
    cropped = False
    for transform in filter(_is_for_images, transforms):
        kind = base_name(transform)
        if kind == "Spacing":
            _require_known(transform, ("pixdim",), kind, file)
            spacing = _spacing(transform.get("pixdim"), file)
        elif kind == "Orientation":
            _require_known(transform, ("axcodes", "as_closest_canonical"), kind, file)
            if spacing is not None and len(set(spacing)) > 1:
                raise _unclear(f"its spacing {spacing} belongs to axes that are turned afterwards", file)
            canonical = is_true(transform.get("as_closest_canonical"))
            orientation = "RAS" if canonical else str(transform.get("axcodes") or "RAS").upper()
        elif kind == "CropForeground":
            cropped = True
        elif kind in _INTENSITY:
            _require_known(transform, _INTENSITY[kind], kind, file)
            if cropped and not (kind == "ScaleIntensityRange" or is_true(transform.get("nonzero"))):
                raise _unclear(f"its {kind} takes statistics over the foreground's box only", file)
            intensity.append((kind, transform))
        elif kind not in _HARMLESS and not kind.startswith("Rand"):  # Rand...: augmentation in a train.json
            raise _unclear(f"its preprocessing has {kind!r}, which no card describes", file)
    return Preprocessing(spacing, orientation, _normalisation(intensity, channels, file))


def refuse_own_code(config: Mapping[str, Any], file: Path | None = None) -> None:
    """Refuse a bundle whose preprocessing or inferer is code of its own, by saying so.

    Raises:
        UntrustedModelError: the class of a transform, or of the inferer, is not MONAI's.
    """
    parts = [("preprocessing", entry) for entry in transforms_of(config, "preprocessing")]
    for section, part in [*parts, ("inferer", resolve(config.get("inferer"), config))]:
        target = part.get("_target_") if isinstance(part, Mapping) else None
        if isinstance(target, str) and "." in target and not target.startswith("monai."):
            raise UntrustedModelError(
                f"Its {section} uses {target!r}, code that comes with the bundle; such code is never run.",
                file=file,
                hint=f"If you know what that code does, and a card can say it: {CARD_HINT}",
            )


def _is_for_images(transform: Mapping[str, Any]) -> bool:
    """Whether a transform has anything but labels among its keys."""
    keys = transform.get("keys")
    keys = [keys] if isinstance(keys, str) else keys
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        return True
    return not keys or any(not any(word in key.casefold() for word in _NOT_IMAGES) for key in keys)


def base_name(transform: Mapping[str, Any]) -> str:
    """The transform's name without module and dictionary suffix: `Spacingd` is `Spacing`."""
    name = str(transform.get("_target_", "")).rpartition(".")[2]
    for suffix in ("Dict", "d", "D"):
        if name.endswith(suffix) and name[: -len(suffix)] in _KNOWN:
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
    bounds = _range(last)
    # a z-score or a map of minimum and maximum undoes whatever affine change came before; a change that
    # moved the zeros among the other values stays visible where zeros are told apart
    affine = all(name in ("ScaleIntensity", "NormalizeIntensity") for name, _ in earlier)
    moved = any(is_true(step.get("nonzero")) for _, step in earlier)
    per_channel = all(
        channels == 1 or name == "ScaleIntensityRange" or is_true(step.get("channel_wise"))
        for name, step in steps
    )
    own = any(step.get(name) is not None for _, step in steps for name in ("subtrahend", "divisor"))
    if per_channel and not own and affine and kind == "NormalizeIntensity":
        nonzero = is_true(last.get("nonzero"))
        if not moved and not (earlier and nonzero):
            return Normalisation("zscore", nonzero=nonzero)
    elif per_channel and not own and affine and kind == "ScaleIntensity" and bounds:
        if not moved:
            return Normalisation("minmax", range=_unless_unit(bounds))
        if len(earlier) == 1:
            return Normalisation("zscore", nonzero=True, range=bounds)
    elif not earlier and bounds and is_true(last.get("clip")):
        limits = _numbers(
            last, *(("a_min", "a_max") if kind == "ScaleIntensityRange" else ("lower", "upper"))
        )
        if kind == "ScaleIntensityRange" and limits:
            return Normalisation("window", limits=limits, range=_unless_unit(bounds))
        if kind != "ScaleIntensityRange" and limits and per_channel and not is_true(last.get("relative")):
            return Normalisation("percentile", limits=limits, range=_unless_unit(bounds))
    raise _unclear(
        f"its intensity preprocessing ({', '.join(_described(*step) for step in steps)}) is not one that a "
        "card can describe",
        file,
    )


def _range(transform: Mapping[str, Any]) -> tuple[float, float] | None:
    """The ends that a scaling maps to, where it says so in numbers of ascending order."""
    if base_name(transform) != "ScaleIntensity":
        return _numbers(transform, "b_min", "b_max")
    if transform.get("factor") is not None:
        return None
    return _numbers({"minv": 0.0, "maxv": 1.0, **transform}, "minv", "maxv")


def _numbers(transform: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    """Two arguments, where they are numbers in ascending order."""
    first, last = transform.get(low), transform.get(high)
    if isinstance(first, (int, float)) and isinstance(last, (int, float)) and first < last:
        return float(first), float(last)
    return None


def _unless_unit(bounds: tuple[float, float]) -> tuple[float, float] | None:
    return None if bounds == (0.0, 1.0) else bounds


def _described(kind: str, transform: Mapping[str, Any]) -> str:
    given = [f"{name}={transform[name]}" for name in _INTENSITY[kind] if name in transform]
    return f"{kind}({', '.join(given)})"


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
