"""Adaptation: settings, estimate, curves, audit, and where the model lies."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from TransferRiskLib.adaptation.settings import PRESETS, AdaptationSettings, preset_settings
from TransferRiskLib.atomic import atomic_folder
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml import plots
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, demand, no
from TransferRiskLib.session.estimating import Estimate, estimate, remember_speed
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.output import output_folder
from TransferRiskLib.session.source_models import SourceModels
from TransferRiskLib.session.state import AdaptRun, CaseRow
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.session.training import Adaptation, Resumption, is_resumable


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
        choice = self._desk.state.adapt
        return _settings(choice.preset, choice.overrides)

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
        changed = to_json(_settings(self.preset, overrides))
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

    def set_output_folder(self, folder: str) -> None:
        """Choose where adapted models go."""
        self._desk.settings.set("OutputFolder", str(folder))
        self._desk.tell("adapt")

    # -- the run --------------------------------------------------------------------------------

    def estimate(self) -> Estimate | None:
        """Time and memory, roughly; None when it cannot start."""
        rows, entry = self._training_rows(), self._models.chosen
        if not rows or entry is None or entry.card is None or not self._settings_verdict()[0]:
            return None
        nodes = [self._desk.node(row.channels[channel]) for row in rows for channel in self._cases.channels]
        voxels = sum(math.prod(node.GetImageData().GetDimensions()) for node in nodes if node is not None)
        return estimate(
            self.settings, entry.card, entry.path, len(rows), voxels, self._device(), self._desk.settings
        )

    def can_start(self) -> Verdict:
        """Whether an adaptation can start."""
        verdicts = (
            self._jobs.can_start, self._models.can_use, self._cases.can_use_labelled,
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
        rows = self._training_rows()
        scheme = self._cases.target_labels(rows)
        self._begin(
            Adaptation(self._desk, rows, self._cases.channels, scheme, self.settings, self.name, self._finish)
        )

    def can_resume(self) -> Verdict:
        """Whether the latest adaptation is unfinished and its files are there."""
        ok, reason = self._jobs.can_start()
        if not ok:
            return no(reason)
        if self.run.status != "unfinished":
            return no("There is no unfinished adaptation.")
        if not is_resumable(Path(self.run.folder)):
            return no(f"The files of the unfinished adaptation are gone: {self.run.folder}")
        return YES

    def resume(self) -> None:
        """Go on with the latest adaptation, on the cases as they were when it started."""
        demand(self.can_resume())
        self._begin(Resumption(self._desk, self._finish))

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
        """Bring the curves into Slicer's plot nodes; the chart node, which later calls update."""
        curves = self.curves
        if not curves:
            return None
        chart = plots.show_curves(
            self._desk.scene, curves, "Adaptation", "Step", "Loss, Dice", self._desk.node(self.run.plot)
        )
        if self.run.plot != chart.GetID():
            run = replace(self.run, plot=chart.GetID())
            self._desk.update(replace(self._desk.state, adapted=run), "adapt")
        return chart

    @property
    def audit_sentence(self) -> str:
        """The negative-transfer audit in words; empty without one."""
        return self.run.audit

    def audit_table(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows (label, transferred, from scratch, difference)."""
        result = self.run.result
        rows = tuple(
            (row.label, f"{row.transferred:.3f}", f"{row.scratch:.3f}", f"{row.difference:+.3f}")
            for row in (result.audit if result is not None else ())
        )
        return ("Label", "Dice, transferred", "Dice, from scratch", "Difference"), rows

    @property
    def bundle(self) -> Path | None:
        """Where the adapted model lies; None before there is one."""
        return self.run.result.bundle if self.run.result is not None else None

    def can_save_as(self) -> Verdict:
        """Whether there is an adapted model whose files are there."""
        if self.bundle is None:
            return no("Adapt a model first.")
        return YES if self.bundle.is_dir() else no(f"The adapted model is gone: {self.bundle}")

    def save_as(self, folder: Path) -> Path:
        """Copy the adapted model, whole or not at all; raises StorageError. A folder that is there
        already is only replaced when it is a model."""
        demand(self.can_save_as())
        folder = Path(folder)
        assert self.bundle is not None
        if folder.exists() and any(folder.iterdir()) and not (folder / "configs" / "card.json").is_file():
            raise SettingsError("is a folder with other files.", file=folder, hint="Choose a new folder.")
        if folder.resolve() == self.bundle.resolve():
            return folder
        with atomic_folder(folder) as scratch:
            shutil.copytree(self.bundle, scratch, dirs_exist_ok=True)
        return folder

    def can_use_as_source(self) -> Verdict:
        """Whether the adapted model can be chosen as the source model."""
        return self.can_save_as()

    def use_as_source(self) -> None:
        """Choose the adapted model as the source model."""
        demand(self.can_use_as_source())
        self._models.refresh()
        self._models.choose(self.bundle)

    # -- inside ---------------------------------------------------------------------------------

    def _begin(self, plan: Adaptation) -> None:
        self._plan = plan
        self._jobs.start(plan)

    def _running(self) -> bool:
        progress = self._jobs.progress
        return progress is not None and progress.task == "adapt"

    def _training_rows(self) -> list[CaseRow]:
        return [row for row in self._cases.usable_labelled() if row.role == "train"]

    def _rows_verdict(self) -> Verdict:
        return YES if self._training_rows() else no("All complete cases are held out: train on one.")

    def _settings_verdict(self) -> Verdict:
        try:
            patch = self.settings.patch_size or ()
        except SettingsError as error:
            return no(str(error))
        entry = self._models.chosen
        if entry is not None and entry.card is not None:
            divisor = entry.card.divisible_by
            if any(size % divisor for size in patch):
                return no(f"The patch must be a multiple of {divisor} along every axis for this model.")
        return YES

    def _finish(self, settings: AdaptationSettings, model: Path, seconds_a_step: float | None) -> None:
        """The adapted model joins the list, and the next estimate knows the speed."""
        entry = self._models.find(str(model))
        if seconds_a_step is not None and entry is not None and entry.card is not None:
            patch = math.prod(settings.patch_size or entry.card.patch_size) * settings.batch_size
            remember_speed(self._desk.settings, model, self._device(), seconds_a_step / patch)
        self._models.refresh()

    def _choose(self, **fields: Any) -> None:
        choice = replace(self._desk.state.adapt, **fields)
        self._desk.update(replace(self._desk.state, adapt=choice), "adapt")


def _settings(preset: str, overrides: Mapping[str, Any]) -> AdaptationSettings:
    known = {field.name for field in dataclasses.fields(AdaptationSettings)}
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise SettingsError(f"There is no adaptation setting {unknown[0]!r}.")
    return from_json(AdaptationSettings, {**to_json(preset_settings(preset)), **overrides})
