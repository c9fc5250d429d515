"""Intensity curves that make scans of another contrast look like those a source model knows.

A source of another contrast can be right in what it has learnt and still say nothing, because dark is
bright in the new scans. How much its outputs tell about the labels is what the LEEP score measures, and
the score can be differentiated: the curve with the best score is found by gradient, with the network
left as it is. A dozen numbers a channel are few enough for a single labelled case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from TransferRiskLib.adaptation.sampling import Batch, PatchSampler, TrainingCase
from TransferRiskLib.inference.devices import has_bfloat16
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.models.intensity_curve import IntensityCurve
from TransferRiskLib.models.networks import copy_network
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.models.states import to_states
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.balanced import balanced_score

POINTS = 12
RANGE = (0.005, 0.995)
"""Quantiles of the intensities between which a curve bends; beyond them it is constant."""
VALUES = 1_000_000
"""Most voxels a channel that the quantiles are taken of."""
SHAPES = {
    "rising": lambda u: u,
    "falling": lambda u: 1 - u,
    "rising, dark ends": lambda u: u**2,
    "rising, bright ends": lambda u: u**0.5,
    "falling, dark ends": lambda u: (1 - u) ** 2,
    "falling, bright ends": lambda u: (1 - u) ** 0.5,
    "peak": lambda u: 1 - abs(2 * u - 1),
    "valley": lambda u: abs(2 * u - 1),
}
"""Where the search starts, over 0..1 from quantile to quantile; the first leaves intensities as they are."""
SCREENED = 4
"""Patches that the shapes are compared on."""
LEAST_GAIN = 0.05
"""Score that another shape must bring before it is followed up, and the fitted curves to be used: moderate
shifts of one contrast stay below (measured under 0.02), and there a curve changes nothing for the better;
between T1 and T2 of brain tissue, where it does, 0.09 was seen (`experiments/LOG.md`, 14)."""
RATE = 0.01
"""Of Adam, as a share of the range between the quantiles, whatever the normalisation makes of it."""
SMOOTHNESS = 1.0
"""Weight of the mean squared second difference of the heights: few voxels alone do not bend a curve."""


def fit_curves(
    source: SourceModel,
    cases: Sequence[Prepared],
    targets: int,
    patch: tuple[int, int, int],
    *,
    steps: int,
    batch_size: int,
    seed: int,
    device: torch.device,
    mixed_precision: bool,
    progress: Progress,
) -> tuple[IntensityCurve, ...] | None:
    """The curves, one a channel, under which the source's outputs tell most about the labels.

    Simple shapes are compared first, channel after channel; when none is clearly better than the
    intensities as they are, that is the end. Otherwise the best is refined by gradient ascent of
    `balanced_score` through the network, which does not change.

    Args:
        source: The source model; it is not changed.
        cases: Labelled cases, prepared for it.
        targets: Number of target classes.
        patch: Patch size along the network's axes.
        steps: Of the refinement.
        batch_size: Patches a step.
        seed: Of the patches; the same seed gives the same curves on a CPU.
        device: Of the network meanwhile.
        mixed_precision: bfloat16 on a GPU that has it.
        progress: Told of both and asked for cancel.

    Returns:
        The curves; None where the intensities are best left as they are.
    """
    sampler = PatchSampler([TrainingCase.of(case) for case in cases], patch, "balanced")
    fit = _Fit(source, _points(cases, source.card.normalisation.nonzero), targets, device, mixed_precision)
    shown = [sampler.draw(np.random.default_rng([seed, n]), 1).to(device) for n in range(SCREENED)]
    progress.stage("Comparing contrasts", len(source.card.channels) * len(SHAPES))
    unchanged = fit.score(shown)
    best = fit.choose_shapes(shown, progress)
    if best < unchanged + LEAST_GAIN:
        return None
    heights = fit.curved.heights
    start = heights.detach().clone()
    progress.stage("Matching the contrast", steps)
    optimizer = torch.optim.Adam([heights], lr=RATE)
    for step in range(steps):
        progress.check()
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / steps) ** 0.9
        batch = sampler.draw(np.random.default_rng([seed, SCREENED + step]), batch_size).to(device)
        loss = SMOOTHNESS * (heights.diff(n=2) ** 2).mean() - fit.scored(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress.step()
    if fit.score(shown) < best:
        heights.data.copy_(start)
    return fit.curved.curves()


class CurvedInput(nn.Module):
    """A network whose input goes through curves that can be trained.

    Args:
        network: (B, C, X, Y, Z) to outputs; its weights are frozen.
        points: (C, K) ascending intensities, evenly spaced; the curves start as the identity between the
            outermost.
        keep_zero: Whether zeros stay zero.
    """

    def __init__(self, network: nn.Module, points: Tensor, keep_zero: bool) -> None:
        super().__init__()
        self.network = network.eval()
        for parameter in network.parameters():  # one by one: TorchScript has no `requires_grad_`
            parameter.requires_grad_(False)
        self.keep_zero = keep_zero
        self.x = nn.Buffer(points.clone())
        self.heights = nn.Parameter(torch.linspace(0, 1, points.shape[1]).repeat(len(points), 1))

    @property
    def y(self) -> Tensor:
        """(C, K) what the points become; a height of 0 is the lowest of them, 1 the highest."""
        return torch.lerp(self.x[:, :1], self.x[:, -1:], self.heights)

    def forward(self, image: Tensor) -> Tensor:
        """The network's outputs."""
        channels = [
            self._through(image[:, c], *curve) for c, curve in enumerate(zip(self.x, self.y, strict=True))
        ]
        return self.network(torch.stack(channels, 1))

    def curves(self) -> tuple[IntensityCurve, ...]:
        """The curves as they are now."""
        pairs = zip(self.x.tolist(), self.y.tolist(), strict=True)
        return tuple(IntensityCurve(tuple(x), tuple(y)) for x, y in pairs)

    def _through(self, values: Tensor, x: Tensor, y: Tensor) -> Tensor:
        inside = values.clamp(float(x[0]), float(x[-1])).contiguous()
        left = (torch.searchsorted(x, inside) - 1).clamp(0, len(x) - 2)
        share = (inside - x[left]) / (x[left + 1] - x[left])
        curved = torch.lerp(y[left], y[left + 1], share)
        return torch.where(values == 0, values, curved) if self.keep_zero else curved


