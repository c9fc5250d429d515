"""A model card from what a MONAI bundle's JSON files say; no weights, no code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import LabelError, ModelError
from TransferRiskLib.models.bundle_configs import network_definition, resolve
from TransferRiskLib.models.bundle_labels import channel_names, kept_components, lacking, read_labels
from TransferRiskLib.models.bundle_transforms import CARD_HINT, read_preprocessing, refuse_own_code
from TransferRiskLib.models.card import ModelCard

DEFAULT_PATCH = 96
NOT_SAID = ("n/a", "Not stated")
"""What stands in metadata.json where MONAI wants a text and there is none to give."""
_NO_NAMES = {"image", "images", "img", "input", "inputs", "volume"}
_NO_MODALITIES = {"", "none", "unknown", "other"}


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
        raise lacking("metadata.json has no 'network_data_format'", file)
    image = _first(formats.get("inputs"), "image")
    prediction = _first(formats.get("outputs"), "pred")
    if image is None or prediction is None:
        raise lacking("metadata.json describes no image input or no output", file)
    refuse_own_code(config, file)
    named = channel_names(image, "inputs", file)
    outputs = channel_names(prediction, "outputs", file)
    preprocessing = read_preprocessing(config, len(named), file)
    definition = resolve(network_definition(config), config)
    divisor = size_divisor(definition, image.get("spatial_shape"))
    modality = _text(image.get("modality")).strip()
    modality = "" if modality.casefold() in _NO_MODALITIES else modality
    # "image" says nothing about a scan, "CT" does
    channels = (modality,) if modality and len(named) == 1 and named[0].casefold() in _NO_NAMES else named
    several = len(channels) > 1
    try:
        labels, activation, order = read_labels(outputs, config, file)
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
            keep_largest=kept_components(config, labels, activation, order, file),
            output_order=order,
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
    if name.startswith("SegResNet"):
        down = definition.get("blocks_down", (1, 2, 2, 2, 4) if "DS" in name else (1, 2, 2, 4))
        return 2 ** (len(down) - 1) if isinstance(down, (list, tuple)) else None
    size = definition.get("img_size")
    if name == "UNETR" and isinstance(
        size, (int, list, tuple)
    ):  # its position embedding is for this size alone
        return math.lcm(*size) if isinstance(size, (list, tuple)) else size
    sizes = {"SwinUNETR": 32, "BasicUNet": 16, "BasicUNetPlusPlus": 16, "VNet": 16, "DiNTS": 16}
    return sizes.get(name)


def _architecture(definition: Any) -> str:
    target = definition.get("_target_") if isinstance(definition, Mapping) else None
    return str(target).rpartition(".")[2] if target else ""


def _first(group: Any, usual: str) -> Mapping[str, Any] | None:
    if not isinstance(group, Mapping) or not group:
        return None
    found = group.get(usual, next(iter(group.values())))
    return found if isinstance(found, Mapping) else None


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
