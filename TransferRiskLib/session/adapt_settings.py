"""Settings of an adaptation as the window composes them, and whether they fit the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from TransferRiskLib.adaptation.settings import PRESETS, AdaptationSettings, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.desk import YES, Verdict, no
from TransferRiskLib.session.state import AdaptChoice
from TransferRiskLib.wording import wording

_ = wording(__name__)


def composed(preset: str, overrides: Mapping[str, Any]) -> AdaptationSettings:
    """A preset with single fields replaced by JSON values.

    Raises:
        SettingsError: an unknown preset or field, or a value that makes no sense.
    """
    known = {field.name for field in dataclasses.fields(AdaptationSettings)}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise SettingsError(_("There is no adaptation setting {name}.").format(name=unknown[0]))
    return from_json(AdaptationSettings, {**to_json(preset_settings(preset)), **overrides})


def understood(choice: AdaptChoice) -> tuple[AdaptChoice, list[str]]:
    """What of a choice from another version this one knows, and the names of the rest."""
    preset = choice.preset if choice.preset in PRESETS else AdaptChoice().preset
    kept: dict[str, Any] = {}
    for name, value in choice.overrides.items():
        try:
            composed(preset, {**kept, name: value})
        except SettingsError:
            continue
        kept[name] = value
    strange = [name for name in choice.overrides if name not in kept]
    strange += [choice.preset] if preset != choice.preset else []
    return dataclasses.replace(choice, preset=preset, overrides=kept), strange


def can_compose(preset: str, overrides: Mapping[str, Any], card: ModelCard | None) -> Verdict:
    """Whether the settings make sense, for the model of a card if there is one."""
    try:
        patch = composed(preset, overrides).patch_size or ()
    except SettingsError as error:
        return no(str(error))
    divisor = card.divisible_by if card is not None else 1
    if any(size % divisor for size in patch):
        text = _("The patch must be a multiple of {number} along every axis for this model.")
        return no(text.format(number=divisor))
    return YES


def brings_new_labels(target: LabelScheme | None, card: ModelCard) -> bool:
    """Whether a target label is new to the model, so that its output layer has to be trained first."""
    known = {name.casefold() for name in card.labels.names}
    return target is not None and any(name.casefold() not in known for name in target.names)
