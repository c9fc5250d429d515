"""What a method's settings come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.config import Experiment, MethodSpec
from TransferRiskLib.adaptation.folds import split_folds
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings, preset_settings
from TransferRiskLib.adaptation.starts import starting_network
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.records import from_json, to_json

DEFAULT_PRESET = "plain"
MEMBER_SEED_STEP = 1000
"""Between the seeds of an ensemble's members; the first has the cell's own."""

_AUGMENTATIONS = {
    "default": AugmentationSettings,
    "off": AugmentationSettings.off,
    "strong": AugmentationSettings.strong,
}


def layered(*layers: Mapping[str, Any], where: str = "settings") -> AdaptationSettings:
    """Settings from a preset and overrides; later layers win.

    Args:
        layers: JSON objects with fields of `AdaptationSettings`; the last `preset` in them says where
            to start. `augmentation` is `default`, `off`, `strong`, or an object of overrides of the
            preset's own.
        where: For error messages.

    Raises:
        SettingsError: an unknown preset or field, or a value that makes no sense; it names the place.
    """
    given = {key: value for layer in layers for key, value in layer.items()}
    preset = given.pop("preset", DEFAULT_PRESET)
    try:
        values = to_json(preset_settings(preset))
        augmentation = given.pop("augmentation", {})
        if isinstance(augmentation, str):
            if augmentation not in _AUGMENTATIONS:
                raise SettingsError(
                    f"There is no augmentation {augmentation!r}.", hint=f"One of {', '.join(_AUGMENTATIONS)}."
                )
            values["augmentation"] = to_json(_AUGMENTATIONS[augmentation]())
        elif isinstance(augmentation, Mapping):
            values["augmentation"] = {**values["augmentation"], **augmentation}
        else:
            values["augmentation"] = augmentation  # refused with its place
        return from_json(AdaptationSettings, {**values, **given}, where)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error.message}", hint=error.hint) from error


def base_method(experiment: Experiment, name: str) -> str:
    """The `adapt` method whose settings a method uses: itself, or what an ensemble or mix is of."""
    method = experiment.methods[name]
    return method.of if method.of is not None else name


def settings_of(
    experiment: Experiment, name: str, chosen: Mapping[str, Any] | None = None
) -> AdaptationSettings:
    """The settings of an `adapt` method, or of the one that an ensemble or mix is of.

    Args:
        experiment: Gives budget and method.
        name: Of the method.
        chosen: What tuning chose; it comes last.
    """
    base = base_method(experiment, name)
    where = f"methods.{base}.settings"
    return layered(experiment.budget, experiment.methods[base].settings, chosen or {}, where=where)


def within_budget(
    settings: AdaptationSettings, source: SourceModel, target: LabelScheme
) -> AdaptationSettings:
    """The same number of steps in all: those of a linear probe, where there is one, come out of the rest.

    Raises:
        SettingsError: the probe leaves no step.
    """
    probe = starting_network(source, target, settings).probe_steps
    if probe == 0:
        return settings
    if settings.steps <= probe:
        raise SettingsError(f"A linear probe of {probe} steps leaves nothing of {settings.steps} steps.")
    return dataclasses.replace(settings, steps=settings.steps - probe)


def members(method: MethodSpec, groups: Sequence[str], seed: int) -> int:
    """Trainings of an ensemble on cases of the given subjects."""
    if method.members == "as-folds":
        return 1 + len(split_folds(groups, None, seed))
    assert isinstance(method.members, int), "checked with the configuration"
    return method.members


def trainings(experiment: Experiment, name: str, groups: Sequence[str], seed: int) -> int:
    """How many trainings a method takes on cases of the given subjects."""
    method = experiment.methods[name]
    if method.kind == "ensemble":
        return members(method, groups, seed)
    if method.kind != "adapt":
        return 0
    settings = settings_of(experiment, name)
    folds = len(split_folds(groups, settings.folds, seed))
    return 1 + folds * (2 if settings.audit else 1)


def with_seed(settings: AdaptationSettings, seed: int, member: int = 0) -> AdaptationSettings:
    """The settings of a cell, or of one member of its ensemble."""
    return dataclasses.replace(settings, seed=seed + MEMBER_SEED_STEP * member)


def combinations(experiment: Experiment, method: str) -> list[dict[str, Any]]:
    """Every combination of a method's grid, the first setting varying slowest."""
    assert experiment.tuning is not None, "only where there is a grid"
    result: list[dict[str, Any]] = [{}]
    for key, values in experiment.tuning.grids.get(method, experiment.tuning.grid).items():
        result = [{**chosen, key: value} for chosen in result for value in values]
    return result
