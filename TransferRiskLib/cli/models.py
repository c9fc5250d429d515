"""`transferrisk models show`: what a model file says of itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from TransferRiskLib.models.bundle_text import normalisation_text
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import read_card

EXAMPLES = """examples:
  transferrisk models show adapted/bundle
  transferrisk models show model.ts --check --json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `models show`."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a MONAI bundle (folder or ZIP) or a TorchScript file"
    )
    parser.add_argument("--check", action="store_true", help="also load the weights and see whether they fit")


def show_card(model: Path, check: bool) -> ModelCard:
    """The card of a model; with `check` the model is loaded as well.

    Raises:
        ModelError: the model cannot be used.
    """
    card = read_card(model)
    if check:
        from TransferRiskLib.models.opening import open_model

        open_model(model)
    return card


def card_lines(card: ModelCard) -> list[str]:
    """Lines for people about a card."""
    normalisation = normalisation_text(card)
    spacing = " x ".join(f"{size:g}" for size in card.spacing) + " mm" if card.spacing else "as scanned"
    facts = {
        "name": card.name,
        "channels": ", ".join(card.channels),
        "contrasts": ", ".join(card.contrasts),
        "labels": ", ".join(card.labels.names),
        "activation": card.activation,
        "spacing": spacing,
        "orientation": card.orientation or "as scanned",
        "normalisation": normalisation,
        "patch": " x ".join(map(str, card.patch_size)),
        "architecture": card.architecture,
        "description": card.description,
        "licence": card.licence,
        "citation": card.citation,
    }
    return [f"{name + ':':15}{value}" for name, value in facts.items() if value]
