"""What every diagnostic works on: a source model, a cohort, annotated cases and test cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.cohorts import REGISTERED, data_folder
from experiments.store import load, scheme_of
from experiments.study_cohort import StudyCohort
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import ModelError, SettingsError
from TransferRiskLib.inference.decisions import entropy
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.transfer.maps import expected_empirical_prediction, transfer_maps
from TransferRiskLib.transfer.statistics import JointStatistics

SPLIT_SEED = 2026
"""Chooses the test subjects, the same in every command."""

SOURCE, EEP = "source", "EEP"
SCORES = ("risk", "negated gain", "expected risk", "source entropy")
"""Maps that say where errors are expected, larger where they are more so; the last one is the control."""

OWN_ENTROPY = "own entropy"
"""The softmax entropy of the adapted model whose errors are looked for."""


@dataclass(frozen=True)
class Target:
    """The target's side of an experiment.

    Attributes:
        cohort: Where cases come from.
        channels: Its channels in place of the source's; empty for those of the same names.
        merge: Of its labels.
        contrast: `remap` for the simulated second contrast.
    """

    cohort: StudyCohort
    channels: tuple[str, ...] = ()
    merge: Mapping[str, str | None] | None = None
    contrast: str = "none"

    @classmethod
    def named(cls, name: str, data: Path | None = None, **options: Any) -> Target:
        """A registered cohort, or a folder of any layout that `read_cohort` knows."""
        if name in REGISTERED:
            return cls(REGISTERED[name](data_folder(data)), **options)
        return cls(StudyCohort(read_cohort(Path(name))), **options)

    @property
    def scheme(self) -> LabelScheme:
        """The labels after merging."""
        return scheme_of(self.cohort, self._merge)

    def load(self, case: Case, source: SourceModel) -> LoadedCase:
        """A case as a source sees it."""
        names = source.card.channels
        return load(self.cohort, case, names, self.channels or names, self._merge, self.contrast)

    def unseen(self, source: SourceModel) -> tuple[Case, ...]:
        """Labelled cases that the source did not train on, as far as its bundle tells."""
        seen = set(trained_on(source))
        return tuple(c for c in self.cohort.cohort.cases if c.labels is not None and c.name not in seen)

    @property
    def _merge(self) -> dict[str, str | None] | None:
        return None if self.merge is None else dict(self.merge)


def trained_on(model: SourceModel) -> tuple[str, ...]:
    """Names of the cases that a bundle's provenance gives; none where it does not tell."""
    file = None if model.path is None else model.path / "configs" / "provenance.json"
    if file is None or not file.is_file():
        return ()
    return tuple(json.loads(file.read_text(encoding="utf-8")).get("cases", ()))


def split_cases(cases: Sequence[Case], test: int) -> tuple[list[Case], list[Case]]:
    """Cases of `test` subjects, and those of the others.

    Raises:
        SettingsError: no subject would be left.
    """
    subjects = sorted({case.group for case in cases})
    if not 0 < test < len(subjects):
        raise SettingsError(f"{test} test subjects of {len(subjects)} leave one side without any.")
    np.random.default_rng(SPLIT_SEED).shuffle(subjects)
    chosen = set(subjects[:test])
    return [c for c in cases if c.group in chosen], [c for c in cases if c.group not in chosen]


def joint_statistics(
    source: SourceModel, cases: Iterable[tuple[np.ndarray, LoadedCase]], scheme: LabelScheme
) -> JointStatistics:
    """Joint statistics of the source's states, (Z, k, j, i), and the labels of annotated cases."""
    parts = []
    for states, case in cases:
        assert case.labels is not None, "annotated cases have labels"
        parts.append(JointStatistics.from_probabilities(states, case.labels, scheme.names, source.states))
    return JointStatistics.merged(parts)


