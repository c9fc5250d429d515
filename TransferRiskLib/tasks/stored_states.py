"""A model's states on the cases' own grids, kept on disk between the two passes that statistics need."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import LabelError
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.target import Target
from TransferRiskLib.transfer.scores import LeepSums, foreground_dice
from TransferRiskLib.transfer.statistics import JointStatistics
from TransferRiskLib.volumes.geometry import Geometry


class StoredStates:
    """Predicts every case once; only one case is in memory at a time.

    Args:
        model: The source model.
        target: The cases.
        folder: Scratch folder; the caller removes it.
        statistics: Joint statistics to use instead of those of the labelled cases.
    """

    def __init__(
        self,
        model: SourceModel,
        target: Target,
        folder: Path,
        prediction: PredictionSettings,
        progress: Progress,
        statistics: JointStatistics | None = None,
    ) -> None:
        self.target = target
        self._folder = folder
        self._labelled: list[int] = []
        self._geometries: list[Geometry] = []
        joints = []
        for n, loaded in enumerate(target):
            progress.check()
            states = predict_states(model, loaded, prediction, progress)
            self._geometries.append(loaded.geometry)
            with atomic_path(self._file(n, "states")) as scratch, scratch.open("wb") as handle:
                np.save(handle, states)
            if loaded.labels is not None:
                with atomic_path(self._file(n, "labels")) as scratch, scratch.open("wb") as handle:
                    np.save(handle, loaded.labels)
                self._labelled.append(n)
                joints.append(
                    JointStatistics.from_probabilities(states, loaded.labels, target.names, model.states)
                )
        if statistics is None:
            if not joints:
                raise LabelError(
                    "No case has labels, and no statistics were given.",
                    hint="Label at least one case, or give the statistics of an earlier map.",
                )
            statistics = JointStatistics.merged(joints)
        self.statistics = statistics

    def _file(self, n: int, kind: str) -> Path:
        return self._folder / f"{kind}-{n}.npy"

    def states(self, n: int) -> np.ndarray:
        """Probabilities of case `n`, float32 (Z, k, j, i)."""
        return np.load(self._file(n, "states"))

    def labels(self, n: int) -> np.ndarray | None:
        """Class indices of case `n`, (k, j, i), or None."""
        return np.load(self._file(n, "labels")) if n in self._labelled else None

    def geometry(self, n: int) -> Geometry:
        """The grid of case `n`."""
        return self._geometries[n]

    @property
    def target_scheme(self) -> LabelScheme:
        """The target's labels; those of statistics from elsewhere when no case here has labels."""
        if self.target.scheme is not None:
            return self.target.scheme
        return LabelScheme.of(*self.statistics.targets[1:])

    def leep_sums(self) -> LeepSums | None:
        """Sums of log EEP over the labelled cases, or None without any."""
        parts = [
            LeepSums.from_probabilities(
                self.statistics.conditional,
                self.states(n),
                np.load(self._file(n, "labels")),
                self.statistics.targets,
            )
            for n in self._labelled
        ]
        return reduce(LeepSums.merge, parts) if parts else None

    def foreground_dice(self) -> float:
        """`transfer.scores.foreground_dice` of the labelled cases."""
        pairs = ((self.states(n), np.load(self._file(n, "labels"))) for n in self._labelled)
        return foreground_dice(self.statistics.conditional, pairs)