class _Fit:
    """The source with curves before it, and how well it does."""

    def __init__(
        self, source: SourceModel, points: Tensor, targets: int, device: torch.device, mixed_precision: bool
    ) -> None:
        keep_zero = source.card.normalisation.nonzero
        self.curved = CurvedInput(copy_network(source.network), points, keep_zero).to(device)
        self.model = SourceModel(source.card, self.curved)
        self.targets = targets
        self.device = device
        self.half = mixed_precision and has_bfloat16(device)

    def scored(self, batch: Batch) -> Tensor:
        """The balanced score of a batch, with gradients."""
        return balanced_score(self._states(batch), batch.labels, self.targets)

    @torch.no_grad()
    def score(self, batches: Sequence[Batch]) -> float:
        """The balanced score of all batches together."""
        states = torch.cat([self._states(batch) for batch in batches])
        labels = torch.cat([batch.labels for batch in batches])
        return float(balanced_score(states, labels, self.targets))

    def _states(self, batch: Batch) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            outputs = self.model.logits(batch.image)
        return to_states(outputs, self.model.card.activation)

    def choose_shapes(self, batches: Sequence[Batch], progress: Progress) -> float:
        """Give every channel in turn the shape with the best score; the score that this comes to."""
        best, heights = -np.inf, self.curved.heights.data
        across = heights[0].clone()
        for channel in heights:
            chosen = across
            for shape in SHAPES.values():
                progress.check()
                channel.copy_(shape(across))
                score = self.score(batches)
                if score > best:
                    best, chosen = score, channel.clone()
                progress.step()
            channel.copy_(chosen)
        return float(best)


def _points(cases: Sequence[Prepared], nonzero: bool) -> Tensor:
    """Where each channel's curve may bend: evenly between the quantiles `RANGE`, (C, POINTS)."""
    rows = []
    for c in range(cases[0].image.shape[0]):
        parts = [case.image[c][case.image[c] != 0] if nonzero else case.image[c].flatten() for case in cases]
        every = -(-sum(part.numel() for part in parts) // VALUES)
        low, high = np.quantile(torch.cat([part[::every] for part in parts]).numpy(), RANGE)
        rows.append(torch.linspace(float(low), max(float(high), float(low) + 1e-3), POINTS))
    return torch.stack(rows)
