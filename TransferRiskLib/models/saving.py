"""Save a network as a MONAI bundle that this library, MONAI and plain TorchScript can open."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from TransferRiskLib.atomic import atomic_folder, write_json, write_text
from TransferRiskLib.errors import ModelError
from TransferRiskLib.models import provenance_files
from TransferRiskLib.models.bundle_text import inference_config, metadata, model_readme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import EXTRA_FILE, card_to_json
from TransferRiskLib.models.export import to_torchscript
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import probe_shape
from TransferRiskLib.models.weights import load_state, writing_weights
from TransferRiskLib.records import to_json


def save_bundle(
    folder: Path,
    card: ModelCard,
    network: nn.Module,
    config: Mapping[str, Any] | None,
    *,
    provenance: Mapping[str, Any] | None = None,
    description: str = "",
) -> Path:
    """Write a bundle: whole or not at all; an older one of that name is replaced.

    The folder gets `configs/` (metadata.json, inference.json, card.json, provenance.json), `models/`
    (model.pt, and model.ts where the network can be exported, with the `configs/` inside) and
    `docs/README.md`. How the TorchScript
    export went is recorded in provenance.json under `torchscript` (`kind`: scripted, traced or none;
    `note`: why).

    Args:
        folder: The bundle's folder.
        card: What the network takes and gives.
        network: The network, on any device; it is not changed.
        config: Its definition for `build_network`; None for a network that only exists as TorchScript,
            which is then saved as model.ts alone.
        provenance: JSON-able facts on how it came about (source model, cases, settings, seed, versions).
        description: For people; the card's own when empty.

    Returns:
        The folder.

    Raises:
        ModelError: weights and definition do not belong together, or a network without a definition
            that TorchScript cannot hold.
        StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    state = _detached_state(network)
    if config is not None:
        load_state(build_network(config), state)
    script, kind, note = to_torchscript(network, (len(card.channels), *probe_shape(card)), card.divisible_by)
    if script is None and config is None:
        raise ModelError(
            f"A network without a definition can only be saved as TorchScript, and that failed: {note}",
            hint="Give the network's definition.",
        )
    facts = {**_finite(to_json(dict(provenance or {}))), "torchscript": {"kind": kind, "note": note}}
    described = metadata(card, description)
    inference = inference_config(card, config)
    with atomic_folder(folder) as scratch:
        for name in ("configs", "models", "docs"):
            (scratch / name).mkdir()
        write_json(scratch / "configs" / "metadata.json", described)
        write_json(scratch / "configs" / "inference.json", inference)
        write_json(scratch / "configs" / "card.json", card_to_json(card))
        write_json(scratch / "configs" / provenance_files.FILE, facts)
        write_text(scratch / "docs" / "README.md", model_readme(card, described, facts))
        with writing_weights(folder):
            if config is not None:
                torch.save(state, scratch / "models" / "model.pt")
            if script is not None:
                extras = {
                    EXTRA_FILE: json.dumps(card_to_json(card)),
                    provenance_files.EXTRA_FILE: json.dumps(facts),
                    "metadata.json": json.dumps(described),
                    "inference.json": json.dumps(inference),
                }
                torch.jit.save(script, str(scratch / "models" / "model.ts"), _extra_files=extras)
    return folder


def _finite(value: Any) -> Any:
    """JSON data with null in place of numbers that JSON cannot write (an undefined distance, say)."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _detached_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the weights on the CPU. Tensors that go by several names (DynUNet registers every level
    twice) stay shared, so that the file holds them once."""
    copies: dict[int, torch.Tensor] = {}
    named = network.state_dict(keep_vars=True)
    return {key: copies.setdefault(id(value), value.detach().cpu().clone()) for key, value in named.items()}
