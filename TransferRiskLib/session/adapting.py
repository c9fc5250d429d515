"""Adaptation: settings, estimate, curves, audit, and where the model lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from TransferRiskLib.adaptation.settings import PRESETS, AdaptationSettings, preset_settings
from TransferRiskLib.mrml import plots
from TransferRiskLib.mrml.nodes import geometry_of
from TransferRiskLib.places import is_folder
from TransferRiskLib.records import to_json
from TransferRiskLib.session.adapt_settings import brings_new_labels, can_compose, composed
from TransferRiskLib.session.audit import audit_table, outcome_sentences
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, demand, no, prediction_settings
from TransferRiskLib.session.estimating import Estimate, estimate
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.measuring import Measure, measured_speed, remember_speed
from TransferRiskLib.session.output import chosen_folder, output_folder, run_folders, usual_folder, whole_path
from TransferRiskLib.session.patients import patient_of_row
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.saving import SaveModel
from TransferRiskLib.session.source_models import SourceModels
from TransferRiskLib.session.state import AdaptRun, CaseRow
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.session.training import WORK, Adaptation, Resumption, is_finished, is_resumable
from TransferRiskLib.wording import wording

_ = wording(__name__)
_CHART = "adaptation"


class Adapting:
    """`session.adapting`.

    Args:
        desk: Scene, settings, state.
        jobs: Runs the adaptation.
        models: The source models.
        cases: The target cases.
        device: What the work will run on: `cuda`, `mps` or `cpu`.
    """

    def __init__(
        self, desk: Desk, jobs: Jobs, models: SourceModels, cases: TargetCases, device: Callable[[], str]
    ) -> None:
        self._desk, self._jobs, self._models, self._cases = desk, jobs, models, cases
        self._device = device
        self._plan: Adaptation | None = None
        desk.subscribe(self._follow)

    # -- settings -------------------------------------------------------------------------------

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        return PRESETS

    @property
    def preset(self) -> str:
        """The chosen preset."""
        return self._desk.state.adapt.preset

    @property
    def settings(self) -> AdaptationSettings:
        """Preset with overrides; raises SettingsError for values that make no sense."""
        return composed(self.preset, self.overrides)

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Fields that differ from the preset."""
        return self._desk.state.adapt.overrides

    def set_preset(self, preset: str) -> None:
        """Choose a preset; overrides go."""
        preset_settings(preset)
        self._choose(preset=preset, overrides={})

    def set_option(self, field: str, value: Any) -> None:
        """Override a field of `AdaptationSettings` (JSON value); the preset's own value ends that.

        Raises SettingsError, and changes nothing, when the value makes no sense."""
        own = to_json(preset_settings(self.preset))
        overrides = {**self.overrides, field: to_json(value)}
        changed = to_json(composed(self.preset, overrides))
        self._choose(overrides={k: changed[k] for k in overrides if changed[k] != own[k]})

    @property
    def name(self) -> str:
        """The name of the adapted model; empty for one made of the source's."""
        return self._desk.state.adapt.name

    def set_name(self, name: str) -> None:
        """Name of the adapted model; empty for one made of the source's."""
        self._choose(name=name.strip())

    @property
    def output_folder(self) -> Path:
        """Where adapted models go, a folder a run."""
        return output_folder(self._desk.settings)

    @property
    def chosen_output_folder(self) -> str:
        """The folder that the user chose; empty for the usual one."""
        return chosen_folder(self._desk.settings)

    @property
    def usual_output_folder(self) -> Path:
        """Where adapted models go when the user chose no folder."""
        return usual_folder()

    def set_output_folder(self, folder: str) -> None:
        """Choose where adapted models go; "~" is the user's own folder, empty the usual one. Raises
        SettingsError, and changes nothing, for half a path."""
        self._desk.settings.set("OutputFolder", whole_path(str(folder)))
        self._desk.tell("adapt")

    # -- the run --------------------------------------------------------------------------------

    def estimate(self) -> Estimate | None:
        """Time and memory, from what was measured or else roughly; None when it cannot start."""
        rows, entry, store = self._training_rows(), self._models.chosen, self._desk.settings
        if not rows or entry is None or entry.card is None or not self._settings_verdict()[0]:
            return None
        channels = self._cases.channels
        return estimate(
            self.settings,
            prediction_settings(store),
            entry.card,
            entry.path,
            [geometry_of(self._desk.node(volumes_for(row, channels)[channels[0]])) for row in rows],
            len({patient_of_row(self._desk, row) for row in rows}),
            brings_new_labels(self._cases.target_labels(rows), entry.card),
            measured_speed(store, entry.path),
            self._device(),
        )

    def can_measure(self) -> Verdict:
        """Whether the speed with the chosen model can be measured now."""
        for verdict in (self._jobs.can_compute, self._models.can_use, self._settings_verdict):
            ok, reason = verdict()
            if not ok:
                return no(reason)
        return YES

    def measure(self) -> None:
        """Start the short job that times training and prediction on this computer, for the estimate."""
        demand(self.can_measure())
        card = self._models.card
        assert card is not None
        labels = self._cases.target_labels(self._training_rows()) or card.labels
        self._jobs.start(Measure(self._desk, labels, self.settings, lambda speed: self._desk.tell("adapt")))

    def can_start(self) -> Verdict:
        """Whether an adaptation can start."""
        verdicts = (
            self._jobs.can_compute, self._models.can_use, self._cases.can_use_labelled,
            self._rows_verdict, self._settings_verdict,
        )  # fmt: skip
        for verdict in verdicts:
            ok, reason = verdict()
            if not ok:
                return no(reason)
        return YES

    def start(self) -> None:
        """Start an adaptation in a new folder; cancel it through `jobs.cancel`."""
        demand(self.can_start())
        rows, expected = self._training_rows(), self.estimate()
        scheme = self._cases.target_labels(rows)
        device = prediction_settings(self._desk.settings).device

        def finished(model: Path, seconds: float | None) -> None:
            if seconds is not None and expected is not None:
                remember_speed(self._desk.settings, model, device, expected.speed_after(seconds))
            self._models.refresh()

        self._begin(
            Adaptation(self._desk, rows, self._cases.channels, scheme, self.settings, self.name, finished)
        )

    def can_resume(self) -> Verdict:
        """Whether there is an unfinished adaptation whose files are there."""
        ok, reason = self._jobs.can_compute()
        if not ok:
            return no(reason)
        if self.unfinished is not None:
            return YES
        if self.run.status == "unfinished":
            text = _("The files of the unfinished adaptation are gone: {folder}")
            return no(text.format(folder=self.run.folder))
        return no(_("There is no unfinished adaptation."))

    @property
    def unfinished(self) -> Path | None:
        """The folder of the run to resume: the scene's own; else the latest of the output folder that has
        learnt something and is not finished, after a crash, say."""
        if self.given_up is not None:
            return self.given_up
        runs = run_folders(self._desk.settings)
        left = [f for f in runs if is_resumable(f) and is_folder(f / WORK) and not is_finished(f)]
        return left[-1] if left else None

    @property
    def given_up(self) -> Path | None:
        """The scene's own unfinished run, which goes once a new one has taken its place."""
        own = Path(self.run.folder) if self.run.status == "unfinished" else None
        return own if own is not None and is_resumable(own) else None

    def resume(self) -> None:
        """Go on with an unfinished adaptation, on the cases as they were when it started."""
        demand(self.can_resume())
        folder = self.unfinished
        assert folder is not None
        self._begin(Resumption(self._desk, folder, lambda model, seconds: self._models.refresh()))

    @property
    def run(self) -> AdaptRun:
        """The latest adaptation."""
        return self._desk.state.adapted

    # -- what came of it ------------------------------------------------------------------------

    @property
    def curves(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        """Live curves: "Fold 1: loss", "Fold 1: validation Dice" to (step, value) points."""
        if self._plan is not None and self._running():
            return {name: tuple(points) for name, points in self._plan.curves.items()}
        return self.run.curves

    def show_curves(self) -> Node | None:
        """Bring the curves into Slicer's plot nodes; the chart node, which grows with the curves from now
        on as long as it is in the scene. None without curves."""
        curves = self.curves
        if not curves:
            return None
        title, across, up = _("Adaptation"), _("Step"), _("Loss, Dice")
        return plots.show_curves(self._desk.scene, _CHART, curves, title, across, up)

    @property
    def outcome_sentence(self) -> str:
        """The negative-transfer audit, and what intensity curves did, in words; empty without either."""
        return outcome_sentences(self.run.result)

    def audit_table(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows (label, transferred, from scratch, difference)."""
        return audit_table(self.run.result.audit if self.run.result is not None else ())

    @property
    def bundle(self) -> Path | None:
        """Where the adapted model lies; None before there is one."""
        return self.run.result.bundle if self.run.result is not None else None

    def can_open(self) -> Verdict:
        """Whether there is an adapted model whose files are there."""
        if self.bundle is None:
            return no(_("Adapt a model first."))
        if is_folder(self.bundle):
            return YES
        return no(_("The adapted model is gone: {folder}").format(folder=self.bundle))

    def can_save_as(self) -> Verdict:
        """Whether the adapted model can be copied now."""
        there = self.can_open()
        return self._jobs.can_start() if there[0] else there

    def save_as(self, folder: Path) -> None:
        """Start the job that copies the adapted model, whole or not at all, into a new folder of its name
        below `folder`; the outcome says where that is."""
        demand(self.can_save_as())
        entry = self._models.find(str(self.bundle))
        assert self.bundle is not None and entry is not None
        self._jobs.start(SaveModel(self.bundle, entry.name, Path(folder)))

    def can_use_as_source(self) -> Verdict:
        """Whether the adapted model can be chosen as the source model."""
        return self.can_open()

    def use_as_source(self) -> None:
        """Choose the adapted model as the source model."""
        demand(self.can_use_as_source())
        self._models.refresh()
        self._models.choose(self.bundle)

    # -- inside ---------------------------------------------------------------------------------

    def _follow(self, change: str) -> None:
        """Bring new points into a chart that was shown; one that was deleted does not come back."""
        if change == "curves" and plots.chart_of(self._desk.scene, _CHART) is not None:
            self.show_curves()

    def _begin(self, plan: Adaptation) -> None:
        self._plan = plan
        self._jobs.start(plan)

    def _running(self) -> bool:
        progress = self._jobs.progress
        return progress is not None and progress.task == "adapt"

    def _training_rows(self) -> list[CaseRow]:
        return [row for row in self._cases.usable_labelled() if row.role == "train"]

    def _rows_verdict(self) -> Verdict:
        if self._training_rows():
            return YES
        return no(_("All complete cases are held out: train on one."))

    def _settings_verdict(self) -> Verdict:
        return can_compose(self.preset, self.overrides, self._models.card)

    def _choose(self, **fields: Any) -> None:
        choice = replace(self._desk.state.adapt, **fields)
        self._desk.update(replace(self._desk.state, adapt=choice), "adapt")
