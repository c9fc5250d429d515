"""Section 1: which trained model to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import ctk
from slicer.i18n import tr as _

from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import (
    PathLine,
    allow,
    choose_from,
    facts,
    fill,
    on,
    on_row,
    position,
    say,
)
from TransferRiskLib.places import is_folder

if TYPE_CHECKING:
    from TransferRiskLib.session.model_entries import ModelEntry


class SourceModelPanel(Panel):
    """The list of models, the chosen one's card at a glance, and the ranking on the user's cases."""

    changes: ClassVar[frozenset[str]] = frozenset({"models", "cases"})
    tables = ("rankingTable",)

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self.ui.modelFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        on(self.ui.modelCombo, "activated(int)", self._choose)
        models = self.session.models
        self._folder = PathLine(self.ui.modelFolderEdit, lambda: models.folder, self._set_folder)
        on_row(self.ui.rankingTable, self._choose_ranked)
        self.on_click("addModelFolderButton", self._add_folder)
        self.on_click("addModelFileButton", self._add_file)
        self.on_click("forgetModelButton", self._forget)
        self.on_click("rankButton", self.session.models.rank)

    def refresh(self) -> None:
        models = self.session.models
        entries, chosen = self._offered(), models.chosen
        texts = [_("Choose a model…"), *(self._text(entry) for entry in entries)]
        paths = [entry.path for entry in entries]
        choose_from(self.ui.modelCombo, texts, position(paths, chosen.path) + 1 if chosen else 0)
        say(self.ui.modelProblemLabel, chosen.problem if chosen else "")
        say(self.ui.cardLabel, facts(models.card_summary()) if models.card else "")
        self._folder.show()
        header, rows = models.ranking()
        ranked = position(models.ranked_paths(), chosen.path) if chosen else -1
        fill(self.ui.rankingTable, header, rows, selected=ranked)
        say(self.ui.rankingLabel, models.ranking_sentence())

    def allow(self) -> None:
        models = self.session.models
        allow(self.ui.rankButton, models.can_rank(), _("Score every model on the labelled target cases."))
        nothing = (False, _("No model is chosen."))
        verdict = models.can_forget(models.chosen.path) if models.chosen else nothing
        allow(self.ui.forgetModelButton, verdict, _("No file is deleted."))

    def _offered(self) -> tuple[ModelEntry, ...]:
        """The list, with the chosen model if it is not on it."""
        chosen = self.session.models.chosen
        return self.session.models.listed_with(str(chosen.path) if chosen else "")

    def _text(self, entry: ModelEntry) -> str:
        models = self.session.models
        if entry not in models.entries:
            return entry.off_the_list
        name = models.name_of(entry)
        if entry.problem:
            return _("{name} (cannot be used)").format(name=name)
        if entry.origin == "demonstration":
            return _("{name} (demonstration)").format(name=name)
        if entry.origin == "adapted":
            return _("{name} (adapted here)").format(name=name)
        return name

    def _choose(self, index: int) -> None:
        entries = self._offered()
        path = entries[index - 1].path if index > 0 else None
        self.attempt(lambda: self.session.models.choose(path))

    def _choose_ranked(self, row: int) -> None:
        self.stale = True  # the row of the chosen model is selected
        if row >= 0:
            path = self.session.models.ranked_paths()[row]
            self.attempt(lambda: self.session.models.choose(path))

    def _set_folder(self, folder: str) -> None:
        # Half a path while it is typed is no folder yet.
        if not folder or is_folder(folder):
            self.attempt(lambda: self.session.models.set_folder(folder))

    def _add_folder(self) -> None:
        self._add(self.application.ask_folder(_("Folder of the model")))

    def _add_file(self) -> None:
        filters = _("Models") + " (*.ts *.pt *.zip)"
        self._add(self.application.ask_file(_("File of the model"), filters))

    def _add(self, path: Path | None) -> None:
        if path is not None:
            self.session.models.add(path)

    def _forget(self) -> None:
        chosen = self.session.models.chosen
        if chosen is not None:
            self.session.models.forget(chosen.path)
