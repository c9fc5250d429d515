"""What a model's outputs tell about labelled cases: its states, joint statistics and maps.

The states of a case are kept on disk, because both the joint and the maps need them and the cases
together may not fit into memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import torch

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.maps import expected_empirical_prediction, transfer_maps
from TransferRiskLib.transfer.scores import LeepSums, foreground_dice
from TransferRiskLib.transfer.statistics import JointStatistics


class Evidence:
    """A model's states on labelled cases.

    Args:
        model: Any source model, or a model in training.
        cases: Prepared for that model, with labels.
        targets: Names of the target classes that the labels index.
        folder: Where the states are kept; states that are there already are used.
    """

    def __init__(
        self,
        model: SourceModel,
        cases: Sequence[Prepared],
        targets: Sequence[str],
        folder: Path,
        prediction: PredictionSettings,
        progress: Progress,
    ) -> None:
        self.cases = cases
        self.targets = tuple(targets)
        self._folder = folder
        for n, case in enumerate(cases):
            if self._file(n).exists():
                continue
            states = predict_on_grid(model, case.image, prediction, progress)
            with atomic_path(self._file(n)) as scratch, scratch.open("wb") as handle:
                np.save(handle, states.numpy())
        self.joints = [
            JointStatistics.from_probabilities(self.states(n), self.labels(n), self.targets, model.states)
            for n in range(len(cases))
        ]

    def _file(self, n: int) -> Path:
        return self._folder / f"states-{n}.npy"

    def states(self, n: int) -> torch.Tensor:
        """Probabilities of the states of case `n`, float32 (Z, X, Y, Z)."""
        return torch.from_numpy(np.load(self._file(n)))

    def labels(self, n: int) -> torch.Tensor:
        """Class indices of case `n`, (X, Y, Z), -1 where unlabelled."""
        labels = self.cases[n].labels
        assert labels is not None, "evidence is made of labelled cases"
        return labels

    def statistics(self, indices: Sequence[int]) -> JointStatistics:
        """The joint statistics of some of the cases, pooled."""
        return JointStatistics.merged(self.joints[n] for n in indices)

    def eep(self, n: int, statistics: JointStatistics) -> torch.Tensor:
        """The expected empirical prediction of case `n`, float32 (Y, X, Y, Z)."""
        return expected_empirical_prediction(statistics.conditional, self.states(n))

    def foreground_dice(self, indices: Sequence[int]) -> float:
        """`transfer.scores.foreground_dice` of some of the cases, with the statistics of the same cases."""
        pairs = ((self.states(n), self.labels(n)) for n in indices)
        return foreground_dice(self.statistics(indices).conditional, pairs)

    def maps(self, n: int, statistics: JointStatistics) -> tuple[torch.Tensor, torch.Tensor]:
        """Risk and transfer gain of case `n` in nats, (X, Y, Z), NaN where unlabelled."""
        maps = transfer_maps(
            statistics.conditional,
            statistics.prior,
            self.states(n),
            self.labels(n),
            kinds=("risk", "gain"),
        ).maps
        return maps["risk"], maps["gain"]

    def normalised_score(self, indices: Sequence[int]) -> float:
        """(LEEP + H(Y)) / H(Y) of some of the cases, with the statistics of the same cases."""
        statistics = self.statistics(indices)
        sums = (
            LeepSums.from_probabilities(statistics.conditional, self.states(n), self.labels(n), self.targets)
            for n in indices
        )
        return reduce(LeepSums.merge, sums).normalised(statistics.entropy)