@dataclass(frozen=True, eq=False)
class Material:
    """A test case with everything that the diagnostics compare.

    Attributes:
        case, subject: Names.
        labels: Class indices, (k, j, i), -1 where unlabelled.
        scores: Name of `SCORES` to map, (k, j, i); those that need labels are not-a-number without.
        probabilities: `source`, `EEP` and the names of adapted models to probabilities of the target's
            classes, (Y, k, j, i) float32. The source's are its states renamed (`renaming`).
    """

    case: str
    subject: str
    labels: np.ndarray
    scores: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]

    @property
    def errors(self) -> dict[str, np.ndarray]:
        """Who is wrong where: the most probable class is not the label. Meaningless where unlabelled."""
        return {name: p.argmax(axis=0) != self.labels for name, p in self.probabilities.items()}

    def scores_for(self, name: str) -> dict[str, np.ndarray]:
        """The scores that may find somebody's errors: an adapted model's own entropy besides `scores`."""
        if name in (SOURCE, EEP):
            return self.scores
        return {**self.scores, OWN_ENTROPY: entropy(self.probabilities[name])}


def renaming(statistics: JointStatistics) -> np.ndarray:
    """(Y, Z) of 0 and 1: the target class that each source state is taken for.

    The class of the same name, where all classes have one; otherwise the most frequent class within the
    state, P(y|z).
    """
    targets, states = statistics.targets, statistics.states
    if set(targets) == set(states):
        places = [targets.index(state) for state in states]
    else:
        places = list(statistics.conditional.argmax(axis=0))
    table = np.zeros((len(targets), len(states)))
    table[places, np.arange(len(states))] = 1.0
    return table


def material(
    case: LoadedCase, states: np.ndarray, statistics: JointStatistics, adapted: Mapping[str, np.ndarray]
) -> Material:
    """Everything about a test case.

    Args:
        case: With labels.
        states: The source's probabilities, (Z, k, j, i).
        statistics: Of the annotated cases.
        adapted: Name to an adapted model's probabilities of the target's classes, (Y, k, j, i).
    """
    assert case.labels is not None, "test cases have labels"
    conditional = statistics.conditional
    kinds = ("risk", "gain", "expected-risk")
    maps = transfer_maps(conditional, statistics.prior, states, case.labels, kinds=kinds).maps
    found = (maps["risk"], -maps["gain"], maps["expected-risk"], torch.from_numpy(entropy(states)))
    values = torch.from_numpy(states)
    probabilities = {
        SOURCE: expected_empirical_prediction(renaming(statistics), values).numpy(),
        EEP: expected_empirical_prediction(conditional, values).numpy(),
        **adapted,
    }
    scores = {name: values.numpy() for name, values in zip(SCORES, found, strict=True)}
    return Material(case.name, case.group, case.labels, scores, probabilities)


def materials(
    source: SourceModel,
    target: Target,
    adapted: Mapping[str, SourceModel],
    annotated: Sequence[str],
    prediction: PredictionSettings,
) -> Iterator[Material]:
    """The test cases one by one: those of subjects that neither the source nor the annotation knows.

    Args:
        source: The source model.
        target: The target.
        adapted: Name to model, adapted with the annotated cases.
        annotated: Names of the annotated cases; empty for those that the adapted bundles tell.
        prediction: Device and sliding window.

    Raises:
        SettingsError: nothing is annotated, or nothing is left to test.
        ModelError: an adapted model of other labels.
    """
    names = set(annotated) or set().union(*(trained_on(model) for model in adapted.values()))
    for name, model in adapted.items():
        if model.card.labels.names != target.scheme.names:
            raise ModelError(
                f"{name} has the labels {', '.join(model.card.labels.names)}; "
                f"the cases have {', '.join(target.scheme.names)}.",
                file=model.path,
            )
    cases = target.unseen(source)
    given = [case for case in cases if case.name in names]
    if not given:
        raise SettingsError("No case is annotated.", hint="Name the cases that the models were adapted with.")
    seen = {case.group for case in given}
    test = [case for case in cases if case.group not in seen]
    if not test:
        raise SettingsError("Every subject is annotated; there is none to test on.")
    annotations = [target.load(case, source) for case in given]
    statistics = joint_statistics(
        source, ((predict_states(source, case, prediction), case) for case in annotations), target.scheme
    )
    for case in test:
        loaded = target.load(case, source)
        states = predict_states(source, loaded, prediction)
        outputs = {name: predict_states(model, loaded, prediction) for name, model in adapted.items()}
        yield material(loaded, states, statistics, outputs)
