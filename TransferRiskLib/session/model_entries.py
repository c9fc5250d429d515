"""A model in the list of source models, and its card at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from TransferRiskLib.errors import ModelError, TransferRiskError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import read_card
from TransferRiskLib.wording import wording

_ = wording(__name__)
Origin = Literal["folder", "demonstration", "added", "adapted"]


@dataclass(frozen=True)
class ModelEntry:
    """A model in the list.

    Attributes:
        path: Bundle folder or TorchScript file.
        origin: The folder of the settings, the demonstration models, added by hand, or adapted here.
        card: Its card; None where it cannot be used.
        problem: Why it cannot be used; empty when it can.
    """

    path: Path
    origin: Origin
    card: ModelCard | None
    problem: str = ""

    @property
    def name(self) -> str:
        """What the list shows."""
        return self.card.name if self.card is not None else self.path.name

    @property
    def off_the_list(self) -> str:
        """What a choice shows that is in use and not on the list: where it is, what is wrong with it."""
        if self.problem:
            return _("{path} (cannot be used: {problem})").format(path=self.path, problem=self.problem)
        return _("{name} ({path})").format(name=self.name, path=self.path)


def read_entry(path: Path, origin: Origin) -> ModelEntry:
    """The entry of a model on the disk, whatever state it is in."""
    try:
        return entry_of(path, origin, read_card(path))
    except TransferRiskError as error:
        return entry_of(path, origin, error)


def entry_of(path: Path, origin: Origin, card: ModelCard | TransferRiskError) -> ModelEntry:
    """The entry of a model whose card was read, or why it could not be."""
    if isinstance(card, ModelCard):
        return ModelEntry(path, origin, card)
    message = card.message
    if message[:1].islower() and card.file not in (None, str(path)):  # "is missing." is said of a file
        message = f"{Path(str(card.file)).name} {message}"
    problem = " ".join(filter(None, (message, card.hint)))
    return ModelEntry(path, origin, None, problem if isinstance(card, ModelError) else str(card))


def card_rows(entry: ModelEntry) -> tuple[tuple[str, str], ...]:
    """The card at a glance: (heading, text) rows such as ("Channels", "T1, T2")."""
    if entry.card is None:
        return ((_("Problem"), entry.problem), (_("Place"), str(entry.path)))
    card = entry.card
    numbers = " × ".join(f"{s:g}" for s in card.spacing or ())
    spacing = _("{numbers} mm").format(numbers=numbers) if card.spacing else _("the scan's own")
    rows = (
        (_("Channels"), ", ".join(card.channels)),
        (_("Trained on"), ", ".join(card.contrasts)),
        (_("Labels"), ", ".join(card.labels.names[1:])),
        (_("Spacing"), spacing),
        (_("Architecture"), card.architecture or _("not stated")),
        (_("Licence"), card.licence or _("not stated")),
        (_("Description"), card.description),
        (_("Citation"), card.citation),
        (_("Place"), str(entry.path)),
    )
    return tuple((heading, text) for heading, text in rows if text)
