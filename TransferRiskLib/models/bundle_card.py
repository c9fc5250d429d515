"""A model card from what a MONAI bundle's JSON files say; no weights, no code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import LabelError, ModelError
from TransferRiskLib.models.bundle_configs import network_definition, resolve
from TransferRiskLib.models.bundle_transforms import (
    CARD_HINT,
    is_true,
    read_preprocessing,
    transforms_of,
)
from TransferRiskLib.models.card import ModelCard

_BACKGROUNDS = {"background", "bg", "back ground", "everything else", "other", "none", "unlabeled"}
DEFAULT_PATCH = 96
NOT_SAID = ("n/a", "Not stated")
"""What stands in metadata.json where MONAI wants a text and there is none to give."""


def derive_card(
    metadata: Mapping[str, Any], config: Mapping[str, Any], *, name: str, file: Path | None = None
) -> ModelCard:
    """The card of a bundle that brings none of its own.

    Args:
        metadata: `configs/metadata.json`.
        config: `configs/inference.json` (or train), references not yet resolved; may be empty.
        name: What to call the model.
        file: The bundle, for messages.

    Raises:
        ModelError: something essential is not said; the hint shows a card that says it.
    """
    formats = metadata.get("network_data_format")
    if not isinstance(formats, Mapping):
        raise _lacking("metadata.json has no 'network_data_format'", file)
    image = _first(formats.get("inputs"), "image")
    prediction = _first(formats.get("outputs"), "pred")
    if image is None or prediction is None:
        raise _lacking("metadata.json describes no image input or no output", file)
    channels = _channel_names(image, "inputs", file)
    outputs = _channel_names(prediction, "outputs", file)
    activation = _activation(config, outputs, file)
    preprocessing = read_preprocessing(config, len(channels), file)
    definition = resolve(network_definition(config), config)
    labels = _labels(outputs, activation, file)
    divisor = size_divisor(definition, image.get("spatial_shape"))
    modality = _text(image.get("modality"))
    several = len(channels) > 1
    try:
        return ModelCard(
            name=name,
            channels=channels,
            labels=labels,
            activation=activation,
            spacing=preprocessing.spacing,
            orientation=preprocessing.orientation,
            normalisation=preprocessing.normalisation,
            patch_size=_patch(config, image.get("spatial_shape"), divisor),
            divisible_by=divisor,
            architecture=_architecture(definition),
            description=_text(metadata.get("description") or metadata.get("task")),
            licence=_text(metadata.get("license") or metadata.get("copyright")),
            citation=_text((metadata.get("references") or [""])[0]),
            contrasts=channels if several else ((modality,) if modality else ()),
            keep_largest=_keep_largest(config, labels, activation),
        )
    except (ModelError, LabelError) as error:
        raise ModelError(error.message, file=file, hint=error.hint or CARD_HINT) from error


def size_divisor(definition: Any, spatial_shape: Any = None) -> int:
    """What every spatial size must be a multiple of, from the architecture or the metadata.

    Args:
        definition: The resolved network definition; anything else is ignored.
        spatial_shape: `spatial_shape` of the input in `network_data_format`: numbers, or `"16*n"`.
    """
    shape = list(spatial_shape) if isinstance(spatial_shape, (list, tuple)) else []
    factors = [s.split("*")[0].strip() for s in shape if isinstance(s, str) and "*" in s]
    declared = [int(factor) for factor in factors if factor.isdigit() and int(factor) > 0]
    if declared:
        return math.lcm(*declared)
    known = _architecture_divisor(definition) if isinstance(definition, Mapping) else None
    if known is not None:
        return known
    sizes = [s for s in shape if isinstance(s, int) and s > 0]
    return math.gcd(*sizes) if sizes else 1


def _architecture_divisor(definition: Mapping[str, Any]) -> int | None:
    name = _architecture(definition)
    strides = definition.get("strides")
    if isinstance(strides, Sequence) and not isinstance(strides, str):
        axes = [tuple(s) if isinstance(s, (list, tuple)) else (s,) * 3 for s in strides]
        if all(isinstance(step, int) for axis in axes for step in axis):
            return math.lcm(*(math.prod(axis[n] for axis in axes) for n in range(len(axes[0]))))
    down = definition.get("blocks_down", (1, 2, 2, 4))
    if name == "SegResNet" and isinstance(down, (list, tuple)):
        return 2 ** (len(down) - 1)
    return {"SwinUNETR": 32, "UNETR": 16, "BasicUNet": 16, "BasicUNetPlusPlus": 16, "VNet": 16}.get(name)


def _architecture(definition: Any) -> str:
    target = definition.get("_target_") if isinstance(definition, Mapping) else None
    return str(target).rpartition(".")[2] if target else ""


def _first(group: Any, usual: str) -> Mapping[str, Any] | None:
    if not isinstance(group, Mapping) or not group:
        return None
    found = group.get(usual, next(iter(group.values())))
    return found if isinstance(found, Mapping) else None


def _channel_names(entry: Mapping[str, Any], side: str, file: Path | None) -> tuple[str, ...]:
    given = entry.get("channel_def")
    count = entry.get("num_channels")
    if isinstance(given, (list, tuple)):
        given = {str(number): name for number, name in enumerate(given)}
    if not isinstance(given, Mapping) or not given:
        raise _lacking(f"metadata.json does not name the channels of the {side} ('channel_def')", file)
    names = [given.get(str(number)) for number in range(len(given))]
    if any(not isinstance(name, str) or not name.strip() for name in names):
        raise _lacking(f"'channel_def' of the {side} does not name the channels 0 to {len(given) - 1}", file)
    if isinstance(count, int) and count != len(names):
        raise _lacking(f"metadata.json says {count} channels for the {side} and names {len(names)}", file)
    return tuple(str(name).strip() for name in names)


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
    raise _lacking("the bundle does not say whether its outputs go through a softmax or sigmoids", file)


def _labels(outputs: tuple[str, ...], activation: str, file: Path | None) -> LabelScheme:
    if activation == "sigmoid":
        return LabelScheme.of(*outputs)
    if outputs[0].casefold() not in _BACKGROUNDS:
        raise _lacking(f"output 0 is {outputs[0]!r}, and which output is the background is not said", file)
    return LabelScheme.of(*outputs[1:])


def _keep_largest(config: Mapping[str, Any], labels: LabelScheme, activation: str) -> tuple[str, ...]:
    for transform in transforms_of(config, "postprocessing"):
        name = str(transform.get("_target_", "")).rpartition(".")[2]
        if activation == "softmax" and name.startswith("KeepLargestConnectedComponent"):
            applied = transform.get("applied_labels")
            chosen = [applied] if isinstance(applied, int) else applied
            if chosen is None:
                return labels.names[1:]
            if isinstance(chosen, list) and all(isinstance(n, int) and 0 < n < len(labels) for n in chosen):
                return tuple(labels.names[n] for n in chosen)
    return ()


def _patch(config: Mapping[str, Any], spatial_shape: Any, divisor: int) -> tuple[int, int, int]:
    inferer = resolve(config.get("inferer"), config)
    roi = inferer.get("roi_size") if isinstance(inferer, Mapping) else None
    if isinstance(roi, int):
        roi = [roi] * 3
    for candidate in (roi, spatial_shape):
        if isinstance(candidate, (list, tuple)) and len(candidate) == 3:
            sizes = [size for size in candidate if isinstance(size, int) and size > 0]
            if len(sizes) == 3:
                break
    else:
        sizes = [DEFAULT_PATCH] * 3
    x, y, z = (-(-size // divisor) * divisor for size in sizes)
    return x, y, z


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value not in NOT_SAID else ""


def _lacking(what: str, file: Path | None) -> ModelError:
    return ModelError(f"There is no card for this model, and {what}.", file=file, hint=CARD_HINT)
