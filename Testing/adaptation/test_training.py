from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_training import tiny_plan

from TransferRiskLib.adaptation.checkpoints import load_state
from TransferRiskLib.adaptation.sampling import TrainingCase
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.training import Trainer, TrainingPlan
from TransferRiskLib.adaptation.weights import voxel_weights
from TransferRiskLib.errors import Cancelled, DivergedError
from TransferRiskLib.progress import Progress

SETTINGS = AdaptationSettings(steps=12, probe_steps=4, head="probe", validate_every=5, batch_size=2)


def plan(folder: Path, settings: AdaptationSettings = SETTINGS, **changes) -> TrainingPlan:
    return tiny_plan(folder, settings, **changes)


SLOW_TRAINING = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import torch
torch.set_num_threads(1)
from test_training import Progress, Trainer, plan

class Slow(Progress):
    def metrics(self, step, values):
        print(step, flush=True)
        time.sleep(60 if step == 10 else 0)

Trainer(plan(Path(sys.argv[1])), Slow()).train()
"""


class StopAt(Progress):
    """Asks to stop once so many steps were made."""

    def __init__(self, steps: int) -> None:
        super().__init__(lambda: self.steps >= steps)
        self.steps = 0

    def step(self, advance: int = 1, message: str = "") -> None:
        self.steps += advance


def reweigh(network, cases):
    """Weights that depend on the current network, as self-paced ones do."""
    fresh = []
    for case in cases:
        with torch.no_grad():
            risk = -torch.log_softmax(network(case.image[None]), 1)[0, 1]
        weights = voxel_weights("paper", risk, risk, case.labels)
        fresh.append(TrainingCase(case.name, case.image, case.labels, weights))
    return fresh


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_the_same_seed_gives_the_same_weights_to_the_bit(tmp_path, one_thread):
    first = Trainer(plan(tmp_path / "a"), Progress()).train()
    second = Trainer(plan(tmp_path / "b"), Progress()).train()
    assert_same(first.state, second.state)
    other = Trainer(plan(tmp_path / "c", AdaptationSettings(**{**vars(SETTINGS), "seed": 1})), Progress())
    changed = other.train().state
    assert any(not torch.equal(first.state[name], changed[name]) for name in changed)


@pytest.mark.parametrize("stop", [2, 4, 5, 10])
def test_a_cancelled_training_resumes_to_the_same_weights(tmp_path, one_thread, stop):
    settings = AdaptationSettings(**{**vars(SETTINGS), "weights": "paper", "weight_refresh": (0.25, 0.5)})
    whole = Trainer(plan(tmp_path / "whole", settings, refresh=reweigh), Progress()).train()
    with pytest.raises(Cancelled):
        Trainer(plan(tmp_path / "parts", settings, refresh=reweigh), StopAt(stop)).train()
    resumed = Trainer(plan(tmp_path / "parts", settings, refresh=reweigh), Progress()).train()
    assert resumed.resumed and not whole.resumed
    assert_same(whole.state, resumed.state)
    assert whole.history == resumed.history


def test_a_killed_training_resumes_to_the_same_weights(tmp_path, one_thread):
    paths = [str(Path(__file__).parent), *(path for path in sys.path if path)]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_TRAINING, str(tmp_path / "killed"), *paths],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    while child.stdout.readline().strip() != "10":
        assert child.poll() is None, "the training ended before it could be killed"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert load_state(tmp_path / "killed" / "checkpoint.pt")["run"]["step"] < SETTINGS.steps
    resumed = Trainer(plan(tmp_path / "killed"), Progress()).train()
    whole = Trainer(plan(tmp_path / "whole"), Progress()).train()
    assert resumed.resumed
    assert_same(whole.state, resumed.state)


def test_training_lowers_the_loss_and_the_probe_changes_the_head_only(tmp_path, one_thread):
    settings = AdaptationSettings(**{**vars(SETTINGS), "steps": 60, "learning_rate": 1e-2})
    made = plan(tmp_path, settings)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    with pytest.raises(Cancelled):
        Trainer(made, StopAt(made.probe_steps)).train()
    probed = load_state(tmp_path / "checkpoint.pt")["network"]
    changed = {name for name in before if not torch.equal(before[name], probed[name])}
    assert changed and changed <= made.head
    trained = Trainer(plan(tmp_path, settings), Progress()).train()
    losses = [loss for step, loss in trained.history if step > 0]
    assert losses[-1] < 0.7 * losses[0]


def test_validation_keeps_the_best_weights_and_patience_stops_early(tmp_path, one_thread):
    scores = iter([0.5, 0.9, 0.4, 0.3, 0.8, 0.95])
    settings = AdaptationSettings(**{**vars(SETTINGS), "steps": 30, "patience": 2})
    states = []

    def validate(network):
        states.append({name: value.clone() for name, value in network.state_dict().items()})
        return next(scores)

    trained = Trainer(plan(tmp_path, settings, validate=validate), Progress()).train()
    assert [step for step, _ in trained.curve] == [5, 10, 15, 20]
    assert trained.best_step == 10
    assert_same(trained.state, states[1])


def test_a_not_a_number_loss_goes_back_with_half_the_learning_rate(tmp_path, one_thread):
    made = plan(tmp_path)
    trainer = Trainer(made, Progress())
    honest, fail_at = trainer.loss.forward, {6}

    def sometimes(*arguments):
        loss = honest(*arguments)
        if trainer.run.step in fail_at:
            fail_at.clear()
            return loss * math.nan
        return loss

    trainer.loss.forward = sometimes  # type: ignore[method-assign]
    trainer.train()
    assert trainer.run.step == SETTINGS.steps
    assert (trainer.run.rescues, trainer.run.rate_scale) == (1, 0.5)


def test_endless_not_a_number_losses_end_in_a_clear_error(tmp_path, one_thread):
    trainer = Trainer(plan(tmp_path), Progress())
    trainer.loss.forward = lambda *_: torch.tensor(math.nan)  # type: ignore[method-assign]
    with pytest.raises(DivergedError, match="not-a-number"):
        trainer.train()


def test_checkpoints_come_within_the_asked_time(tmp_path, one_thread):
    settings = AdaptationSettings(**{**vars(SETTINGS), "checkpoint_seconds": 0.0, "validate_every": 1000})
    seen = []
    trainer = Trainer(plan(tmp_path, settings), Progress())
    save = trainer._save
    trainer._save = lambda: (seen.append(trainer.run.step), save())  # type: ignore[method-assign]
    trainer.train()
    assert set(range(-3, SETTINGS.steps + 1)) <= set(seen)
    assert time.monotonic() - trainer._saved_at < 60


def test_a_new_head_learns_at_its_own_rate(tmp_path):
    # AdamW's first step moves every weight by the learning rate, whatever the gradient's size
    settings = AdaptationSettings(
        steps=1, head="random", head_rate=10.0, learning_rate=1e-3, schedule="constant", weight_decay=0.0
    )
    head = set(plan(tmp_path, settings).head)
    training = plan(tmp_path, settings, new_head=head)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    after = Trainer(training, Progress()).train().state
    for name, value in after.items():
        moved = (value - before[name]).abs().max().item()
        assert moved == pytest.approx(1e-2 if name in head else 1e-3, rel=1e-2), name
