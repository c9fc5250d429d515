"""What all methods of one comparison work on: source, training cases, test cases, joint statistics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np

from experiments.config import ScenarioSpec
from experiments.splits import draw
from experiments.store import Store, load, loaded_bytes, prepared_bytes
from experiments.study import Study
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.inference.predict import predict_on_grid, predict_states
from TransferRiskLib.inference.prepare import Prepared, prepare
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.scores import LeepSums
from TransferRiskLib.transfer.statistics import JointStatistics

CAPACITY = 1 << 30
"""Bytes of each kind that a process keeps."""


def _nbytes(array: np.ndarray) -> int:
    return array.nbytes


@dataclass
class Stores:
    """What a process keeps from one comparison to the next."""

    loaded: Store[LoadedCase] = field(default_factory=lambda: Store(CAPACITY, loaded_bytes))
    prepared: Store[Prepared] = field(default_factory=lambda: Store(CAPACITY, prepared_bytes))
    states: Store[np.ndarray] = field(default_factory=lambda: Store(CAPACITY, _nbytes))


class Bench:
    """One scenario, fold, k and seed.

    Args:
        study: The experiment.
        group: Scenario, fold, k, seed.
        source: The fold's source model.
        stores: Shared by the process.
        progress: Asked for cancel.

    Attributes:
        train: Training cases, prepared for the source.
        spare: The rest of the pool.
        test: Test cases.
        scheme: The target's labels.
    """

    def __init__(
        self,
        study: Study,
        group: tuple[str, int, int, int],
        source: SourceModel,
        stores: Stores,
        progress: Progress,
    ) -> None:
        name, number, k, self.seed = group
        self.study, self.source, self.stores, self.progress = study, source, stores, progress
        self.scenario: ScenarioSpec = study.experiment.scenario(name)
        self.scheme = study.scheme(self.scenario)
        fold = study.folds(name)[number]
        s = self.scenario
        drawn = draw(
            fold.pool,
            study.cases(s, fold.pool),
            k,
            self.seed,
            s.one_case_per_subject,
            lambda case: bool((self._labels(case) > 0).any()),
        )
        self.train_cases, self.spare = drawn.train, drawn.spare
        self.test = study.cases(s, fold.test)

    def loaded(self, case: Case) -> LoadedCase:
        """A target case as the source sees it."""
        s = self.scenario
        cohort = self.study.cohort(s.cohort)
        return self.stores.loaded.get(
            self._key(case),
            lambda: load(cohort, case, self.source.card.channels, s.channels, s.merge, s.contrast),
        )

    def prepared(self, case: Case) -> Prepared:
        """The same on the source's grid."""
        return self.stores.prepared.get(
            (str(self.source.path), *self._key(case)), lambda: prepare(self.source.card, self.loaded(case))
        )

    @cached_property
    def train(self) -> list[Prepared]:
        """Training cases on the source's grid."""
        return [self.prepared(case) for case in self.train_cases]

    def states(self, case: Case) -> np.ndarray:
        """Probabilities of the source's states on the case's own grid, (Z, k, j, i)."""
        return self.stores.states.get(
            (str(self.source.path), *self._key(case)), lambda: self.predicted(self.source, case)
        )

    def predicted(self, model: SourceModel, case: Case) -> np.ndarray:
        """Probabilities of any model's states on the case's own grid."""
        return predict_states(model, self.loaded(case), self.study.prediction, self.progress)

    @cached_property
    def statistics(self) -> JointStatistics:
        """Joint statistics of the source's states and the target's labels on the training cases."""
        return JointStatistics.merged(
            JointStatistics.from_probabilities(states, _labelled(case), self.scheme.names, self.source.states)
            for case, states in self._training_states
        )

    @cached_property
    def normalised_score(self) -> float:
        """(LEEP + H(Y)) / H(Y) on the training cases: what the source's outputs tell, 0 to 1."""
        conditional = self.statistics.conditional
        sums = [
            LeepSums.from_probabilities(conditional, states, _labelled(case), self.scheme.names)
            for case, states in self._training_states
        ]
        return reduce(LeepSums.merge, sums).normalised(self.statistics.entropy)

    @cached_property
    def _training_states(self) -> Sequence[tuple[Prepared, np.ndarray]]:
        predict = self.study.prediction
        return [
            (case, predict_on_grid(self.source, case.image, predict, self.progress, case.name).numpy())
            for case in self.train
        ]

    def _labels(self, case: Case) -> np.ndarray:
        labels = self.loaded(case).labels
        assert labels is not None, "cases of experiments are labelled"
        return labels

    def _key(self, case: Case) -> tuple[str, ...]:
        s = self.scenario
        return s.cohort, case.name, "/".join(s.channels), json.dumps(s.merge), s.contrast


def _labelled(case: Prepared) -> np.ndarray:
    assert case.labels is not None, "cases of experiments are labelled"
    return case.labels.numpy()
