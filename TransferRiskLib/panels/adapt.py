"""Section 4: adapt the source model to the cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import ctk
from slicer.i18n import tr as _

from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.panels.adapt_options import options
from TransferRiskLib.panels.augmentation_options import changed
from TransferRiskLib.panels.option_widgets import OptionWidget
from TransferRiskLib.panels.panel import Panel, Surroundings
from TransferRiskLib.panels.widgets import (
    PathLine,
    TypedLine,
    allow,
    choose_from,
    fill,
    on,
    position,
    say,
)

if TYPE_CHECKING:
    from TransferRiskLib.session.estimating import Estimate


class AdaptPanel(Panel):
    """Settings and estimate before the start, curves while it runs, audit and model afterwards."""

    changes: ClassVar[frozenset[str]] = frozenset({"adapt", "cases", "models", "environment"})
    tables = ("auditTable",)

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        ui, adapting = self.ui, self.session.adapting
        ui.outputFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        self._options = [OptionWidget(option, self._set_option) for option in options()]
        for option in self._options:
            ui.advancedGroupContent.layout().addRow(f"{option.option.text}:", option.widget)
        on(ui.presetCombo, "activated(int)", self._set_preset)
        self._name = TypedLine(ui.adaptedNameEdit, lambda: adapting.name, self._set_name)
        self._folder = PathLine(ui.outputFolderEdit, lambda: adapting.chosen_output_folder, self._set_folder)
        self.on_click("adaptButton", adapting.start)
        self.on_click("resumeButton", adapting.resume)
        self.on_click("measureButton", adapting.measure)
        self.on_click("curveButton", lambda: self.application.show_chart(adapting.show_curves()))
        self.on_click("saveModelButton", self._save)
        self.on_click("useModelButton", adapting.use_as_source)
        self.on_click("openModelButton", self._open)

    def refresh(self) -> None:
        ui, adapting = self.ui, self.session.adapting
        texts = [_preset_texts().get(preset, preset) for preset in adapting.presets]
        choose_from(ui.presetCombo, texts, position(adapting.presets, adapting.preset))
        self._name.show()
        self._folder.show(str(adapting.usual_output_folder))
        settings = adapting.settings  # composed anew for whoever asks
        for option in self._options:
            option.show(settings)
        estimate = adapting.estimate()
        say(ui.estimateLabel, self._expected(estimate) if estimate else "")
        say(ui.outcomeLabel, adapting.outcome_sentence)
        header, rows = adapting.audit_table()
        fill(ui.auditTable, header, rows, stretch=0)
        bundle = adapting.bundle
        say(ui.bundleLabel, _("The adapted model lies in {folder}.").format(folder=bundle) if bundle else "")

    def _expected(self, estimate: Estimate) -> str:
        if estimate.measured or self.session.environment.knows_device:
            return estimate.sentence
        unknown = _("Check, in section 6, tells the device.")
        return f"{estimate.sentence} {unknown}"

    def allow(self) -> None:
        ui, adapting = self.ui, self.session.adapting
        tip = _("Train on the cases whose use is “train”.")
        if adapting.given_up is not None:
            lost = _(
                "The adaptation that stopped in {folder} is given up for it and removed; Resume goes on."
            )
            tip = f"{tip} {lost.format(folder=adapting.given_up)}"
        allow(ui.adaptButton, adapting.can_start(), tip)
        resumes = adapting.can_resume()
        folder = adapting.unfinished if resumes[0] else None  # looked for on the disk
        tip = _("Go on where the adaptation in {folder} stopped.").format(folder=folder)
        allow(ui.resumeButton, resumes, tip)
        tip = _("Time a few training steps with this model on this computer, for the estimate.")
        allow(ui.measureButton, adapting.can_measure(), tip)
        self._allow_curve()
        tip = _("Copy the adapted model: it gets a folder of its name in the one that you choose.")
        allow(ui.saveModelButton, adapting.can_save_as(), tip)
        allow(ui.openModelButton, adapting.can_open(), _("Show the adapted model in the file manager."))
        tip = _("Choose the adapted model in section 1.")
        allow(ui.useModelButton, adapting.can_use_as_source(), tip)

    def settle(self) -> None:
        super().settle()
        # The first points come while the training runs and nothing else changes.
        if not self.ui.curveButton.enabled and self.session.adapting.curves:
            self._allow_curve()

    def _allow_curve(self) -> None:
        nothing = (False, _("Nothing has been trained yet."))
        tip = _("Loss and validation Dice as a chart; it grows while the training runs.")
        allow(self.ui.curveButton, (True, "") if self.session.adapting.curves else nothing, tip)

    def _set_preset(self, index: int) -> None:
        self.attempt(lambda: self.session.adapting.set_preset(self.session.adapting.presets[index]))

    def _set_name(self, name: str) -> None:
        self.attempt(lambda: self.session.adapting.set_name(name))

    def _set_option(self, field: str, value: Any) -> None:
        def change() -> None:
            try:
                self.session.adapting.set_option(*changed(self.session.adapting.settings, field, value))
            except TransferRiskError as error:
                self.stale = True  # a refused value goes back to what holds
                error.message = self._in_words(error.message, field)
                raise

        self.attempt(change)

    def _in_words(self, message: str, field: str) -> str:
        """The setting as the window calls it, where a message has the name that the library gives it."""
        text = next(one.option.text for one in self._options if one.option.field == field)
        known = rf"\bAdaptationSettings\.{re.escape(field)}(?:\[\d+\])?"
        return re.sub(known, lambda _found: f"“{text}”", message)

    def _set_folder(self, folder: str) -> None:
        self.attempt(lambda: self.session.adapting.set_output_folder(folder))

    def _save(self) -> None:
        folder = self.application.ask_folder(_("Save the adapted model in"))
        if folder is not None:
            self.session.adapting.save_as(folder)

    def _open(self) -> None:
        if self.session.adapting.bundle is not None:
            self.application.open_folder(self.session.adapting.bundle)


def _preset_texts() -> dict[str, str]:
    return {
        "recommended": _("recommended"),
        "paper": _("paper: the published method"),
        "plain": _("plain fine-tuning"),
        "scratch": _("from scratch, without the source model"),
    }
