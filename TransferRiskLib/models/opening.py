"""Open a model file, whatever its kind, without running code that it brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.bundle_configs import read_bundle_config, resolved_network
from TransferRiskLib.models.bundle_weights import is_torchscript, script_beside, weights_file
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import bundle_folder, read_card
from TransferRiskLib.models.networks import OUTPUT_KEYS, build_network
from TransferRiskLib.models.outputs import in_order, with_one_output
from TransferRiskLib.models.packed import is_packed, unpacked
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.models.torchscript import load_torchscript
from TransferRiskLib.models.weights import file_digest, load_state, read_state


def open_model(path: Path | str) -> SourceModel:
    """A model ready to predict, on the CPU, checked against its card.

    Args:
        path: The folder of a MONAI bundle (or its metadata.json or weights file), a packed bundle, or a
            TorchScript file. A bundle's weights are read with `weights_only=True`, its network is built
            from the list of `build_network`, its `scripts/` folder is ignored, and expressions in its
            configuration are never evaluated. See `load_torchscript` for TorchScript.

    Raises:
        UntrustedModelError: the file can only be used by running code that it brings.
        ModelError: anything else that makes it unusable: missing or truncated files, weights that do
            not fit, a card that does not fit.

    Example:
        >>> model = open_model("models/spleen_ct_segmentation")  # doctest: +SKIP
        >>> model.probabilities(batch).shape                     # doctest: +SKIP
        torch.Size([1, 2, 96, 96, 96])
    """
    path = Path(path)
    card = read_card(path)
    folder = bundle_folder(path)
    if folder is not None:
        model = _open_bundle(folder, card)
    elif is_packed(path):
        with unpacked(path, weights=True) as scratch:
            model = _open_bundle(scratch, card)
            model.path = path
    else:
        model = SourceModel(card, load_torchscript(path), None, path, file_digest(path))
    model = in_order(with_one_output(model))
    model.verify()
    return model


def _open_bundle(folder: Path, card: ModelCard) -> SourceModel:
    config, file = read_bundle_config(folder)
    weights = weights_file(folder, config)
    if weights.suffix == ".ts" or is_torchscript(weights):
        return SourceModel(card, load_torchscript(weights), None, folder, file_digest(weights))
    try:
        network, definition = _from_definition(folder, card, config, file)
    except UntrustedModelError:
        script = script_beside(folder)
        if script is None:
            raise
        return SourceModel(card, load_torchscript(script), None, folder, file_digest(script))
    load_state(network, read_state(weights), weights)
    return SourceModel(card, network, definition, folder, file_digest(weights))


def _from_definition(
    folder: Path, card: ModelCard, config: dict[str, Any], file: Path | None
) -> tuple[nn.Module, dict[str, Any]]:
    definition = resolved_network(config, file)
    if definition is None:
        raise ModelError(
            "The bundle does not define its network.",
            file=file or folder,
            hint='configs/inference.json needs "network_def": {"_target_": "monai.networks.nets.X", ...}',
        )
    _check_channels(definition, card, file or folder)
    try:
        return build_network(definition), definition
    except ModelError as error:
        raise type(error)(error.message, file=file, hint=error.hint) from error


def _check_channels(definition: dict[str, Any], card: ModelCard, file: Path) -> None:
    where = "configs/card.json (or channel_def in metadata.json)"
    inputs = definition.get("in_channels")
    if isinstance(inputs, int) and inputs != len(card.channels):
        raise ModelError(
            f"The network takes {inputs} input channels, but the card names {len(card.channels)} "
            f"({', '.join(card.channels)}).",
            file=file,
            hint=f"Correct 'channels' in {where}.",
        )
    for key in OUTPUT_KEYS:
        outputs = definition.get(key)
        if isinstance(outputs, int) and outputs != card.outputs:
            raise ModelError(
                f"The network gives {outputs} outputs, but the card's labels and activation "
                f"({card.activation}) mean {card.outputs}.",
                file=file,
                hint=f"Correct 'labels' or 'activation' in {where}.",
            )
