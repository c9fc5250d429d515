"""What a bundle's outputs are: their names, their activation, and their order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.bundle_transforms import CARD_HINT, base_name, is_true, transforms_of

Activation = Literal["softmax", "sigmoid", "nested"]

_BACKGROUNDS = {"background", "bg", "back ground", "everything else", "other", "none", "unlabeled"}
_TUMOUR_REGIONS = (  # of the BraTS challenges, outermost first: each contains the next
    {"whole tumor", "wt"},
    {"tumor core", "tc"},
    {"enhancing tumor", "enhanced tumor", "gd enhancing tumor", "et"},
)


def read_labels(
    outputs: tuple[str, ...], config: Mapping[str, Any], file: Path | None = None
) -> tuple[LabelScheme, Activation, tuple[int, ...]]:
    """Labels, activation and output order of a bundle, as a card has them.

    Sigmoid outputs that are all regions of the BraTS challenges (whole tumour, tumour core, enhancing
    tumour, or their initials) are nested, whatever their order; any others are independent. A background
    that is not the first output of a softmax is put first.

    Args:
        outputs: Names of the network's outputs, in its order.
        config: The bundle's configuration.
        file: The bundle, for messages.

    Raises:
        ModelError: no activation, or no background among exclusive outputs.
    """
    activation = _activation(config, outputs, file)
    if activation == "softmax":
        backgrounds = [n for n, name in enumerate(outputs) if name.casefold() in _BACKGROUNDS]
        if len(backgrounds) != 1:
            raise lacking(
                f"output 0 is {outputs[0]!r}, and which output is the background is not said"
                if not backgrounds
                else f"several outputs are the background ({', '.join(outputs[n] for n in backgrounds)})",
                file,
            )
        order = [*backgrounds, *(n for n in range(len(outputs)) if n != backgrounds[0])]
        return LabelScheme.of(*(outputs[n] for n in order[1:])), "softmax", _unless_same(order)
    levels = [_tumour_level(name) for name in outputs]
    known = [level for level in levels if level is not None]
    if len(known) == len(outputs) > 1 and len(set(known)) == len(known):
        order = sorted(range(len(outputs)), key=known.__getitem__)
        return LabelScheme.of(*(outputs[n] for n in order)), "nested", _unless_same(order)
    if any(name.casefold() in _BACKGROUNDS for name in outputs):
        raise lacking("one of its sigmoid outputs is the background, which is no region", file)
    return LabelScheme.of(*outputs), "sigmoid", ()


def channel_names(entry: Mapping[str, Any], side: str, file: Path | None) -> tuple[str, ...]:
    """Names of the channels of one side (`inputs`, `outputs`) of `network_data_format`, in order.

    Raises:
        ModelError: they are not named, or another number of them is named than there is.
    """
    given = entry.get("channel_def") or entry.get("label_def")
    count = entry.get("num_channels")
    if isinstance(given, (list, tuple)):
        given = {str(number): name for number, name in enumerate(given)}
    if not isinstance(given, Mapping) or not given:
        raise lacking(f"metadata.json does not name the channels of the {side} ('channel_def')", file)
    names = [given.get(str(number)) for number in range(len(given))]
    if any(not isinstance(name, str) or not name.strip() for name in names):
        raise lacking(f"'channel_def' of the {side} does not name the channels 0 to {len(given) - 1}", file)
    if isinstance(count, int) and count != len(names):
        raise lacking(f"metadata.json says {count} channels for the {side} and names {len(names)}", file)
    return tuple(str(name).strip() for name in names)


def kept_components(
    config: Mapping[str, Any], labels: LabelScheme, activation: str, order: tuple[int, ...], file: Path | None
) -> tuple[str, ...]:
    """Labels of which the bundle's postprocessing keeps the largest component only.

    Raises:
        ModelError: which ones is not said in plain numbers, or they are taken together.
    """
    for transform in transforms_of(config, "postprocessing"):
        if activation != "softmax" or not base_name(transform).startswith("KeepLargestConnectedComponent"):
            continue
        applied = transform.get("applied_labels")
        chosen = [applied] if isinstance(applied, int) else applied
        if chosen is None:
            return labels.names[1:]
        numbers = isinstance(chosen, list) and all(isinstance(n, int) and 0 < n < len(labels) for n in chosen)
        together = transform.get("independent", True) is not True and len(chosen) > 1 if numbers else False
        if not numbers or together or order:
            raise lacking(f"of which labels it keeps the largest component is {applied!r}", file)
        return tuple(labels.names[n] for n in chosen)
    return ()


def lacking(what: str, file: Path | None) -> ModelError:
    """The error for something essential that a bundle does not say."""
    return ModelError(f"There is no card for this model, and {what}.", file=file, hint=CARD_HINT)


def _activation(
    config: Mapping[str, Any], outputs: tuple[str, ...], file: Path | None
) -> Literal["softmax", "sigmoid"]:
    for transform in transforms_of(config, "postprocessing"):
        kind = str(transform.get("_target_", "")).rpartition(".")[2]
        if kind in ("Activationsd", "ActivationsD", "ActivationsDict", "Activations"):
            if is_true(transform.get("softmax")):
                return "softmax"
            if is_true(transform.get("sigmoid")):
                return "sigmoid"
        if kind in ("AsDiscreted", "AsDiscreteD", "AsDiscreteDict", "AsDiscrete"):
            if is_true(transform.get("argmax")):
                return "softmax"
            if transform.get("threshold") is not None:
                return "sigmoid"
    if len(outputs) > 1 and outputs[0].casefold() in _BACKGROUNDS:
        return "softmax"  # an output of its own for the background only makes sense among exclusive ones
    raise lacking("the bundle does not say whether its outputs go through a softmax or sigmoids", file)


def _tumour_level(name: str) -> int | None:
    plain = re.sub(r"[\s_-]+", " ", name.casefold().replace("tumour", "tumor")).strip()
    return next((level for level, names in enumerate(_TUMOUR_REGIONS) if plain in names), None)


def _unless_same(order: list[int]) -> tuple[int, ...]:
    return () if order == list(range(len(order))) else tuple(order)
