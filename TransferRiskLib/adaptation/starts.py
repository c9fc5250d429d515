"""The network a training starts from."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from TransferRiskLib.adaptation.checkpoints import copy_of
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.models.averaging import average_weights
from TransferRiskLib.models.heads import head_parameter_names, rebuild_for_labels
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.transfer.statistics import JointStatistics

SMALLEST_SHARE = 1e-3
"""Of a source class, for a target class that is rare in it; its row must still be able to win."""
MISNAMED = 2.0
"""How many times more of a label's voxels another foreground class of the source must get than the one of
the label's name, before the row is taken from the statistics in spite of the name."""


@dataclass
class Start:
    """A network before its training.

    Attributes:
        network: For the target's labels, on the CPU.
        config: Its definition; None for TorchScript.
        head: Names of the parameters that the linear probe trains.
        fresh: Names of the parameters of which any part does not come from the source.
        divides: Whether several target labels start from one row of the source's head: the start cannot
            tell them apart.
        new_head: Names of the head's parameters unless the source's head was kept whole.
        probe_steps: Steps of the linear probe.
        before: The weights, to average with later.
    """

    network: torch.nn.Module
    config: dict[str, Any] | None
    head: set[str]
    fresh: set[str]
    divides: bool
    new_head: set[str]
    probe_steps: int
    before: dict[str, torch.Tensor]

    def averaged(
        self,
        state: dict[str, torch.Tensor],
        share: float,
        probed: dict[str, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """`share` of the trained weights and the rest of the start's (WiSE-FT).

        The start of a translated head is the network after its linear probe (`probed`). A fresh parameter
        has no start worth averaging with, probed or not, and stays as it was trained.
        """
        if share == 1:
            return state
        if probed is not None and not self.fresh:
            return average_weights(probed, state, share)
        before = {name: state[name] if name in self.fresh else self.before[name] for name in state}
        return average_weights(before, state, share)


def starting_network(
    source: SourceModel,
    target: LabelScheme,
    settings: AdaptationSettings,
    statistics: JointStatistics | None = None,
) -> Start:
    """The source's network with a head for the target's labels, as the settings ask.

    Args:
        source: The source model.
        target: The labels to segment.
        settings: What to do.
        statistics: Joint statistics of the source's states and the target's labels; with them a new row
            of the head `translate` starts as a translated one (see `translated_rows`), and so does the row
            of a label that the source calls by another label's name (see `misnamed`).

    Raises:
        SettingsError: from scratch with a TorchScript source, whose architecture cannot be rebuilt,
            or a head that is to be kept although labels are missing from the source.
    """
    names = set(_rows_by_name(source))
    missing = [name for name in target.names if name.casefold() not in names]
    matches = source.card.activation == "softmax" and not missing
    if settings.head == "keep" and settings.scheme != "scratch" and not matches:
        raise SettingsError(
            "The head cannot be kept: the source does not segment "
            f"{', '.join(missing) or 'exclusive labels'}.",
            hint="Choose the head 'auto' or 'probe', or name the labels as the source does.",
        )
    rows, wrong = None, set[int]()
    if statistics is not None and settings.head == "translate":
        rows, wrong = translated_rows(statistics), misnamed(source, target, statistics)
    # a background row alone is not worth keeping: its logits would drown those of fresh rows
    shared = [y for y, name in enumerate(target.names) if y and y not in wrong and name.casefold() in names]
    keep = settings.head == "keep" or (settings.head in ("auto", "translate") and bool(shared))
    network, config, _ = rebuild_for_labels(
        source, target, keep_matching=keep, seed=settings.seed, translation=rows, misnamed=wrong
    )
    head = head_parameter_names(config)
    complete = keep and matches and not wrong  # every row is the one of its name
    translated = rows is not None and source.card.activation == "softmax"
    fresh = set() if complete or translated else set(head)
    divides = translated and not complete and _shares_a_row(source, target, rows or {}, keep, wrong)
    if settings.scheme == "scratch":
        if config is None:
            raise SettingsError(
                "A TorchScript model cannot be trained from scratch: its architecture cannot be rebuilt.",
                hint="Use the model as a MONAI bundle.",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = build_network(copy.deepcopy(config))
        fresh = {name for name, _ in network.named_parameters()}
    # rows that were only exchanged know what a probe would teach them
    probing = settings.head in ("auto", "translate", "probe") and not (complete or (wrong and matches))
    steps = settings.probe_steps if probing and settings.scheme != "scratch" else 0
    new_head = set() if complete or settings.scheme == "scratch" else set(head)
    return Start(network, config, head, fresh, divides, new_head, steps, copy_of(network.state_dict()))


def _shares_a_row(
    source: SourceModel,
    target: LabelScheme,
    rows: dict[int, tuple[int, float]],
    keep: bool,
    wrong: Collection[int],
) -> bool:
    named = _rows_by_name(source) if keep else {}
    origins = {
        rows[y][0] if y in wrong else named.get(name.casefold(), rows[y][0])
        for y, name in enumerate(target.names)
    }
    return len(origins) < len(target.names)


def _rows_by_name(source: SourceModel) -> dict[str, int]:
    return {name.casefold(): row for row, name in enumerate(source.card.labels.names)}


def misnamed(source: SourceModel, target: LabelScheme, statistics: JointStatistics) -> set[int]:
    """Target classes that the source calls by the name of another of its labels.

    In another contrast a source may take white matter for grey, or a label set may use a name for
    something else. A row that was kept by its name would then have to be unlearned before anything is
    learned. Voxels that the source takes for background say nothing against a name: it has missed them.

    Args:
        source: Its outputs are the states of the statistics, exclusive labels; else nothing is misnamed.
        target: The labels to segment.
        statistics: Joint statistics of both.
    """
    if source.card.activation != "softmax":
        return set()
    named, wrong = _rows_by_name(source), set[int]()
    for y, name in enumerate(target.names[1:], start=1):
        own = named.get(name.casefold())
        if own is None:
            continue
        others = np.delete(statistics.joint[y], [0, own])
        if others.size and others.max() > MISNAMED * statistics.joint[y, own]:
            wrong.add(y)
    return wrong


def translated_rows(statistics: JointStatistics) -> dict[int, tuple[int, float]]:
    """For every target class the source class that most of its voxels look like, and log P(y|z).

    A head with these rows starts from what the source knows: target classes that divide a source class
    among them get its probability in the shares P(y|z), as in the EEP.
    """
    nearest = statistics.joint.argmax(axis=1)
    shares = statistics.conditional[range(len(nearest)), nearest]
    return {
        y: (int(z), float(np.log(max(share, SMALLEST_SHARE))))
        for y, (z, share) in enumerate(zip(nearest, shares, strict=True))
    }
