"""Settings as the window names them: levels of augmentation, and fields within the augmentation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings, preset_settings
from TransferRiskLib.records import to_json

FIELD = "augmentation"
Level = Literal["preset", "none", "stronger"]


def read(settings: AdaptationSettings, field: str) -> Any:
    """The value of an option: a field, a field within the augmentation, or the augmentation's level.

    Args:
        settings: Made from a preset, whose name they bear.
        field: Such as `steps`, `augmentation.remap` or `augmentation`; the last one gives a `Level`,
            or None for an augmentation that was composed elsewhere.
    """
    if field == FIELD:
        return _level(settings)
    value: Any = settings
    for part in field.split("."):
        value = getattr(value, part)
    return value


def changed(settings: AdaptationSettings, field: str, value: Any) -> tuple[str, Any]:
    """The field of `AdaptationSettings` to set, and its JSON value, for a changed option.

    Args:
        settings: What holds now.
        field, value: As for `read`.
    """
    if field == FIELD:
        return field, to_json(_at_level(settings, value))
    whole, _, part = field.partition(".")
    if not part:
        return field, value
    return whole, {**to_json(getattr(settings, whole)), part: to_json(value)}


def _level(settings: AdaptationSettings) -> Level | None:
    own = preset_settings(settings.preset).augmentation
    known: tuple[tuple[Level, AugmentationSettings], ...] = (
        ("preset", own),
        ("none", AugmentationSettings.off()),
        ("stronger", AugmentationSettings.strong()),
    )
    return next((name for name, one in known if _strength(one) == _strength(settings.augmentation)), None)


def _strength(augmentation: AugmentationSettings) -> AugmentationSettings:
    return replace(augmentation, remap=False, mirror_axes=())


def _at_level(settings: AdaptationSettings, level: Level) -> AugmentationSettings:
    if level == "none":
        return AugmentationSettings.off()
    if level == "preset":
        return preset_settings(settings.preset).augmentation
    now = settings.augmentation
    axes = None if now == AugmentationSettings.off() else now.mirror_axes
    return replace(AugmentationSettings.strong(), remap=now.remap, mirror_axes=axes)
