"""From a source model and labelled cases to an adapted model: folds, choices, final training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from TransferRiskLib.adaptation.augmentation import mirrored_axes
from TransferRiskLib.adaptation.folds import split_folds
from TransferRiskLib.adaptation.grounds import Ground, Grounds
from TransferRiskLib.adaptation.packaging import adapted_card, with_eep
from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.adaptation.selection import (
    LOST_FIT,
    Shares,
    ValidationScores,
    candidate_shares,
    choose_components,
    choose_shares,
    choose_stop,
    default_shares,
    mean_dice,
    validation_scores,
)
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.shortage import Shortage
from TransferRiskLib.adaptation.starts import Start, starting_network
from TransferRiskLib.adaptation.training import Trained, Trainer, TrainingPlan
from TransferRiskLib.adaptation.weighing import reweighted_cases, weighted_cases
from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import AuditRow, audit_rows
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.informative import INFORMATIVE
from TransferRiskLib.transfer.statistics import JointStatistics


@dataclass
class AdaptedModel:
    """An adapted model in memory, with what was learned on the way.

    Attributes:
        model: Ready to predict; one network even where the EEP of the source takes part.
        statistics: Joint statistics of source states and target labels over all cases; None from
            scratch, where the source is not asked.
        normalised_score: How much the source's outputs tell about the target, 0 to 1; 0 from scratch.
        score_without_curves: The same before the scans were taken through the curves on the model's card;
            None where that is left out.
        shares: How the source takes part in the prediction.
        validation: Mean validation Dice per foreground label; empty without folds.
        audit: Transfer against from scratch on the same folds.
        curves: Name of a training to its (step, loss) history and (step, validation Dice) curve.
        resumed: Whether any part was continued from an earlier run.
    """

    model: SourceModel
    statistics: JointStatistics | None
    normalised_score: float
    shares: Shares
    score_without_curves: float | None = None
    validation: dict[str, float] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    curves: dict[str, Trained] = field(default_factory=dict)
    resumed: bool = False


def adapt_model(
    source: SourceModel,
    cases: Sequence[Prepared],
    target: LabelScheme,
    settings: AdaptationSettings,
    prediction: PredictionSettings,
    folder: Path,
    progress: Progress,
    name: str = "",
) -> AdaptedModel:
    """Adapt a source model to labelled cases.

    Args:
        source: The source model.
        cases: Prepared for the source's card, labelled with class indices of `target`.
        target: The labels to segment.
        settings: What to do.
        prediction: Device and sliding window.
        folder: Working files; a folder with an interrupted run of the same inputs is continued.
        progress: Told of every training and asked for cancel.
        name: Name of the adapted model.

    Raises:
        SettingsError: settings that the source cannot follow.
        Cancelled, DivergedError, DeviceError: see `Trainer.train`.
    """
    work = _Adaptation(source, cases, target, settings, prediction, folder, progress, name)
    return work.run()


class _Adaptation:
    def __init__(
        self,
        source: SourceModel,
        cases: Sequence[Prepared],
        target: LabelScheme,
        settings: AdaptationSettings,
        prediction: PredictionSettings,
        folder: Path,
        progress: Progress,
        name: str,
    ) -> None:
        self.source, self.target = source, target
        axes = mirrored_axes(settings.augmentation, source.card.orientation, target)
        settings = dataclasses.replace(
            settings, augmentation=dataclasses.replace(settings.augmentation, mirror_axes=axes)
        )
        self.settings, self.prediction, self.folder, self.progress = settings, prediction, folder, progress
        self.device = resolve_device(prediction.device)
        self.name = name
        self.patch = _patch(source.card, settings)
        self.grounds = Grounds(
            source, cases, target, settings, self.patch, self.device, prediction, folder, progress
        )
        self.shortage = Shortage()  # of all trainings
        self.resumed = False
        self.curves: dict[str, Trained] = {}

    def run(self) -> AdaptedModel:
        s = self.settings
        everyone = list(range(len(self.grounds.plain.cases)))
        statistics: JointStatistics | None = None
        normalised = foreground = 0.0
        if s.scheme != "scratch":
            ground = self.grounds.of(everyone)
            statistics, normalised = ground.evidence.statistics(everyone), ground.normalised_score
            if s.eep_weight is None:
                foreground = ground.foreground_dice
            del ground  # it may hold all images once more, and each fold has its own
        folds = split_folds([case.group for case in self.grounds.plain.cases], s.folds, s.seed)
        if not folds and (s.folds is None or s.folds > 1):
            text = "Validation needs at least two subjects: nothing is held out, and no step is chosen by it."
            self.progress.message(text, "warning")
        if s.audit and not folds:
            self.progress.message("The audit needs at least two subjects; it is left out.", "warning")
        self.translates = normalised >= INFORMATIVE
        start = starting_network(self.source, self.target, s, statistics if self.translates else None)
        averages = s.scheme != "scratch" and not start.fresh
        self.candidates = candidate_shares(s, averages)
        # between a start that cannot tell labels apart and a network that can, the path is not low
        shares = default_shares(s, averages and not start.divides, normalised, foreground)
        keep: tuple[str, ...] = ()
        if s.postprocess == "largest-component":
            keep = self.target.names[1:]
        validation: dict[str, float] = {}
        stop: int | None = None
        if folds:
            scores = ValidationScores.pooled([self._fold(n, *fold) for n, fold in enumerate(folds)])
            shares = choose_shares(scores, shares)
            if s.postprocess == "auto":
                keep = choose_components(scores, shares, self.target.names[1:])
            stop = choose_stop([t.curve for n, t in self.curves.items() if n.startswith("Fold")], s.steps)
            validation = _per_label(scores, shares, keep, self.target)
        audit = self._audit(folds) if s.audit and folds else []
        trained, start = self._train("Final training", everyone, None, s, stop)
        ground = self.grounds.of(everyone)
        if not folds and s.wise_ft is None and shares.adapted < 1:
            alone = default_shares(s, False, normalised, foreground)
            shares = self._kept_fit(ground, trained, start, shares, alone)
        start.network.load_state_dict(start.averaged(trained.state, shares.adapted, trained.probed))
        card = dataclasses.replace(self._card(ground), keep_largest=keep)
        network, config = start.network, start.config
        if shares.eep > 0 and statistics is not None:
            network, config = with_eep(self.source, network, config, statistics, shares.eep)
        model = SourceModel(card, network.to("cpu"), config)
        before = None if ground is self.grounds.plain else self.grounds.plain.normalised_score
        return AdaptedModel(
            model, statistics, normalised, shares, before, validation, audit, self.curves, self.resumed
        )

    def _card(self, ground: Ground) -> ModelCard:
        return adapted_card(ground.source.card, self.target, self.name)

    def _kept_fit(
        self, ground: Ground, trained: Trained, start: Start, averaged: Shares, alone: Shares
    ) -> Shares:
        """`averaged`, unless averaging the weights loses what the training has learned of its own cases:
        the path between start and end is then not low, and no validation case is there to say so."""
        dice = []
        for shares in (averaged, alone):
            start.network.load_state_dict(start.averaged(trained.state, shares.adapted, trained.probed))
            parts = [self._score(ground, start.network, n, [], [Shares()]) for n in range(len(ground.cases))]
            dice.append(mean_dice(ValidationScores.pooled(parts).plain[Shares()]))
        return averaged if dice[0] >= dice[1] - LOST_FIT else alone

    # -- trainings ------------------------------------------------------------------------------

    def _fold(self, number: int, train: list[int], held_out: list[int]) -> ValidationScores:
        """Train on one fold and score its held-out cases for every choice that validation makes."""
        trained, start = self._train(f"Fold {number + 1}", train, held_out, self.settings, None)
        file = self.folder / f"fold-{number + 1}" / "scores.json"
        if file.exists():
            return ValidationScores.from_list(json.loads(file.read_text(encoding="utf-8")))
        parts, ground = [], self.grounds.of(train)
        for adapted_share in dict.fromkeys(shares.adapted for shares in self.candidates):
            shares = [each for each in self.candidates if each.adapted == adapted_share]
            start.network.load_state_dict(start.averaged(trained.state, adapted_share, trained.probed))
            each_case = [self._score(ground, start.network, n, train, shares) for n in held_out]
            parts.append(ValidationScores.pooled(each_case))
        scores = ValidationScores.joined(parts)
        write_json(file, scores.to_list())
        return scores

    def _score(
        self, ground: Ground, network: torch.nn.Module, n: int, train: list[int], shares: list[Shares]
    ) -> ValidationScores:
        mixes = any(each.eep for each in shares)
        eep = ground.evidence.eep(n, ground.evidence.statistics(train)) if mixes else None
        model = SourceModel(self._card(ground), network)
        image = ground.cases[n].image
        adapted = predict_on_grid(model, image, self.prediction, _CancelOnly(self.progress))
        return validation_scores(adapted, eep, ground.labels(n), shares)

    def _audit(self, folds: list[tuple[list[int], list[int]]]) -> list[AuditRow]:
        """The same budget from scratch on the same folds.

        Both sides are compared without the EEP and without post-processing: the audit asks whether
        starting from the source helps, nothing else.
        """
        if self.source.config is None:
            self.progress.message(
                "A TorchScript model cannot be trained from scratch; the audit is left out.", "warning"
            )
            return []
        scratch = dataclasses.replace(self.settings, scheme="scratch", weights="none", weight_refresh=())
        names = self.target.names[1:]
        sides: dict[str, dict[str, list[float]]] = {"transfer": {}, "scratch": {}}
        for number, (train, held_out) in enumerate(folds):
            for side, settings, label in (
                ("transfer", self.settings, f"Fold {number + 1}"),
                ("scratch", scratch, f"From scratch {number + 1}"),
            ):
                trained, start = self._train(label, train, held_out, settings, None)
                start.network.load_state_dict(trained.state)
                ground = self._ground(train, settings)
                for n in held_out:
                    scores = self._score(ground, start.network, n, train, [Shares()])
                    for label_name, dice in zip(names, scores.plain[Shares()][0], strict=True):
                        if dice == dice:  # absent labels are NaN and say nothing
                            sides[side].setdefault(label_name, []).append(float(dice))
        return list(audit_rows(sides["transfer"], sides["scratch"]))

    def _ground(self, train: list[int], settings: AdaptationSettings) -> Ground:
        """What a training stands on; from scratch the cases are as they came."""
        return self.grounds.plain if settings.scheme == "scratch" else self.grounds.of(train)

    def _translation(self, ground: Ground, train: list[int]) -> JointStatistics | None:
        """The statistics that a new head starts from, where the source informs about the target."""
        return ground.evidence.statistics(train) if self.translates else None

    def _train(
        self,
        name: str,
        train: list[int],
        held_out: list[int] | None,
        settings: AdaptationSettings,
        stop: int | None,
    ) -> tuple[Trained, Start]:
        ground = self._ground(train, settings)
        statistics = None if settings.scheme == "scratch" else self._translation(ground, train)
        start = starting_network(self.source, self.target, settings, statistics)
        folder = self.folder / name.lower().replace(" ", "-")
        if name in self.curves:  # the audit asks again for what the folds trained
            return self.curves[name], start
        cases = weighted_cases(ground, train, settings)
        refresh = partial(self._refresh, ground=ground, train=train, settings=settings, folder=folder)
        plan = TrainingPlan(
            name=name,
            folder=folder,
            network=start.network,
            head=start.head,
            probe_steps=start.probe_steps,
            cases=cases,
            patch=self.patch,
            settings=settings,
            device=self.device,
            mixed_precision=self.prediction.mixed_precision,
            new_head=start.new_head,
            stop_at=stop,
            validate=self._validator(ground, held_out) if held_out else None,
            refresh=refresh if settings.weights != "none" and settings.weight_refresh else None,
            shortage=self.shortage,
        )
        trained = Trainer(plan, self.progress).train()
        start.network.to("cpu")
        self.resumed = self.resumed or trained.resumed
        self.curves[name] = trained
        return trained, start

    def _validator(self, ground: Ground, held_out: list[int]) -> Callable[[torch.nn.Module], float]:
        def validate(network: torch.nn.Module) -> float:
            parts = [self._score(ground, network, n, [], [Shares()]) for n in held_out]
            return mean_dice(ValidationScores.pooled(parts).plain[Shares()])

        return validate

    def _refresh(
        self,
        network: torch.nn.Module,
        cases: list[TrainingCase],
        *,
        ground: Ground,
        train: list[int],
        settings: AdaptationSettings,
        folder: Path,
    ) -> list[TrainingCase]:
        current = SourceModel(self._card(ground), network)
        quiet, scratch = _CancelOnly(self.progress), folder / "current"
        return reweighted_cases(current, ground, train, cases, settings, self.prediction, scratch, quiet)


class _CancelOnly(Progress):
    """Hides the steps of a part from the progress of the whole, but lets cancel through."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self.check = whole.check  # type: ignore[method-assign]
        self.message = whole.message  # type: ignore[method-assign]


def _patch(card: ModelCard, settings: AdaptationSettings) -> tuple[int, int, int]:
    patch = settings.patch_size or card.patch_size
    if any(size % card.divisible_by for size in patch):
        raise SettingsError(
            f"The patch size {patch} is not divisible by {card.divisible_by}, which {card.name} needs."
        )
    return patch


def _per_label(
    scores: ValidationScores, shares: Shares, keep: tuple[str, ...], target: LabelScheme
) -> dict[str, float]:
    rows = {}
    for n, name in enumerate(target.names[1:]):
        table = scores.largest if name in keep else scores.plain
        column = table[shares][:, n]
        if (column == column).any():
            rows[name] = float(column[column == column].mean())
    return rows
