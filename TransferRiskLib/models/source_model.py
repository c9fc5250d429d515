"""A model that is ready to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.single_samples import QuickSingleSamples
from TransferRiskLib.models.states import state_names, to_states


@dataclass
class SourceModel:
    """One protocol for every model file: a card, and probabilities for a batch.

    Attributes:
        card: What the model takes and gives.
        network: The network, in evaluation mode.
        config: Its definition for `build_network`; None for TorchScript.
        path: Where it came from.
        digest: SHA-256 of the weights file, hexadecimal.
    """

    card: ModelCard
    network: nn.Module
    config: dict[str, Any] | None = None
    path: Path | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        self.network.eval()

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the source's exclusive states z."""
        return state_names(self.card)

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        for tensor in (*self.network.parameters(), *self.network.buffers()):
            return tensor.device
        return torch.device("cpu")

    def to(self, device: torch.device | str) -> SourceModel:
        """Move the network and return this model."""
        self.network.to(device)
        return self

    def logits(self, batch: Tensor) -> Tensor:
        """Raw outputs of the network, (B, outputs, X, Y, Z).

        Raises:
            ModelError: the network gives another number of channels than the card says.
        """
        with QuickSingleSamples():
            outputs = single_output(self.network(batch))
        if outputs.shape[1] != self.card.outputs:
            raise self._error(
                f"The network gives {outputs.shape[1]} output channels, but the card's labels and activation "
                f"({self.card.activation}) mean {self.card.outputs}.",
                "Correct 'labels' or 'activation' in card.json.",
            )
        return outputs

    def probabilities(self, batch: Tensor) -> Tensor:
        """Probabilities of the states, float32 (B, Z, X, Y, Z), without gradients.

        Args:
            batch: Prepared images, (B, C, X, Y, Z), on the network's device.

        Raises:
            ModelError: the batch or the outputs do not fit the card.
        """
        if batch.shape[1] != len(self.card.channels):
            raise self._error(
                f"The batch has {batch.shape[1]} channels instead of {len(self.card.channels)} "
                f"({', '.join(self.card.channels)}).",
                None,
            )
        with torch.no_grad():
            return to_states(self.logits(batch), self.card.activation, 1)

    @torch.no_grad()
    def verify(self) -> None:
        """Run one small patch of zeros to see that network and card fit.

        Raises:
            ModelError: the network does not take the card's channels and patch, or gives other outputs.
        """
        channels = len(self.card.channels)
        first = first_convolution(self.network)
        wanted = None if first is None else int(first.shape[1])
        shape = probe_shape(self.card)
        try:
            outputs = self.logits(torch.zeros((1, channels, *shape), device=self.device))
        except ModelError:
            raise
        except ImportError as error:  # MONAI imports what few networks need only when they run
            raise self._error(
                f"The network needs a package that is not installed ({str(error).splitlines()[0]}).",
                "Install that package.",
            ) from error
        except Exception as error:  # TorchScript and MONAI raise many types for shapes that do not fit
            if wanted is not None and wanted != channels:
                raise self._error(
                    f"The network wants {wanted} input channels, but its card names {channels} "
                    f"({', '.join(self.card.channels)}).",
                    "Correct 'channels' in card.json.",
                ) from error
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            raise self._error(
                f"The network cannot process a patch of {shape} voxels with {channels} channels ({reason}).",
                "Correct 'channels', 'patch_size' or 'divisible_by' in card.json.",
            ) from error
        if tuple(outputs.shape[2:]) != shape:
            raise self._error(
                f"The network turns a patch of {shape} voxels into {tuple(outputs.shape[2:])}; "
                "a segmentation network keeps the size.",
                "Correct 'divisible_by' in card.json.",
            )

    def _error(self, message: str, hint: str | None) -> ModelError:
        return ModelError(message, file=self.path, hint=hint)


def single_output(outputs: Any) -> Tensor:
    """The one tensor that a network returned, also when it is wrapped in a list or tuple of one.

    Raises:
        ModelError: several outputs, or none that is a tensor.
    """
    if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor) or outputs.ndim != 5:
        raise ModelError(
            "The network does not return one tensor (batch, channels, X, Y, Z).",
            hint="Only 3-D segmentation networks with one output in evaluation mode can be used.",
        )
    return outputs


def probe_shape(card: ModelCard) -> tuple[int, int, int]:
    """A small patch that the card allows: at least 16 voxels and two of `divisible_by`, at most the patch."""
    step = card.divisible_by
    size = max(2 * step, -(-16 // step) * step)  # one voxel at the coarsest level breaks instance norms
    x, y, z = (min(size, extent) for extent in card.patch_size)
    return x, y, z


def first_convolution(network: nn.Module) -> nn.Parameter | None:
    """Weights (outputs, inputs, X, Y, Z) of the first 3-D convolution in order of definition, if any."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 5 and name.endswith("weight"):
            return parameter
    return None
