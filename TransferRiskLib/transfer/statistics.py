"""The joint distribution of target labels and source states: sums that merge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from TransferRiskLib.errors import LabelError, ModelError, SettingsError
from TransferRiskLib.models.states import to_states
from TransferRiskLib.transfer.chunks import (
    CHUNK,
    Array,
    as_labels,
    as_values,
    not_probabilities,
    portions,
    unusable,
)

VERSION = 1


@dataclass(frozen=True, eq=False)
class JointStatistics:
    """J[y, z] = sum over labelled voxels i of 1[y_i = y] * theta(x_i)_z, with what it was summed of.

    Source: Nguyen et al., "LEEP", ICML 2020, section 3, with voxels as samples.

    Attributes:
        joint: (Y, Z) float64, in voxels (not divided by their number).
        counts: (Y,) int64, labelled voxels of every target class.
        targets: Names of the Y target classes, background first.
        states: Names of the Z exclusive source states (`models.states.state_names`).

    Raises:
        SettingsError: shapes, names and sums that contradict one another.
    """

    joint: np.ndarray
    counts: np.ndarray
    targets: tuple[str, ...]
    states: tuple[str, ...]

    def __post_init__(self) -> None:
        joint = np.array(self.joint, dtype=np.float64)
        counts = np.array(self.counts, dtype=np.int64)
        object.__setattr__(self, "joint", joint)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "targets", tuple(self.targets))
        object.__setattr__(self, "states", tuple(self.states))
        for names in (self.targets, self.states):
            if not names or len(set(names)) != len(names):
                raise SettingsError("Joint statistics need target classes and states with distinct names.")
        shape = (len(self.targets), len(self.states))
        if joint.shape != shape or counts.shape != shape[:1]:
            raise SettingsError(
                f"Joint statistics of shape {joint.shape}, counts {counts.shape}, do not fit "
                f"{shape[0]} target classes and {shape[1]} states."
            )
        if not np.isfinite(joint).all() or (joint < 0).any() or (counts < 0).any():
            raise SettingsError("Joint statistics hold numbers that are negative or not finite.")
        if not np.allclose(joint.sum(1), counts, rtol=1e-2, atol=1e-6):
            raise SettingsError("Joint statistics contradict their voxel counts.")
        joint.flags.writeable = counts.flags.writeable = False

    @classmethod
    def zeros(cls, targets: Sequence[str], states: Sequence[str]) -> JointStatistics:
        """Statistics of no voxels, the neutral element of `merge`."""
        return cls(
            np.zeros((len(targets), len(states))),
            np.zeros(len(targets), np.int64),
            tuple(targets),
            tuple(states),
        )

    @classmethod
    def from_probabilities(
        cls,
        probabilities: Array,
        labels: Array,
        targets: Sequence[str],
        states: Sequence[str],
        *,
        chunk: int = CHUNK,
    ) -> JointStatistics:
        """Sum over the labelled voxels.

        Args:
            probabilities: (Z, ...) of the source's exclusive states, any floating-point type.
            labels: (...) integer class indices, -1 where unlabelled; such voxels may hold anything.
            targets: Names of the classes.
            states: Names of the states.
            chunk: Voxels summed at once; it bounds the memory and changes nothing else.

        Raises:
            ModelError: wrong channels, or labelled voxels without probabilities that sum to 1.
            LabelError: another grid, or a label that is no class.
        """
        values = as_values(probabilities, len(states))
        return cls._summed(values, labels, targets, states, None, chunk)

    @classmethod
    def from_logits(
        cls,
        logits: Array,
        labels: Array,
        activation: str,
        targets: Sequence[str],
        states: Sequence[str],
        *,
        chunk: int = CHUNK,
    ) -> JointStatistics:
        """As `from_probabilities`, from the network's outputs (outputs, ...), fused chunk by chunk:
        the probabilities of the whole image are never held. `activation` as in `to_states`."""
        return cls._summed(as_values(logits), labels, targets, states, activation, chunk)

    @classmethod
    def _summed(
        cls,
        values: Tensor,
        labels: Array,
        targets: Sequence[str],
        states: Sequence[str],
        activation: str | None,
        chunk: int,
    ) -> JointStatistics:
        classes = as_labels(labels, values, len(targets)).reshape(-1)
        values = values.reshape(values.shape[0], -1)
        # Metal has no float64, so the sums of a Mac's GPU are made on its CPU.
        device = torch.device("cpu") if values.device.type == "mps" else values.device
        joint = torch.zeros(len(targets), len(states), dtype=torch.float64, device=device)
        counts = torch.zeros(len(targets), dtype=torch.int64, device=device)
        bad = torch.zeros((), dtype=torch.bool, device=device)
        for part in portions(classes.numel(), chunk):
            theta, y = values[:, part].to(device), classes[part].to(device)
            if activation is None:
                bad |= unusable(theta, y)
            else:
                theta = to_states(theta, activation, 0)
            if theta.shape[0] != len(states):
                raise ModelError(
                    f"The model has {theta.shape[0]} states, but {len(states)} are named.",
                    hint="The card's labels and activation must fit the network.",
                )
            sums, voxels = class_sums(theta, y, len(targets))
            joint += sums
            counts += voxels
        # What `to_states` gives sums to 1 unless a logit was not a number, and then the sums are not.
        if bool(bad | ~joint.isfinite().all()):
            raise not_probabilities()
        # Resampled probabilities may be a rounding error below zero.
        return cls(joint.clamp(min=0).cpu().numpy(), counts.cpu().numpy(), tuple(targets), tuple(states))

    def merge(self, other: JointStatistics) -> JointStatistics:
        """Statistics of the voxels of both.

        Raises:
            SettingsError: other target classes or states.
        """
        if self.targets != other.targets or self.states != other.states:
            raise SettingsError(
                f"Statistics of {self.targets} by {self.states} cannot be merged with those of "
                f"{other.targets} by {other.states}.",
                hint="Merge only what one model and one label scheme produced.",
            )
        return JointStatistics(
            self.joint + other.joint, self.counts + other.counts, self.targets, self.states
        )

    @staticmethod
    def merged(parts: Iterable[JointStatistics]) -> JointStatistics:
        """All parts merged; raises SettingsError when there are none or their names differ."""
        total: JointStatistics | None = None
        for part in parts:
            total = part if total is None else total.merge(part)
        if total is None:
            raise SettingsError("There are no statistics to merge.")
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JointStatistics) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def voxels(self) -> int:
        """Labelled voxels."""
        return int(self.counts.sum())

    @property
    def prior(self) -> np.ndarray:
        """P(y), (Y,) float64; raises LabelError when no voxel was labelled."""
        if self.voxels == 0:
            raise LabelError(
                "There is no labelled voxel to learn from.", hint="Give at least one case with labels."
            )
        return self.counts / self.voxels

    @property
    def conditional(self) -> np.ndarray:
        """P(y|z), (Y, Z) float64, columns summing to 1. A dead state, one that no labelled voxel gave
        any probability, says nothing of the label: its column is P(y)."""
        mass = self.joint.sum(0)
        alive = mass > 0
        columns = self.joint / np.where(alive, mass, 1.0)
        return np.where(alive, columns, self.prior[:, None])

    @property
    def unnamed(self) -> tuple[str, ...]:
        """Target classes with voxels that no state makes the most probable, by P(y|z): the source has no
        output that stands for them, so the EEP names them next to nowhere, whatever the score."""
        named = set(self.conditional.argmax(0).tolist())
        return tuple(name for y, name in enumerate(self.targets) if self.counts[y] > 0 and y not in named)

    @property
    def source_marginal(self) -> np.ndarray:
        """P(z), (Z,) float64: how much of the labelled volume the source gives to each state."""
        self.prior  # noqa: B018  raises on empty statistics
        return self.joint.sum(0) / self.joint.sum()

    @property
    def entropy(self) -> float:
        """H(Y) in nats."""
        return entropy(self.prior)

    @property
    def mutual_information(self) -> float:
        """I(Y; Z) in nats; LEEP + H(Y) on the same voxels is never less."""
        self.prior  # noqa: B018  raises on empty statistics
        joint = self.joint / self.joint.sum()
        return max(0.0, entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel()))

    def to_dict(self) -> dict[str, Any]:
        """A JSON object; `from_dict` gives back the very same numbers."""
        return {
            "kind": "joint-statistics",
            "version": VERSION,
            "targets": list(self.targets),
            "states": list(self.states),
            "counts": self.counts.tolist(),
            "joint": self.joint.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> JointStatistics:
        """The statistics that `to_dict` described.

        Raises:
            SettingsError: not such an object, a version of the future, or contradictory content.
        """
        if not isinstance(content, Mapping) or content.get("kind") != "joint-statistics":
            raise SettingsError(
                "These are not joint statistics.", hint="Take the statistics file of a risk map."
            )
        if content.get("version") != VERSION:
            raise SettingsError(
                f"Joint statistics of version {content.get('version')!r} cannot be read.",
                hint=f"This program knows version {VERSION}; a newer one may know more.",
            )
        names = [content.get("targets"), content.get("states")]
        if not all(isinstance(n, list) and all(isinstance(name, str) for name in n) for n in names):
            raise SettingsError("Joint statistics lack the names of their classes or states.")
        try:
            joint = np.array(content.get("joint"), dtype=np.float64)
            counts = np.array(content.get("counts"))
        except (TypeError, ValueError) as error:
            raise SettingsError("Joint statistics hold something that is not a number.") from error
        if counts.dtype.kind not in "iu":
            raise SettingsError("The voxel counts of joint statistics must be integers.")
        return cls(joint, counts, tuple(content["targets"]), tuple(content["states"]))


def entropy(distribution: np.ndarray) -> float:
    """Shannon entropy in nats of probabilities that sum to 1, with 0 log 0 = 0."""
    positive = distribution[distribution > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))


def class_sums(theta: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Float64 sums of the columns of each class, and their number.

    Args:
        theta: (Z, n) floating point; columns of unlabelled voxels may be not-a-number.
        labels: (n,) integer, -1..classes - 1.
        classes: Y.

    Returns:
        (Y, Z) float64 and (Y,) int64 tensors on the same device.
    """
    if theta.device.type != "cpu":
        return _class_sums_by_matmul(theta, labels, classes)
    # The first bin collects the unlabelled voxels and is dropped. int64 indices are several times
    # faster here than narrower ones.
    bins = labels.long() + 1
    sums = torch.zeros(theta.shape[0], classes + 1, dtype=torch.float64)
    sums.index_add_(1, bins, theta.double())
    return sums[:, 1:].T, torch.bincount(bins, minlength=classes + 1)[1:]


def _class_sums_by_matmul(theta: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    # Atomic additions of a GPU collide in so few bins and add in no fixed order; a float64 product
    # does neither.
    present = torch.arange(classes, device=labels.device)[:, None] == labels
    clean = theta.double().masked_fill(labels < 0, 0.0)
    return present.double() @ clean.T, present.sum(1)
