"""One training: a linear probe, then the weighted fine-tuning; it can be killed and resumed.

Nothing random carries over from step to step: every step seeds itself from the run's seed and its own
number. A resumed run therefore needs no generator states to reach the weights of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from TransferRiskLib.adaptation.augmentation import Augmentation
from TransferRiskLib.adaptation.checkpoints import (
    RunState,
    copy_of,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from TransferRiskLib.adaptation.gradients import add_gradients
from TransferRiskLib.adaptation.losses import AdaptationLoss
from TransferRiskLib.adaptation.optimisers import learning_rate, make_optimizer
from TransferRiskLib.adaptation.sampling import PatchSampler, TrainingCase
from TransferRiskLib.adaptation.schemes import SourceAnchor, encoder_parameters, set_trainable
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.shortage import (
    Shortage,
    StepPlan,
    memory_as_device_error,
    step_plans,
    too_large,
)
from TransferRiskLib.errors import DivergedError, is_out_of_memory
from TransferRiskLib.inference.plans import release_memory
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
        shortage: How far memory has run out before; it is told of what happens here.
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
    shortage: Shortage = field(default_factory=Shortage)


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


class Trainer:
    """Carries out a `TrainingPlan`."""

    def __init__(self, plan: TrainingPlan, progress: Progress) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.learning_rate = learning_rate(plan.settings, plan.network)
        self.progress = progress
        self.step_plans = step_plans(self.settings.batch_size, plan.device)
        with memory_as_device_error(plan.name, plan.device):
            # convolutions with the channels innermost: a quarter less time per step on a CPU
            self.network = plan.network.to(plan.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            self.anchor = (
                SourceAnchor(self.network, plan.head, self.settings.l2sp)
                if self.settings.scheme == "l2sp"
                else None
            )
        self.cases = plan.cases
        self.loss = AdaptationLoss(self.settings.normalisation, self.settings.loss, self.settings.eep_anchor)
        self.augmentation = Augmentation(self.settings.augmentation)
        self.refresh_steps = (
            {max(1, round(f * self.settings.steps)) for f in self.settings.weight_refresh}
            if plan.refresh
            else set()
        )
        self.last_step = min(self.settings.steps, plan.stop_at or self.settings.steps)
        self.run = RunState(step=-plan.probe_steps)
        self.checkpoint = plan.folder / "checkpoint.pt"
        self._saved_at = time.monotonic()
        self._start_phase()
        self.sampler = PatchSampler(self.cases, plan.patch, self.settings.sampling)

    def train(self) -> Trained:
        """Train to the end, or resume and train to the end.

        Raises:
            Cancelled: asked to stop; the checkpoint is saved.
            DivergedError: the loss stayed not-a-number after three rescues.
            DeviceError: not even one patch fits into memory; the checkpoint can be resumed.
        """
        resumed = self.checkpoint.exists()
        if resumed:
            self._restore()
            if self.run.device == str(self.plan.device):
                self.plan.shortage.rung = max(self.plan.shortage.rung, self.run.rung)
        else:
            self._save()
        self._show_progress()
        with memory_as_device_error(self.plan.name, self.plan.device):
            while self.run.step < self.last_step and not self._stale():
                self._check_cancel()
                self._before_step()
                if self._fits(self._step):
                    self._after_step()
                else:
                    self._need_less()
        self._save()
        run = self.run
        if run.best is None:
            return Trained(copy_of(self.network.state_dict()), run.step, [], run.history, resumed, run.probed)
        return Trained(run.best, run.best_step, run.curve, run.history, resumed, run.probed)

    def _show_progress(self) -> None:
        self.progress.stage(self.plan.name, self.last_step + self.plan.probe_steps)
        self.progress.step(self.run.step + self.plan.probe_steps)

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
        new = [value for name, value in self.network.named_parameters() if name in self.plan.new_head]
        self.optimizer = make_optimizer(self.settings, self.learning_rate, parameters, new)
        self.parameters = parameters

    def _before_step(self) -> None:
        step = self.run.step
        if step == 0 and self.plan.probe_steps and self.run.probed is None:
            self._start_phase()
            self.run.probed = copy_of(self.network.state_dict())
            self._save()  # a step of the whole network needs more memory than one of its head
        if step in self.refresh_steps and self.run.weights_step != step:
            # the checkpoint comes first: a run killed from here on refreshes from the same network
            self._save()
            assert self.plan.refresh is not None
            self._evaluating()
            self._use(self.plan.refresh(self.network, self.cases))
            self.network.to(self.plan.device)
            self.run.weights_step = step
            save_weights(self._weights_file(step), self.cases, risk=self.settings.sampling == "risk")
            self._save()

    def _step(self) -> None:
        s, step = self.settings, self.run.step
        # the frozen part of a probe keeps its normalisation statistics
        self.network.train(step >= 0)
        rate = self.learning_rate * self.run.rate_scale
        if s.schedule == "poly" and step >= 0:
            rate *= (1 - step / s.steps) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        seed = [s.seed, step + self.plan.probe_steps]
        random = np.random.default_rng(seed)
        device = self.plan.device
        batch = self.sampler.draw(random, s.batch_size).to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(random.integers(2**31)))
            batch = self.augmentation(batch, int(random.integers(2**31)))
            self.optimizer.zero_grad(set_to_none=True)
            value = add_gradients(self.network, self.loss, batch, self.step_plan, self.plan.mixed_precision)
            if self.anchor is not None:
                penalty = self.anchor(self.network)
                penalty.backward()
                value += float(penalty.detach())
            if not math.isfinite(value):
                self._rescue()
                return
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
            self._evaluating()
            dice = self.plan.validate(self.network)
            self.network.to(self.plan.device)
            self.run.curve.append((step, dice))
            self.progress.metrics(step, {"validation_dice": dice})
            if dice >= self.run.best_dice:
                self.run.best, self.run.best_step = copy_of(self.network.state_dict()), step
                self.run.best_dice, self.run.stale = dice, 0
            else:
                self.run.stale += 1
        if epoch_ends or time.monotonic() - self._saved_at >= s.checkpoint_seconds:
            self._save()

    def _evaluating(self) -> None:
        """Ready for a prediction, which goes to the CPU when memory is short: fetch the network after it."""
        self.network.eval()
        self.optimizer.zero_grad(set_to_none=True)  # as large as the weights

    def _stale(self) -> bool:
        return bool(self.settings.patience) and self.run.stale >= self.settings.patience

    def _check_cancel(self) -> None:
        try:
            self.progress.check()
        except BaseException:
            self._save()
            raise

    # -- memory ---------------------------------------------------------------------------------

    @property
    def step_plan(self) -> StepPlan:
        """How a step is made now."""
        return self.step_plans[min(self.plan.shortage.rung, len(self.step_plans) - 1)]

    def _fits(self, step: Callable[[], None]) -> bool:
        """Make a step; false when memory ran out.

        The exception ends here: as long as it lives, its traceback keeps the tensors of the failed step.
        """
        try:
            step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _need_less(self) -> None:
        """Back to the last checkpoint, and on with steps that need less memory.

        A step that failed may have moved running statistics, or some of the weights; the checkpoint undoes
        that. Steps seed themselves, so that the repeated ones are the same but for rounding.
        """
        failed, at = self.step_plan, self.run.step
        if failed == self.step_plans[-1]:
            raise too_large(self.plan.name, self.plan.patch, self.plan.device)
        self.plan.shortage.rung += 1
        self.optimizer.zero_grad(set_to_none=True)
        release_memory(self.plan.device)
        self._restore()
        self._save()
        self.progress.message(
            f"Out of memory at step {at} of {self.plan.name} with {failed}: going on from step "
            f"{self.run.step} with {self.step_plan}.",
            "warning",
        )
        self._show_progress()

    # -- state ----------------------------------------------------------------------------------

    def _rescue(self) -> None:
        """Back to the last good checkpoint with half the learning rate."""
        rescues, scale = self.run.rescues + 1, self.run.rate_scale / 2
        if rescues > MAX_RESCUES:
            raise DivergedError(
                f"The training ({self.plan.name}) keeps giving not-a-number losses.",
                hint=f"Lower the learning rate ({self.learning_rate:g}) or check the images.",
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
        self.run.rung, self.run.device = self.plan.shortage.rung, str(self.plan.device)
        save_state(
            self.checkpoint,
            {"run": vars(self.run), "network": copy_of(tensors), "optimizer": self.optimizer.state_dict()},
        )
        self._saved_at = time.monotonic()

    def _restore(self) -> None:
        state = load_state(self.checkpoint)
        self.run = RunState.of(state["run"])
        self.network.load_state_dict(state["network"])
        self._start_phase()
        if self.run.step != 0:  # at step 0 the saved optimiser may still be the probe's
            self.optimizer.load_state_dict(state["optimizer"])
        if self.run.weights_step is not None:
            self._use(load_weights(self._weights_file(self.run.weights_step), self.cases))

    def _weights_file(self, step: int) -> Path:
        return self.plan.folder / f"weights-{step}.pt"

    def _use(self, cases: list[TrainingCase]) -> None:
        self.cases = cases
        self.sampler = PatchSampler(cases, self.plan.patch, self.settings.sampling)
