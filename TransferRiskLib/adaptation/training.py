"""One training: a linear probe, then the weighted fine-tuning; it can be killed and resumed.

Nothing random carries over from step to step: every step seeds itself from the run's seed and its own
number. A resumed run therefore needs no generator states to reach the weights of an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from TransferRiskLib.adaptation.augmentation import Augmentation
from TransferRiskLib.adaptation.checkpoints import copy_of, load_state, save_state
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.sampling import PatchSampler, TrainingCase
from TransferRiskLib.adaptation.schemes import SourceAnchor, encoder_parameters, set_trainable
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.errors import DeviceError, DivergedError
from TransferRiskLib.progress import Progress

MAX_RESCUES = 3
GRADIENT_NORM = 12.0  # as nnU-Net clips
HISTORY_EVERY = 5


@dataclass
class TrainingPlan:
    """What one training works on.

    Attributes:
        name: For progress and history.
        folder: Where its checkpoint and result lie.
        network: At its starting weights; it is trained in place.
        head: Names of the parameters that the linear probe trains.
        probe_steps: Steps of the probe, before `settings.steps` of the rest.
        cases: Training cases with their first weights.
        patch: Patch size along the network's axes.
        new_head: Those of them whose learning rate is multiplied by `settings.head_rate`.
        stop_at: Stop after so many steps of the schedule; None goes to its end.
        validate: Mean Dice of the network on held-out cases, or None without any.
        refresh: New weights of the cases from the current network, or None.
    """

    name: str
    folder: Path
    network: torch.nn.Module
    head: Collection[str]
    probe_steps: int
    cases: list[TrainingCase]
    patch: tuple[int, int, int]
    settings: AdaptationSettings
    device: torch.device
    mixed_precision: bool = True
    new_head: Collection[str] = ()
    stop_at: int | None = None
    validate: Callable[[torch.nn.Module], float] | None = None
    refresh: Callable[[torch.nn.Module, list[TrainingCase]], list[TrainingCase]] | None = None


@dataclass
class Trained:
    """A finished training.

    Attributes:
        state: Weights at the best validation, or the last ones without validation.
        best_step: Step of those weights.
        curve: (step, validation Dice).
        history: (step, loss); probe steps are negative, counting up to 0.
        resumed: Whether a checkpoint was continued.
        probed: Weights after the linear probe, None without one.
    """

    state: dict[str, torch.Tensor]
    best_step: int
    curve: list[tuple[int, float]]
    history: list[tuple[int, float]]
    resumed: bool = False
    probed: dict[str, torch.Tensor] | None = None


@dataclass
class _Run:
    """The part of a training that a checkpoint holds."""

    step: int
    rate_scale: float = 1.0
    rescues: int = 0
    weights_step: int | None = None
    probed: dict[str, torch.Tensor] | None = None
    best: dict[str, torch.Tensor] | None = None
    best_step: int = 0
    best_dice: float = -1.0
    stale: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    history: list[tuple[int, float]] = field(default_factory=list)


class Trainer:
    """Carries out a `TrainingPlan`."""

    def __init__(self, plan: TrainingPlan, progress: Progress) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.progress = progress
        # convolutions with the channels innermost: a quarter less time per step on a CPU
        self.network = plan.network.to(plan.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.cases = plan.cases
        self.loss = AdaptationLoss(self.settings.normalisation, self.settings.loss, self.settings.eep_anchor)
        self.augmentation = Augmentation(self.settings.augmentation)
        self.anchor = (
            SourceAnchor(self.network, plan.head, self.settings.l2sp)
            if self.settings.scheme == "l2sp"
            else None
        )
        self.refresh_steps = (
            {max(1, round(f * self.settings.steps)) for f in self.settings.weight_refresh}
            if plan.refresh
            else set()
        )
        self.last_step = min(self.settings.steps, plan.stop_at or self.settings.steps)
        self.run = _Run(step=-plan.probe_steps)
        self.checkpoint = plan.folder / "checkpoint.pt"
        self._saved_at = time.monotonic()
        self._start_phase()
        self.sampler = PatchSampler(self.cases, plan.patch, self.settings.sampling)

    def train(self) -> Trained:
        """Train to the end, or resume and train to the end.

        Raises:
            Cancelled: asked to stop; the checkpoint is saved.
            DivergedError: the loss stayed not-a-number after three rescues.
            DeviceError: out of GPU memory.
        """
        resumed = self.checkpoint.exists()
        if resumed:
            self._restore()
        else:
            self._save()
        total = self.last_step + self.plan.probe_steps
        self.progress.stage(self.plan.name, total)
        self.progress.step(self.run.step + self.plan.probe_steps)
        try:
            while self.run.step < self.last_step and not self._stale():
                self._check_cancel()
                self._before_step()
                self._step()
                self._after_step()
        except torch.cuda.OutOfMemoryError as error:
            raise DeviceError(
                f"The GPU ran out of memory while training ({self.plan.name}).",
                hint="Use a smaller batch size, or the CPU.",
            ) from error
        self._save()
        run = self.run
        if run.best is None:
            return Trained(copy_of(self.network.state_dict()), run.step, [], run.history, resumed, run.probed)
        return Trained(run.best, run.best_step, run.curve, run.history, resumed, run.probed)

    # -- phases ---------------------------------------------------------------------------------

    def _start_phase(self) -> None:
        """Choose the trainable parameters and a fresh optimiser for the phase of the current step."""
        probing = self.run.step < 0
        names = {name for name, _ in self.network.named_parameters()}
        if probing:
            names &= set(self.plan.head)
        elif self.settings.scheme == "frozen-encoder":
            names -= encoder_parameters(self.network)
        parameters = set_trainable(self.network, names)
        s = self.settings
        head = {id(p) for name, p in self.network.named_parameters() if name in self.plan.new_head}
        self.rate_factors = (1.0, s.head_rate)
        groups = [{"params": [p for p in parameters if (id(p) in head) == new]} for new in (False, True)]
        if s.optimizer == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
                groups,
                lr=s.learning_rate,
                momentum=s.momentum,
                weight_decay=s.weight_decay,
                nesterov=s.momentum > 0,
            )
        else:
            self.optimizer = torch.optim.AdamW(groups, lr=s.learning_rate, weight_decay=s.weight_decay)
        self.parameters = parameters

    def _before_step(self) -> None:
        step = self.run.step
        if step == 0 and self.plan.probe_steps:
            self._start_phase()
            self.run.probed = copy_of(self.network.state_dict())
        if step in self.refresh_steps and self.run.weights_step != step:
            # the checkpoint comes first: a run killed from here on refreshes from the same network
            self._save()
            assert self.plan.refresh is not None
            self.network.eval()
            self._use(self.plan.refresh(self.network, self.cases))
            self.run.weights_step = step
            self._save_weights(step)
            self._save()

    def _step(self) -> None:
        s, step = self.settings, self.run.step
        # the frozen part of a probe keeps its normalisation statistics
        self.network.train(step >= 0)
        rate = s.learning_rate * self.run.rate_scale
        if s.schedule == "poly" and step >= 0:
            rate *= (1 - step / s.steps) ** 0.9
        for group, factor in zip(self.optimizer.param_groups, self.rate_factors, strict=True):
            group["lr"] = rate * factor
        seed = [s.seed, step + self.plan.probe_steps]
        random = np.random.default_rng(seed)
        device = self.plan.device
        batch = self.sampler.draw(random, s.batch_size).to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(random.integers(2**31)))
            batch = self.augmentation(batch, int(random.integers(2**31)))
            half = self.plan.mixed_precision and device.type == "cuda"
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
                logits = self.network(batch.image.to(memory_format=torch.channels_last_3d))
            loss = self.loss(_full_resolution(logits), batch.labels, batch.weights, batch.ratio, batch.anchor)
            if self.anchor is not None:
                loss = loss + self.anchor(self.network)
            value = float(loss.detach())
            if not math.isfinite(value):
                self._rescue()
                return
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM)
            self.optimizer.step()
        self.run.step += 1
        self.progress.step()
        if self.run.step % HISTORY_EVERY == 0 or self.run.step == self.last_step:
            self.run.history.append((self.run.step, value))
            self.progress.metrics(self.run.step, {"loss": value})

    def _after_step(self) -> None:
        step, s = self.run.step, self.settings
        epoch_ends = step > 0 and (step % s.validate_every == 0 or step == self.last_step)
        if epoch_ends and self.plan.validate and (not self.run.curve or self.run.curve[-1][0] != step):
            self.network.eval()
            dice = self.plan.validate(self.network)
            self.run.curve.append((step, dice))
            self.progress.metrics(step, {"validation_dice": dice})
            if dice >= self.run.best_dice:
                self.run.best, self.run.best_step = copy_of(self.network.state_dict()), step
                self.run.best_dice, self.run.stale = dice, 0
            else:
                self.run.stale += 1
        if epoch_ends or time.monotonic() - self._saved_at >= s.checkpoint_seconds:
            self._save()

    def _stale(self) -> bool:
        return bool(self.settings.patience) and self.run.stale >= self.settings.patience

    def _check_cancel(self) -> None:
        try:
            self.progress.check()
        except BaseException:
            self._save()
            raise

    # -- state ----------------------------------------------------------------------------------

    def _rescue(self) -> None:
        """Back to the last good checkpoint with half the learning rate."""
        rescues, scale = self.run.rescues + 1, self.run.rate_scale / 2
        if rescues > MAX_RESCUES:
            raise DivergedError(
                f"The training ({self.plan.name}) keeps giving not-a-number losses.",
                hint=f"Lower the learning rate ({self.settings.learning_rate:g}) or check the images.",
            )
        at = self.run.step
        self._restore()
        self.run.rescues, self.run.rate_scale = rescues, scale
        self.progress.message(
            f"The loss was not a number at step {at}: back to step {self.run.step} with half the learning "
            f"rate (rescue {rescues} of {MAX_RESCUES}).",
            "warning",
        )

    def _save(self) -> None:
        tensors = self.network.state_dict()
        if not all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point()):
            return  # the next loss will be not-a-number; keep the last good checkpoint for the rescue
        run = {name: getattr(self.run, name) for name in self.run.__dataclass_fields__}
        save_state(
            self.checkpoint,
            {"run": run, "network": copy_of(tensors), "optimizer": self.optimizer.state_dict()},
        )
        self._saved_at = time.monotonic()

    def _restore(self) -> None:
        state = load_state(self.checkpoint)
        run: dict[str, Any] = dict(state["run"])
        run["curve"] = [tuple(pair) for pair in run["curve"]]
        run["history"] = [tuple(pair) for pair in run["history"]]
        self.run = _Run(**run)
        self.network.load_state_dict(state["network"])
        self._start_phase()
        if self.run.step != 0:  # at step 0 the saved optimiser may still be the probe's
            self.optimizer.load_state_dict(state["optimizer"])
        if self.run.weights_step is not None:
            self._load_weights(self.run.weights_step)

    def _weights_file(self, step: int) -> Path:
        return self.plan.folder / f"weights-{step}.pt"

    def _save_weights(self, step: int) -> None:
        keep = self.settings.sampling == "risk"
        state = {
            str(n): {"weights": c.weights, **({"risk": c.risk} if keep and c.risk is not None else {})}
            for n, c in enumerate(self.cases)
        }
        save_state(self._weights_file(step), state)

    def _load_weights(self, step: int) -> None:
        state = load_state(self._weights_file(step))
        self._use(
            [
                dataclasses.replace(
                    c, weights=state[str(n)]["weights"], risk=state[str(n)].get("risk", c.risk)
                )
                for n, c in enumerate(self.cases)
            ]
        )

    def _use(self, cases: list[TrainingCase]) -> None:
        self.cases = cases
        self.sampler = PatchSampler(cases, self.plan.patch, self.settings.sampling)


def _full_resolution(logits: torch.Tensor | list | tuple) -> torch.Tensor:
    """The finest output of a network with deep supervision (DynUNet stacks them along axis 1)."""
    if isinstance(logits, (list, tuple)):
        return logits[0]
    return logits[:, 0] if logits.dim() == 6 else logits
