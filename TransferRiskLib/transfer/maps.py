"""Voxel-wise maps of what a source model's outputs tell about the target labels.

With theta(x)_z the source's probabilities and P(y|z) its joint statistics' conditional, the expected
empirical prediction is EEP(y|x) = sum over z of P(y|z) theta(x)_z (Nguyen et al., "LEEP", ICML 2020).
The risk is -log EEP at the voxel's label (Duan et al., "Transfer Risk Map", ICASSP 2025). All
logarithms are natural, all maps float32, and unlabelled voxels are not-a-number in maps that need
labels.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.states import to_states
from TransferRiskLib.transfer.chunks import (
    CHUNK,
    Array,
    as_labels,
    as_tensor,
    as_values,
    not_probabilities,
    portions,
    unusable,
)

EEP_FLOOR = 1e-12
"""Smallest EEP whose logarithm is taken. On voxels that are part of the statistics EEP is at least
1 / (Z N) for Z states and N voxels, so the floor touches only labels that the statistics never saw."""

MAX_RISK = -math.log(EEP_FLOOR)
FLOORED_RISK = MAX_RISK - 1e-4
"""Risks from here on count as floored; the margin is for float32."""

LABELLED_MAPS = ("risk", "relative-risk", "gain")
UNLABELLED_MAPS = ("expected-risk", "eep-segmentation")


@dataclass(frozen=True)
class TransferMaps:
    """Maps of one image.

    Attributes:
        maps: Kind to CPU tensor (...): float32, and int16 class indices for `eep-segmentation`.
        floored: Labelled voxels whose EEP was raised to `EEP_FLOOR`: their label is one that the
            statistics do not know. 0 when no map needed labels.
    """

    maps: dict[str, Tensor]
    floored: int


def expected_empirical_prediction(conditional: Array, probabilities: Array) -> Tensor:
    """EEP(y|x), the source's states translated into target classes.

    Args:
        conditional: P(y|z), (Y, Z).
        probabilities: (Z, ...).

    Returns:
        (Y, ...) float32 in 0..1, on the device of the probabilities; gradients pass through.
    """
    theta = probabilities if isinstance(probabilities, Tensor) else as_tensor(probabilities)
    table = _table(conditional, as_values(theta))
    theta = theta.to(torch.float32)
    eep = _mix(table, theta.reshape(theta.shape[0], -1)).clamp(0.0, 1.0)
    return eep.reshape(table.shape[0], *theta.shape[1:])


def risk_map(conditional: Array, probabilities: Array, labels: Array) -> Tensor:
    """Risk r = -log EEP(y|x) in nats, 0 to `MAX_RISK`.

    Args:
        conditional: P(y|z), (Y, Z).
        probabilities: (Z, ...).
        labels: (...) class indices, -1 where unlabelled.

    Returns:
        (...) float32, not-a-number where unlabelled.
    """
    eep = expected_empirical_prediction(conditional, probabilities)
    return _risk(eep, as_labels(labels, eep, eep.shape[0]))


def relative_risk_map(conditional: Array, prior: Array, probabilities: Array, labels: Array) -> Tensor:
    """Relative risk r / -log P(y): 0 when the source settles the label, 1 when it tells nothing, above
    1 when it misleads. A class that is everywhere, P(y) = 1, leaves nothing to tell and gets 0.

    Args and Returns as `risk_map`; `prior` is P(y), (Y,).
    """
    risk = risk_map(conditional, probabilities, labels)
    return _relative(risk, _surprise(prior, risk), as_tensor(labels).to(risk.device))


def transfer_gain_map(conditional: Array, prior: Array, probabilities: Array, labels: Array) -> Tensor:
    """Transfer gain g = log EEP(y|x) - log P(y) in nats; negative where the source misleads.

    Args and Returns as `risk_map`; `prior` is P(y), (Y,).
    """
    risk = risk_map(conditional, probabilities, labels)
    return _gain(risk, _surprise(prior, risk), as_tensor(labels).to(risk.device))


def expected_risk_map(conditional: Array, probabilities: Array) -> Tensor:
    """Expected risk, the entropy of EEP(.|x) in nats, 0 to log Y; it needs no labels. (...) float32."""
    return _entropy(expected_empirical_prediction(conditional, probabilities))


def eep_segmentation(conditional: Array, probabilities: Array) -> Tensor:
    """The most probable target class under the EEP, (...) int16 class indices; ties go to the first."""
    return _largest(expected_empirical_prediction(conditional, probabilities).detach())


@torch.no_grad()
def transfer_maps(
    conditional: Array,
    prior: Array,
    values: Array,
    labels: Array | None = None,
    *,
    activation: str | None = None,
    kinds: Collection[str] | None = None,
    chunk: int = CHUNK,
) -> TransferMaps:
    """Several maps in one pass, fused chunk by chunk: besides the maps only a chunk is held.

    Args:
        conditional: P(y|z), (Y, Z).
        prior: P(y), (Y,).
        values: Logits (outputs, ...) when `activation` is given, else probabilities (Z, ...).
        labels: (...) class indices, -1 where unlabelled; None for a scan without labels.
        activation: As in `models.states.to_states`.
        kinds: Which of `LABELLED_MAPS` and `UNLABELLED_MAPS`; None for all that the labels allow.
        chunk: Voxels worked on at once; it changes nothing but memory and speed.

    Raises:
        SettingsError: an unknown kind, or one that needs labels where there are none.
        ModelError: outputs that are no probabilities, or do not fit the conditional.
        LabelError: labels of another grid, or of no class.
    """
    wanted = _wanted(kinds, labels is not None)
    tensor = as_values(values)
    table = as_tensor(conditional)
    classes = None if labels is None else as_labels(labels, tensor, table.shape[0]).reshape(-1)
    shape, tensor = tensor.shape[1:], tensor.reshape(tensor.shape[0], -1)
    maps = {
        kind: torch.empty(tensor.shape[1], dtype=torch.int16 if kind == "eep-segmentation" else torch.float32)
        for kind in wanted
    }
    surprise = _surprise(prior, tensor)
    nothing = torch.zeros((), dtype=torch.int64, device=tensor.device)
    floored, missing, bad = nothing.clone(), nothing.clone(), nothing.bool()
    checked = activation is None or not set(wanted).isdisjoint(UNLABELLED_MAPS)
    for part in portions(tensor.shape[1], chunk):
        theta = tensor[:, part]
        theta = theta if activation is None else to_states(theta, activation, 0)
        y = None if classes is None else classes[part]
        if checked:
            # Maps without labels are of use everywhere: there nothing excuses a voxel without values.
            bad |= unusable(theta, y if set(wanted).isdisjoint(UNLABELLED_MAPS) else None)
        eep = _mix(_table(table, theta), theta.to(torch.float32))
        risk = None if y is None or set(wanted).isdisjoint(LABELLED_MAPS) else _risk(eep, y)
        if risk is not None:
            # count_nonzero: a sum of booleans would make an int64 copy of them
            floored += torch.count_nonzero(risk >= FLOORED_RISK)
            missing += torch.count_nonzero(risk.isnan())
        for kind in wanted:
            maps[kind][part] = _chunk_of(kind, eep, risk, surprise, y)
    if classes is not None and not set(wanted).isdisjoint(LABELLED_MAPS):
        bad |= missing != torch.count_nonzero(classes < 0)
    if bool(bad):
        raise not_probabilities()
    return TransferMaps({kind: made.reshape(shape) for kind, made in maps.items()}, int(floored))


def _wanted(kinds: Collection[str] | None, labelled: bool) -> tuple[str, ...]:
    allowed = (*LABELLED_MAPS, *UNLABELLED_MAPS) if labelled else UNLABELLED_MAPS
    if kinds is None:
        return allowed
    for kind in kinds:
        if kind not in allowed:
            cause = "is not known" if kind not in (*LABELLED_MAPS, *UNLABELLED_MAPS) else "needs labels"
            raise SettingsError(
                f"The kind of map {kind!r} {cause}.", hint=f"Possible here: {', '.join(allowed)}."
            )
    return tuple(kind for kind in allowed if kind in kinds)


def _chunk_of(kind: str, eep: Tensor, risk: Tensor | None, surprise: Tensor, labels: Tensor | None) -> Tensor:
    if risk is None or labels is None or kind in UNLABELLED_MAPS:
        return _entropy(eep) if kind == "expected-risk" else _largest(eep)
    if kind == "risk":
        return risk
    return _relative(risk, surprise, labels) if kind == "relative-risk" else _gain(risk, surprise, labels)


def _table(conditional: Array, probabilities: Tensor) -> Tensor:
    table = as_tensor(conditional)
    as_values(probabilities, table.shape[1])
    # in two steps: Metal takes no float64
    return table.to(torch.float32).to(probabilities.device)


def _mix(table: Tensor, theta: Tensor) -> Tensor:
    """P(y|z) (Y, Z) applied to (Z, n)."""
    return table @ theta if theta.device.type == "cpu" else _mix_without_matmul(table, theta)


def _mix_without_matmul(table: Tensor, theta: Tensor) -> Tensor:
    # A GPU may be set to multiply matrices in TF32, which keeps three digits.
    eep = table[:, :1] * theta[:1]
    for z in range(1, theta.shape[0]):
        eep = torch.addcmul(eep, table[:, z : z + 1], theta[z : z + 1])
    return eep


def _risk(eep: Tensor, labels: Tensor) -> Tensor:
    at_label = eep.gather(0, labels.clamp(min=0).long()[None])[0]
    # abs, because -log 1 is a negative zero
    return at_label.clamp(EEP_FLOOR, 1.0).log().abs().masked_fill(labels < 0, math.nan)


def _surprise(prior: Array, like: Tensor) -> Tensor:
    """-log P(y) (Y,) float32; a class that the statistics never saw gets `MAX_RISK`."""
    floored = np.maximum(np.asarray(as_tensor(prior).cpu(), dtype=np.float64), EEP_FLOOR)
    return torch.from_numpy(np.abs(np.log(np.minimum(floored, 1.0)))).to(torch.float32).to(like.device)


def _relative(risk: Tensor, surprise: Tensor, labels: Tensor) -> Tensor:
    base = _at(surprise, labels)
    return torch.where((base > 0) | risk.isnan(), risk / base, torch.zeros_like(risk))


def _gain(risk: Tensor, surprise: Tensor, labels: Tensor) -> Tensor:
    return _at(surprise, labels) - risk


def _at(per_class: Tensor, labels: Tensor) -> Tensor:
    return per_class.take(labels.clamp(min=0).long())


def _entropy(eep: Tensor) -> Tensor:
    # Several times faster than torch.special.entr; 0 log tiny is 0 as it should be.
    # Rounding may leave an EEP just above 1, hence the last clamp.
    return (eep * eep.clamp(min=torch.finfo(eep.dtype).tiny).log()).sum(0).clamp(max=0.0).abs()


def _largest(eep: Tensor) -> Tensor:
    # Ten times faster than argmax along the first dimension.
    best, place = eep[0].clone(), torch.zeros(eep.shape[1:], dtype=torch.int16, device=eep.device)
    for c in range(1, eep.shape[0]):
        place.masked_fill_(eep[c] > best, c)
        torch.maximum(best, eep[c], out=best)
    return place
