"""Scores of a source model on labelled target voxels, as sums that merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from TransferRiskLib.errors import LabelError, SettingsError
from TransferRiskLib.transfer.chunks import CHUNK, Array, as_labels, as_tensor, portions
from TransferRiskLib.transfer.maps import (
    EEP_FLOOR,
    FLOORED_RISK,
    expected_empirical_prediction,
    transfer_maps,
)
from TransferRiskLib.transfer.statistics import JointStatistics, class_sums, entropy

VERSION = 1


@dataclass(frozen=True, eq=False)
class LeepSums:
    """Sums of log EEP(y_i|x_i) over the labelled voxels of every target class.

    Attributes:
        targets: Names of the Y classes.
        counts: (Y,) int64, voxels.
        log_eep: (Y,) float64, sums of log EEP in nats, at most 0.
        floored: (Y,) int64, voxels whose EEP was raised to `maps.EEP_FLOOR`.

    Raises:
        SettingsError: shapes that do not fit the names, or sums that no voxels can have.
    """

    targets: tuple[str, ...]
    counts: np.ndarray
    log_eep: np.ndarray
    floored: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        for name, kind in (("counts", np.int64), ("log_eep", np.float64), ("floored", np.int64)):
            values = np.array(getattr(self, name), dtype=kind)
            if values.shape != (len(self.targets),) or not np.isfinite(values).all():
                raise SettingsError(f"LEEP sums hold {name!r} that do not fit their classes.")
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        if (self.counts < 0).any() or (self.log_eep > 0).any() or (self.floored > self.counts).any():
            raise SettingsError("LEEP sums hold numbers that no voxels can have.")

    @classmethod
    def zeros(cls, targets: Sequence[str]) -> LeepSums:
        """Sums over no voxels, the neutral element of `merge`."""
        nothing = np.zeros(len(targets))
        return cls(tuple(targets), nothing, nothing, nothing)

    @classmethod
    def from_probabilities(
        cls,
        conditional: Array,
        probabilities: Array,
        labels: Array,
        targets: Sequence[str],
        *,
        chunk: int = CHUNK,
    ) -> LeepSums:
        """Sums over one image.

        Args:
            conditional: P(y|z), (Y, Z).
            probabilities: (Z, ...).
            labels: (...) class indices, -1 where unlabelled.
            targets: Names of the classes.
            chunk: Voxels worked on at once.

        Raises:
            ModelError, LabelError: as `JointStatistics.from_probabilities`.
        """
        return cls._from_values(conditional, probabilities, labels, targets, None, chunk)

    @classmethod
    def from_logits(
        cls,
        conditional: Array,
        logits: Array,
        labels: Array,
        activation: str,
        targets: Sequence[str],
        *,
        chunk: int = CHUNK,
    ) -> LeepSums:
        """As `from_probabilities`, from the network's outputs (outputs, ...)."""
        return cls._from_values(conditional, logits, labels, targets, activation, chunk)

    @classmethod
    def from_risk(cls, risk: Array, labels: Array, targets: Sequence[str], *, chunk: int = CHUNK) -> LeepSums:
        """Sums from a risk map (...) that is at hand already; not-a-number only where unlabelled."""
        values = as_tensor(risk)
        classes = as_labels(labels, values[None], len(targets)).reshape(-1).cpu()
        values = values.reshape(-1).cpu()
        sums = torch.zeros(len(targets), dtype=torch.float64)
        counts, floored = (torch.zeros(len(targets), dtype=torch.int64) for _ in range(2))
        for part in portions(classes.numel(), chunk):
            total, voxels = class_sums(values[None, part], classes[part], len(targets))
            sums += total[:, 0]
            counts += voxels
            hits = classes[part][values[part] >= FLOORED_RISK]
            if hits.numel():
                floored += torch.bincount(hits.long(), minlength=len(targets))
        if not bool(sums.isfinite().all()):
            raise LabelError("The risk map lacks values at labelled voxels.")
        return cls(tuple(targets), counts.numpy(), -sums.numpy(), floored.numpy())

    @classmethod
    def _from_values(
        cls,
        conditional: Array,
        values: Array,
        labels: Array,
        targets: Sequence[str],
        activation: str | None,
        chunk: int,
    ) -> LeepSums:
        prior = np.ones(len(targets))  # the risk does not depend on it
        made = transfer_maps(
            conditional, prior, values, labels, activation=activation, kinds=("risk",), chunk=chunk
        )
        return cls.from_risk(made.maps["risk"], labels, targets, chunk=chunk)

    def merge(self, other: LeepSums) -> LeepSums:
        """Sums over the voxels of both; raises SettingsError when their classes differ."""
        if self.targets != other.targets:
            raise SettingsError(
                f"LEEP sums of {self.targets} cannot be merged with those of {other.targets}."
            )
        return LeepSums(
            self.targets,
            self.counts + other.counts,
            self.log_eep + other.log_eep,
            self.floored + other.floored,
        )

    @property
    def voxels(self) -> int:
        """Labelled voxels."""
        return int(self.counts.sum())

    @property
    def leep(self) -> float:
        """Mean log EEP over the voxels, in nats, at most 0; raises LabelError when there are none."""
        if self.voxels == 0:
            raise LabelError(
                "There is no labelled voxel to score.", hint="Give at least one case with labels."
            )
        return float(self.log_eep.sum() / self.voxels)

    def normalised(self, prior_entropy: float) -> float:
        """(LEEP + H(Y)) / H(Y): 1 when the source settles every label, 0 when it tells nothing.

        On the voxels of the statistics it lies in 0..1; on other voxels it may be negative. With one
        class only, H(Y) = 0, there is nothing to tell and the score is 0.
        """
        return _share(self.leep + prior_entropy, prior_entropy)

    def per_class(self, prior: Array) -> dict[str, float]:
        """Mean transfer gain of each class over the most it could be:
        (mean over the class of log EEP - log P(c)) / -log P(c).

        At most 1; 0 where the source tells nothing of the class, negative where it misleads. A class
        without voxels has no entry; one with P(c) = 1 has 0.

        Args:
            prior: P(y), (Y,).
        """
        shares = np.clip(np.asarray(as_tensor(prior).cpu(), dtype=np.float64), EEP_FLOOR, 1.0)
        return {
            name: _share(self.log_eep[c] / self.counts[c] - np.log(shares[c]), -np.log(shares[c]))
            for c, name in enumerate(self.targets)
            if self.counts[c] > 0
        }

    def to_dict(self) -> dict[str, Any]:
        """A JSON object of the very same numbers."""
        return {
            "kind": "leep-sums",
            "version": VERSION,
            "targets": list(self.targets),
            "counts": self.counts.tolist(),
            "log_eep": self.log_eep.tolist(),
            "floored": self.floored.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LeepSums:
        """The sums that `to_dict` described; raises SettingsError on anything else."""
        if not isinstance(content, Mapping) or content.get("kind") != "leep-sums":
            raise SettingsError("These are not LEEP sums.")
        if content.get("version") != VERSION:
            raise SettingsError(f"LEEP sums of version {content.get('version')!r} cannot be read.")
        try:
            return cls(tuple(content["targets"]), content["counts"], content["log_eep"], content["floored"])
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError("LEEP sums lack a part, or hold something that is no number.") from error


@dataclass(frozen=True)
class TransferScore:
    """How well one source model's outputs inform about the target labels.

    Attributes:
        model: Its name.
        leep: Mean log EEP, in nats.
        normalised: (LEEP + H(Y)) / H(Y).
        per_class: Normalised score of every class that has voxels (`LeepSums.per_class`).
        counts: Voxels of every class, by name.
        entropy: H(Y), in nats.
        floored: Voxels whose EEP was raised to the floor.
        unnamed: Classes that no output of the source stands for (`JointStatistics.unnamed`).
    """

    model: str
    leep: float
    normalised: float
    per_class: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    entropy: float = 0.0
    floored: int = 0
    unnamed: tuple[str, ...] = ()


def score(model: str, statistics: JointStatistics, sums: LeepSums) -> TransferScore:
    """The score of a model. P(y) and H(Y) are those of the statistics, scored on whatever voxels.

    Args:
        model: Name.
        statistics: Its joint statistics.
        sums: Log EEP sums made with the conditional of those statistics.

    Raises:
        SettingsError: other classes. LabelError: no labelled voxel.
    """
    if statistics.targets != sums.targets:
        raise SettingsError(f"Statistics of {statistics.targets} cannot score sums of {sums.targets}.")
    prior = statistics.prior
    return TransferScore(
        model,
        sums.leep,
        sums.normalised(entropy(prior)),
        sums.per_class(prior),
        dict(zip(sums.targets, sums.counts.tolist(), strict=True)),
        entropy(prior),
        int(sums.floored.sum()),
        statistics.unnamed,
    )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def foreground_dice(conditional: Array, cases: Iterable[tuple[Array, Array]]) -> float:
    """Dice, 0 to 1, of all that the EEP takes to be foreground rather than background with all that is
    labelled foreground, over the labelled voxels of some cases together.

    Which foreground label it is does not count: an EEP that finds an organ and cannot tell its parts
    apart still says where it is. One that finds nothing says no more than how rare the labels are.

    Args:
        conditional: P(y|z), (Y, Z); class 0 is the background.
        cases: Probabilities of the states (Z, ...) and class indices (...), -1 where unlabelled, of every
            case. One case at a time is looked at.
    """
    both = sizes = 0
    for probabilities, labels in cases:
        classes = as_tensor(labels)
        background = expected_empirical_prediction(conditional, probabilities)[0]
        found = (background < 0.5) & (classes >= 0)
        both += int((found & (classes > 0)).sum())
        sizes += int(found.sum()) + int((classes > 0).sum())
    return 2 * both / sizes if sizes else 0.0
