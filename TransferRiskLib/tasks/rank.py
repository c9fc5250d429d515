"""Which source model knows most about the target?"""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from tempfile import TemporaryDirectory

from TransferRiskLib.adaptation.grounds import Grounds, curves_help
from TransferRiskLib.adaptation.input_curves import LEAST_GAIN
from TransferRiskLib.adaptation.settings import preset_settings
from TransferRiskLib.atomic import made_folder, write_json, write_text
from TransferRiskLib.errors import ModelError, SettingsError
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import to_json
from TransferRiskLib.tasks.provenance import provenance
from TransferRiskLib.tasks.requests import CohortInput, RankRequest
from TransferRiskLib.tasks.results import LeftOut, Lineage, ModelScore, RankResult
from TransferRiskLib.tasks.space import demand_space, space_for_states
from TransferRiskLib.tasks.stored_states import StoredStates
from TransferRiskLib.tasks.target import Target
from TransferRiskLib.tasks.trained_on import lineages
from TransferRiskLib.transfer.ranking import rank as rank_scores
from TransferRiskLib.transfer.ranking import ranking_table
from TransferRiskLib.transfer.scores import TransferScore, score


def rank(request: RankRequest, progress: Progress) -> RankResult:
    """Score every model on the same labelled cases and sort them by normalised score.

    With curves, the cases are all in memory for a fit, as in an adaptation. Writes `ranking.csv` and
    `ranking.json` into the output folder.

    A model that cannot be opened is left out, and named in the result. One that was adapted to some of
    these cases scores too well: the result names them, see `trained_on`.

    Raises:
        SettingsError: no models. ModelError: none of them can be opened. CaseError, ...: see the parts.
    """
    if not request.models:
        raise SettingsError("There are no models to rank.", hint="Name at least one.")
    progress.stage("Checking models and cases", len(request.models))
    resolve_device(request.prediction.device)
    models, left_out, problem = [], [], None
    for path in request.models:
        try:
            model = open_model(path)
        except ModelError as error:
            problem = problem or error
            left_out.append(LeftOut(path, str(error)))
            progress.message(f"{path} is left out: {error}", "warning")
            progress.step()
            continue
        target = Target(_own_channels(request.target, model), model.card, labelled=True)
        models.append((path, model, target))
        progress.step()
    if problem is not None and not models:
        raise problem
    _check_channel_map(request, [model for _, model, _ in models])
    # the states of one model are gone before the next one's are made
    demand_space(request.output, max(space_for_states(target, model) for _, model, target in models))
    for target in {model.card.channels: target for _, model, target in models}.values():
        target.read_once(progress)
    histories = lineages(models, progress)
    names = _distinct([model.card.name for _, model, _ in models])
    scores: dict[str, TransferScore] = {}
    without: dict[str, float] = {}
    for name, (_, model, target) in zip(names, models, strict=True):
        with TemporaryDirectory(dir=made_folder(request.output), prefix=".states-") as scratch:
            scorer = _Scorer(name, target, Path(scratch), request.prediction, progress)
            scores[name] = plain = scorer.score(model)[0]
            if request.input_curves == "auto" and plain.normalised <= 1 - LEAST_GAIN:
                fitted = scorer.fitted(model)
                if fitted is not None:
                    curved, stored = scorer.score(fitted)
                    if curves_help(plain.normalised, curved.normalised, stored.foreground_dice()):
                        scores[name], without[name] = curved, plain.normalised
    ranked = rank_scores(list(scores.values()))
    paths = dict(zip(names, (path for path, _, _ in models), strict=True))
    known = dict(zip(names, histories, strict=True))
    results = tuple(
        ModelScore.of(entry, paths[entry.model], without.get(entry.model), known[entry.model])
        for entry in ranked
    )
    header, rows = ranking_table(ranked)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*header, "normalised_without_curves", "trained_on"])
    table.writerows(
        [*row, without.get(entry.model, ""), _count(known[entry.model])]
        for row, entry in zip(rows, ranked, strict=True)
    )
    write_text(request.output / "ranking.csv", text.getvalue())
    about = provenance(
        "rank",
        [model for _, model, _ in models],
        [case.name for case in request.target.cohort.cases],
        {"input_curves": request.input_curves, "prediction": to_json(request.prediction)},
    )
    found = {"scores": to_json(results), "left_out": to_json(tuple(left_out)), "provenance": about}
    write_json(request.output / "ranking.json", found)
    progress.artifact(request.output / "ranking.csv", "ranking")
    return RankResult(results, request.output / "ranking.csv", tuple(left_out))


class _Scorer:
    """Scores one source model on the cases, as it is and through curves."""

    def __init__(
        self, name: str, target: Target, folder: Path, prediction: PredictionSettings, progress: Progress
    ) -> None:
        self._name, self._target, self._folder = name, target, folder
        self._prediction, self._progress = prediction, progress

    def score(self, model: SourceModel) -> tuple[TransferScore, StoredStates]:
        """The score of a model on the cases' own grids, and its states there, until the next are stored."""
        stored = StoredStates(model, self._target, self._folder, self._prediction, self._progress)
        sums = stored.leep_sums()
        assert sums is not None, "every case is labelled"
        return score(self._name, stored.statistics, sums), stored

    def fitted(self, model: SourceModel) -> SourceModel | None:
        """The model with curves that are fitted as the recommended adaptation does; None without any."""
        device, card = resolve_device(self._prediction.device), model.card
        cases = [prepare(card, loaded) for loaded in self._target]
        return Grounds(
            model, cases, self._target.labels, preset_settings("recommended"), card.patch_size, device,
            self._prediction, self._folder / "curves", self._progress,
        ).fitted_source()  # fmt: skip


def _own_channels(target: CohortInput, model: SourceModel) -> CohortInput:
    """The part of the channel map that speaks of this model: models may name their channels apart."""
    own = {name.casefold() for name in model.card.channels}
    channels = {card: name for card, name in target.channels.items() if card.casefold() in own}
    return dataclasses.replace(target, channels=channels)


def _check_channel_map(request: RankRequest, models: list[SourceModel]) -> None:
    known = {name.casefold() for model in models for name in model.card.channels}
    unknown = [name for name in request.target.channels if name.casefold() not in known]
    if unknown:
        raise SettingsError(f"No model has a channel {unknown[0]!r} to map.")


def _count(lineage: Lineage) -> int | str:
    """How many of the cases a model was adapted to; empty where that is not known."""
    return len(lineage.trained_on) if lineage.adapted and not lineage.uncertain else ""


def _distinct(names: list[str]) -> list[str]:
    """Names with a number behind those that come twice."""
    return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]
