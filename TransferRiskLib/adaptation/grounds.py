"""What an adaptation stands on: the source as it sees the scans, the cases prepared for it, its evidence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from TransferRiskLib.adaptation.evidence import Evidence
from TransferRiskLib.adaptation.input_curves import LEAST_GAIN, fit_curves
from TransferRiskLib.adaptation.selection import FINDS_FOREGROUND
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import is_out_of_memory
from TransferRiskLib.inference.intensities import through_curve
from TransferRiskLib.inference.plans import release_memory
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.intensity_curve import IntensityCurve
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json

Curves = tuple[IntensityCurve, ...]


class Ground:
    """One view of the cases.

    Args:
        source: The source model; its card's curves are those of the cases.
        cases: All cases, prepared for that card.
        targets: Names of the target classes.
        folder: Where the source's states on the cases are kept.
        prediction: Device and sliding window.
        progress: Told when the source is asked.
    """

    def __init__(
        self,
        source: SourceModel,
        cases: Sequence[Prepared],
        targets: Sequence[str],
        folder: Path,
        prediction: PredictionSettings,
        progress: Progress,
    ) -> None:
        self.source, self.cases = source, list(cases)
        self._targets, self._folder = tuple(targets), folder
        self._prediction, self._progress = prediction, progress

    @cached_property
    def evidence(self) -> Evidence:
        """The source's states on all cases; it is asked when this is needed for the first time."""
        self._progress.stage("Asking the source model", len(self.cases))
        return Evidence(
            self.source, self.cases, self._targets, self._folder, self._prediction, self._progress
        )

    @cached_property
    def normalised_score(self) -> float:
        """(LEEP + H(Y)) / H(Y) of all cases: how much the source tells about the labels, 0 to 1."""
        return self.evidence.normalised_score(range(len(self.cases)))

    @cached_property
    def foreground_dice(self) -> float:
        """Dice of the EEP's foreground with that of all cases, 0 to 1."""
        return self.evidence.foreground_dice(range(len(self.cases)))

    def labels(self, n: int) -> torch.Tensor:
        """Class indices of case `n`, (X, Y, Z)."""
        labels = self.cases[n].labels
        assert labels is not None, "cases to adapt to are labelled"
        return labels


class Grounds:
    """The grounds of an adaptation: the cases as they are, and with curves fitted to those that train.

    A curve is fitted to the cases of one training only, so that what a fold holds out judges it too.

    Args:
        source: The source model.
        cases: Prepared for its card, labelled.
        target: The labels to segment.
        settings: Say whether curves are fitted.
        patch: Training patch along the network's axes.
        device: For the fit.
        prediction: Device and sliding window.
        folder: Working files; curves and states that are there already are used.
        progress: Told of what is done and asked for cancel.
    """

    def __init__(
        self,
        source: SourceModel,
        cases: Sequence[Prepared],
        target: LabelScheme,
        settings: AdaptationSettings,
        patch: tuple[int, int, int],
        device: torch.device,
        prediction: PredictionSettings,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._target, self._settings, self._patch, self._device = target, settings, patch, device
        self._prediction, self._folder, self._progress = prediction, folder, progress
        self.plain = Ground(source, cases, target.names, folder / "source", prediction, progress)
        self._last: tuple[tuple[int, ...], Ground] | None = None

    @cached_property
    def curved(self) -> bool:
        """Whether curves fitted to all cases help, by `curves_help`."""
        if self._settings.scheme == "scratch" or self._settings.input_curves == "off":
            return False
        ground = self._with_curves(range(len(self.plain.cases)))
        if ground is self.plain:
            return False
        before, after, found = self.plain.normalised_score, ground.normalised_score, ground.foreground_dice
        helps = curves_help(before, after, found)
        self._progress.message(
            f"Intensity curves raise what the source tells about the labels from {before:.2f} to {after:.2f} "
            "(normalised score): the scans are taken through them."
            if helps
            else f"Intensity curves were tried and left out (normalised score {before:.2f}, {after:.2f}; "
            f"with them the source's foreground has a Dice of {found:.2f} with the labelled one)."
        )
        return helps

    def of(self, train: Sequence[int]) -> Ground:
        """The ground of a training on some of the cases."""
        return self._with_curves(train) if self.curved else self.plain

    def fitted_source(self) -> SourceModel | None:
        """The source with curves fitted to all cases, whether they help in the end or not; None where no
        shape of a curve was worth a fit."""
        ground = self._with_curves(range(len(self.plain.cases)))
        return None if ground is self.plain else ground.source

    def _with_curves(self, train: Sequence[int]) -> Ground:
        key = tuple(train)
        if self._last is None or self._last[0] != key:
            self._last = None  # a ground holds all images: one at a time
            curves = self._curves(key)
            self._last = key, self.plain if curves is None else self._ground(key, curves)
        return self._last[1]

    def _curves(self, train: tuple[int, ...]) -> Curves | None:
        file = self._file(train).with_suffix(".json")
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            return None if kept is None else from_json(Curves, kept, "curves")
        curves = self._fitted_somewhere(train)
        write_json(file, to_json(curves))
        return curves

    def _fitted_somewhere(self, train: tuple[int, ...]) -> Curves | None:
        try:
            return self._fitted(train, self._device)
        except RuntimeError as error:
            if self._device.type == "cpu" or not is_out_of_memory(error):
                raise
        # only here is the error gone, and with it the frames that held the memory
        release_memory(self._device)
        self._progress.message(
            f"{self._device} has too little memory to fit the intensity curves; the CPU does it.", "warning"
        )
        return self._fitted(train, torch.device("cpu"))

    def _fitted(self, train: tuple[int, ...], device: torch.device) -> Curves | None:
        s = self._settings
        return fit_curves(
            self.plain.source,
            [self.plain.cases[n] for n in train],
            len(self._target),
            self._patch,
            steps=s.curve_steps,
            batch_size=s.batch_size,
            seed=s.seed,
            device=device,
            mixed_precision=self._prediction.mixed_precision,
            progress=self._progress,
        )

    def _ground(self, train: tuple[int, ...], curves: Curves) -> Ground:
        source, card = self.plain.source, self.plain.source.card
        total = tuple(c.after(f) for c, f in zip(curves, card.curves, strict=True)) if card.curves else curves
        cases = [
            dataclasses.replace(case, image=_curved(case.image, curves, source)) for case in self.plain.cases
        ]
        seen = dataclasses.replace(source, card=dataclasses.replace(card, curves=total))
        names, states = self._target.names, self._file(train)
        return Ground(seen, cases, names, states, self._prediction, self._progress)

    def _file(self, train: tuple[int, ...]) -> Path:
        digest = hashlib.sha256(json.dumps(train).encode()).hexdigest()[:8]
        return self._folder / f"source-{digest}"


def curves_help(before: float, after: float, foreground: float) -> bool:
    """Whether intensity curves make a source tell clearly more about the labels, and find what is labelled.

    A better score alone shows only that fewer voxels surprise: between real sequences curves that raised
    it, and still left the foreground unseen, did harm (`experiments/LOG.md`, 11).

    Args:
        before, after: Normalised scores without and with the curves.
        foreground: With them, `transfer.scores.foreground_dice`.
    """
    return after >= before + LEAST_GAIN and foreground >= FINDS_FOREGROUND


def _curved(image: torch.Tensor, curves: Curves, source: SourceModel) -> torch.Tensor:
    how = source.card.normalisation
    pairs = zip(image.numpy(), curves, strict=True)
    return torch.stack([torch.from_numpy(through_curve(channel, curve, how)) for channel, curve in pairs])
