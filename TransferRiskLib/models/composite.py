"""Networks made of others: an adapted one with its source's translation, and a source with a new head, one of
its outputs, or its outputs in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.states import to_states

PROBABILITY_FLOOR = 1e-8
"""Smallest probability before the logarithm; its logarithm is finite in half precision too."""


class EepAveraged(nn.Module):
    """An adapted network averaged with the expected empirical prediction (EEP) of its source.

    p(y|x) = (1 - w) softmax(adapted(x))_y + w Σ_z P(y|z) θ(x)_z, where θ(x)_z are the source's
    exclusive states and P(y|z) the conditional estimated on the target's labelled voxels (Nguyen et
    al., "LEEP", ICML 2020, eq. 2). The source never trains. P(y|z) and w are buffers, so that they
    travel with the weights, to TorchScript and to other programs.

    Args:
        source: The source network, (B, C, X, Y, Z) to (B, outputs, X, Y, Z).
        adapted: The adapted network, (B, C, X, Y, Z) to logits (B, targets, X, Y, Z).
        source_activation: `softmax`, `sigmoid` or `nested`.
        eep_weight: w, 0 to 1.
        targets: Number of target classes Y.
        states: Number of source states Z.
        conditional: P(y|z), (Y, Z), each column summing to 1; uniform when it comes with the weights.

    Raises:
        ModelError: a weight outside 0..1 or a conditional of another shape.
    """

    if TYPE_CHECKING:  # TorchScript does not read annotations of buffers that are strings
        conditional: Tensor
        eep_weight: Tensor

    def __init__(
        self,
        source: nn.Module,
        adapted: nn.Module,
        source_activation: str,
        eep_weight: float,
        targets: int,
        states: int,
        conditional: Tensor | Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= float(eep_weight) <= 1:
            raise ModelError(f"The EEP weight must be 0 to 1, not {eep_weight}.")
        if source_activation not in ("softmax", "sigmoid", "nested"):
            raise ModelError(f"There is no activation {source_activation!r}.")
        if conditional is None:
            table = torch.full((targets, states), 1.0 / targets)
        else:
            table = torch.as_tensor(conditional, dtype=torch.float32).detach().clone().cpu()
        if tuple(table.shape) != (targets, states):
            raise ModelError(f"P(y|z) has the shape {tuple(table.shape)} instead of {(targets, states)}.")
        self.source = source
        self.adapted = adapted
        self.source_activation = source_activation
        self.register_buffer("conditional", table)
        self.register_buffer("eep_weight", torch.tensor(float(eep_weight)))
        for parameter in self.source.parameters():
            parameter.requires_grad_(False)
        self.source.eval()

    def train(self, mode: bool = True) -> EepAveraged:
        """Training mode for the adapted network only: the source keeps its statistics."""
        super().train(mode)
        self.source.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """log p(y|x), float32 (B, Y, X, Y, Z): a softmax of it gives p(y|x) back."""
        with torch.no_grad():
            states = to_states(self.source(image), self.source_activation, 1)
        table = self.conditional.to(torch.float32)
        eep = torch.zeros(1, device=states.device)
        for z in range(states.shape[1]):  # a matrix product would drop to half precision under autocast
            eep = eep + table[:, z].view(1, -1, 1, 1, 1) * states[:, z : z + 1]
        adapted = torch.softmax(self.adapted(image).float(), dim=1)
        mixed = (1.0 - self.eep_weight) * adapted + self.eep_weight * eep
        return torch.log(torch.clamp(mixed, min=1e-8))


class StackedHead(nn.Module):
    """A network whose own head cannot be replaced, with a 1x1x1 convolution after its outputs.

    Args:
        source: (B, C, X, Y, Z) to (B, outputs, X, Y, Z).
        outputs: Output channels of `source`.
        targets: Output channels of the new head.
    """

    def __init__(self, source: nn.Module, outputs: int, targets: int) -> None:
        super().__init__()
        self.source = source
        self.head = nn.Conv3d(outputs, targets, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, targets, X, Y, Z)."""
        return self.head(self.source(image))


class OrderedOutputs(nn.Module):
    """A network whose outputs come in another order.

    Args:
        source: (B, C, X, Y, Z) to (B, outputs, X, Y, Z).
        order: For each output of this network, the one of `source` that it is.
    """

    def __init__(self, source: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.source = source
        self.order = [int(index) for index in order]

    def forward(self, image: Tensor) -> Tensor:
        """What `source` gives, reordered along the outputs."""
        return self.source(image)[:, self.order]


class PickedOutput(nn.Module):
    """One of the outputs of a network that gives a list, a tuple or a dictionary of them.

    Args:
        source: (B, C, X, Y, Z) to several outputs.
        key: Position or name of the one that is the segmentation.
    """

    def __init__(self, source: nn.Module, key: int | str) -> None:
        super().__init__()
        self.source = source
        self.key = key

    def forward(self, image: Tensor) -> Tensor:
        """The output at `key`."""
        return self.source(image)[self.key]
