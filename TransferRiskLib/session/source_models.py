"""Source models: the list, the choice, the card at a glance, the ranking."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.card_files import list_models, read_card
from TransferRiskLib.places import is_folder
from TransferRiskLib.session.desk import YES, Desk, Verdict, demand, no
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.model_entries import ModelEntry, card_rows, entry_of, read_entry
from TransferRiskLib.session.output import finished_bundles
from TransferRiskLib.session.row_volumes import volumes_for
from TransferRiskLib.session.state import CaseRow
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.tasks.requests import CohortInput, RankRequest
from TransferRiskLib.tasks.results import Lineage, ModelScore, RankResult
from TransferRiskLib.wording import wording

_ = wording(__name__)
Listed = list[tuple[Path, ModelCard | TransferRiskError]]


class SourceModels:
    """`session.models`.

    Args:
        desk: Scene, settings, state.
        jobs: Runs the ranking.
        cases: The target cases.
    """

    def __init__(self, desk: Desk, jobs: Jobs, cases: TargetCases) -> None:
        self._desk, self._jobs, self._cases = desk, jobs, cases
        self._entries: tuple[ModelEntry, ...] = ()
        self._others: dict[str, ModelEntry] = {}
        self.refresh()

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """The list: demonstration models, the folder of the settings, added ones, adapted ones."""
        return self._entries

    def listed_with(self, path: str) -> tuple[ModelEntry, ...]:
        """The list, and behind it the model of a path that is not on it: what a scene from another computer
        has chosen, say. Nothing more for an empty path."""
        entry = self.find(path)
        if entry is None or entry in self._entries:
            return self._entries
        return (*self._entries, entry)

    @property
    def folder(self) -> str:
        """The folder of the settings; empty for none."""
        return self._desk.settings.get("ModelFolder")

    @property
    def chosen(self) -> ModelEntry | None:
        """The chosen model."""
        return self.find(self._desk.state.model)

    @property
    def card(self) -> ModelCard | None:
        """The chosen model's card, None without a usable choice."""
        chosen = self.chosen
        return chosen.card if chosen is not None else None

    def find(self, path: str) -> ModelEntry | None:
        """The entry of a path; one that is not on the list is read. None for an empty path."""
        if not path:
            return None
        found = next((entry for entry in self._entries if str(entry.path) == path), None)
        if found is None:
            found = self._others.get(path) or read_entry(Path(path), "added")
            self._others[path] = found
        return found

    def can_use(self) -> Verdict:
        """Whether a usable source model is chosen."""
        chosen = self.chosen
        if chosen is None:
            return no(_("Choose a source model first."))
        if chosen.card is not None:
            return YES
        return no(_("The source model cannot be used: {reason}").format(reason=chosen.problem))

    def refresh(self) -> None:
        """Read the list again. A folder that cannot be read is an entry that says so."""
        folder = Path(self.folder)
        try:
            listed: Listed = list_models(folder) if self.folder else []
        except TransferRiskError as error:
            listed = [(folder, error)]
        self._show(listed)

    def set_folder(self, folder: str) -> None:
        """Use another folder of models; raises ModelError, and keeps the old one, when it cannot be
        read."""
        listed = list_models(Path(folder)) if folder else []
        self._desk.settings.set("ModelFolder", str(folder))
        self._show(listed)

    def add(self, path: Path) -> ModelEntry:
        """Add a bundle folder or a TorchScript file to the list and choose it; raises ModelError."""
        path = Path(path)
        read_card(path)
        if path not in [entry.path for entry in self._entries]:
            self._keep_added([*self._added(), path])
        self.refresh()
        self.choose(path)
        entry = self.chosen
        assert entry is not None
        return entry

    def can_forget(self, path: Path) -> Verdict:
        """Whether a model was added by hand."""
        added = Path(path) in self._added()
        return YES if added else no(_("Only models that were added by hand can be taken off the list."))

    def forget(self, path: Path) -> None:
        """Take an added model off the list; no file is touched."""
        demand(self.can_forget(path))
        self._keep_added([known for known in self._added() if known != Path(path)])
        if self._desk.state.model == str(path):
            self.choose(None)
        self.refresh()

    def choose(self, path: Path | None) -> None:
        """Choose a model of the list, or none."""
        self._desk.update(replace(self._desk.state, model=str(path) if path is not None else ""), "models")
        self._desk.tell("cases")  # the table's columns are the model's channels

    def card_summary(self) -> tuple[tuple[str, str], ...]:
        """The card at a glance: (heading, text) rows such as ("Channels", "T1, T2")."""
        chosen = self.chosen
        return card_rows(chosen) if chosen is not None else ()

    # -- ranking --------------------------------------------------------------------------------

    def can_rank(self) -> Verdict:
        """Whether the models can be compared on the cases."""
        ok, reason = self._jobs.can_compute()
        if not ok:
            return no(reason)
        ok, reason = self._cases.can_compare()
        if not ok:
            return no(reason)
        if not self._comparable(self._cases.to_compare()):
            return no(_("No model of the list takes the channels that the cases have."))
        return YES

    def rank(self) -> None:
        """Start the job that scores every usable model on the labelled cases."""
        demand(self.can_rank())
        rows = self._cases.to_compare()
        self._jobs.start(_RankPlan(self._desk, self._comparable(rows), rows, self._cases.target_labels(rows)))

    def ranking(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows of the table of normalised scores, best first; no rows before a ranking."""
        scores = self._desk.state.ranking
        labels = tuple(dict.fromkeys(label for score in scores for label in score.per_class))
        curves = any(score.without_curves is not None for score in scores)
        rows = tuple(
            (
                self._ranked_name(score),
                f"{score.normalised:.3f}",
                *((_number(score.without_curves),) if curves else ()),
                f"{score.leep:.3f}",
                *(_number(score.per_class.get(label)) for label in labels),
            )
            for score in scores
        )
        without = (_("Without curves"),) if curves else ()
        return (_("Model"), _("Score (0 to 1)"), *without, _("LEEP (nats)"), *labels), rows

    def ranking_sentence(self) -> str:
        """What the table holds for: its cases, whether they are still the same, and which models of the list
        are not in it; empty without a table."""
        state = self._desk.state
        if not state.ranking:
            return ""
        sentences = []
        rows = self._cases.to_compare()
        if state.ranked:  # a scene of an earlier version does not tell
            names = ", ".join(row.name for row in state.ranked)
            sentences.append(_("Scored on {cases}.").format(cases=names))
            before, now = set(map(_ranked_as, state.ranked)), set(map(_ranked_as, state.cases))
            if not before <= now or not before >= set(map(_ranked_as, rows)):
                sentences.append(_("The cases have changed since then: rank again."))
        missing = [e for e in self._entries if e.card is not None and e.path not in self.ranked_paths()]
        fitting = self._comparable(rows)
        unfit = [entry for entry in missing if entry.path not in fitting]
        others = [entry for entry in missing if entry.path in fitting]
        for text, entries in (
            (_("Not ranked, for not every case has its channels: {models}."), unfit),
            (_("Not in this table: {models}."), others),
        ):
            if entries:
                sentences.append(text.format(models=", ".join(map(self.name_of, entries))))
        return " ".join(sentences)

    def name_of(self, entry: ModelEntry) -> str:
        """A model's name, with its place where others of the list have the same name."""
        if sum(entry.name == other.name for other in self._entries) < 2:
            return entry.name
        return _("{name} ({path})").format(name=entry.name, path=entry.path)

    def _ranked_name(self, score: ModelScore) -> str:
        """An adapted model may have learnt from the very cases that it is scored on."""
        listed = next((entry for entry in self._entries if entry.path == score.path), None)
        model = score.model
        if listed is not None and self.name_of(listed) != listed.name:
            model = self.name_of(listed)
        lineage = score.lineage
        if lineage is None:  # a scene of an earlier version
            adapted = listed is not None and listed.origin == "adapted"
            lineage = Lineage(adapted, uncertain=adapted)
        text = "{model}"
        if lineage.trained_on:
            text = _("{model} (trained on {count} of these cases: it scores too well)")
        elif lineage.uncertain and lineage.adapted:
            text = _("{model} (adapted, perhaps to these cases)")
        elif lineage.uncertain:
            text = _("{model} (perhaps adapted to these cases)")
        return text.format(model=model, count=len(lineage.trained_on))

    def ranked_paths(self) -> tuple[Path, ...]:
        """The models of the table's rows."""
        return tuple(score.path for score in self._desk.state.ranking)

    def _comparable(self, rows: Sequence[CaseRow]) -> dict[Path, tuple[str, ...]]:
        """Models that all these rows can feed, with their channels."""
        return {
            entry.path: entry.card.channels
            for entry in self._entries
            if entry.card is not None
            and all(len(volumes_for(row, entry.card.channels)) == len(entry.card.channels) for row in rows)
        }

    def _show(self, listed: Listed) -> None:
        """Make the list of these models of the folder and of all others."""
        found: dict[Path, ModelEntry] = {}
        for path in demo_models().values():
            if path.is_dir():
                found[path] = read_entry(path, "demonstration")
        for path, card in listed:
            found.setdefault(path, entry_of(path, "folder", card))
        for path in self._added():
            found.setdefault(path, read_entry(path, "added"))
        for path in finished_bundles(self._desk.settings):
            found.setdefault(path, read_entry(path, "adapted"))
        self._entries = tuple(found.values())
        self._others.clear()
        self._desk.tell("models")

    def _added(self) -> list[Path]:
        try:
            value = json.loads(self._desk.settings.get("AddedModels") or "[]")
        except ValueError:
            return []
        return [Path(path) for path in value if isinstance(path, str)] if isinstance(value, list) else []

    def _keep_added(self, paths: list[Path]) -> None:
        self._desk.settings.set("AddedModels", json.dumps([str(path) for path in paths]))


def here(model: str) -> str:
    """The path of a model in a scene from another computer or installation, where it is a demonstration
    model, which every installation has; any other path as it is."""
    path = PurePath(model.replace("\\", "/"))
    ours = demo_models().get(path.name)
    moved = ours is not None and path.parent.name == ours.parent.name and not is_folder(model)
    return str(ours) if moved else model


def _ranked_as(row: CaseRow) -> tuple[Any, ...]:
    """What a ranking takes of a row."""
    labels = frozenset(row.labels.items())
    return row.key, frozenset(row.channels.items()), row.segmentation, labels, row.region, row.roi


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


class _RankPlan(ExchangePlan):
    """Scores models on rows.

    Args:
        desk: Scene, settings, state.
        models: Models with their channels; every row can feed them all.
        rows: Complete rows.
        scheme: The target labels.
    """

    task, worker_task, result_type = "rank", "rank", RankResult

    def __init__(
        self,
        desk: Desk,
        models: Mapping[Path, tuple[str, ...]],
        rows: Sequence[CaseRow],
        scheme: LabelScheme | None,
    ) -> None:
        super().__init__(desk)
        self._models, self._rows, self._scheme = tuple(models), rows, scheme
        # Models of several contrasts look at the same volumes: those are handed over once.
        self._given: dict[tuple[str, ...], str] = {}
        self._channels: dict[str, str] = {}
        for channels in models.values():
            for channel in channels:
                nodes = tuple(volumes_for(row, channels)[channel] for row in rows)
                self._channels[channel] = self._given.setdefault(nodes, channel)

    @property
    def title(self) -> str:
        return _("Ranking the source models")

    def prepare(self) -> Generator[str, None, RankRequest]:
        rows = [
            replace(row, channels={channel: nodes[number] for nodes, channel in self._given.items()})
            for number, row in enumerate(self._rows)
        ]
        made = yield from self.handover.cases(rows, tuple(self._given.values()), self._scheme)
        mapped = {channel: given for channel, given in self._channels.items() if channel != given}
        return RankRequest(
            self._models,
            CohortInput(Cohort(made, self._scheme), mapped),
            self.folder.folder(),
            prediction=self.prediction,
        )

    def apply(self, result: Any) -> Iterator[str]:
        state = replace(self.desk.state, ranking=result.scores, ranked=tuple(self._rows))
        self.desk.update(state, "models")
        if result.left_out:
            reasons = " ".join(f"{model.path.name}: {model.reason}" for model in result.left_out)
            self.closing = _("Left out, for they cannot be opened: {reasons}").format(reasons=reasons)
        yield _("Ranking")
