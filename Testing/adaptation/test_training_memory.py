from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch
from tiny_training import ball_case, tiny_model, tiny_plan
from told import Told

from TransferRiskLib.adaptation import training as module
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.checkpoints import load_state
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.shortage import Shortage, StepPlan, step_plans, too_large
from TransferRiskLib.adaptation.training import Trainer
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import DeviceError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress

# Slow gradient descent: AdamW makes a full step of a gradient that is zero but for rounding, and fast
# descent lets any rounding grow.
SETTINGS = AdaptationSettings(
    steps=8, probe_steps=3, head="probe", validate_every=5, batch_size=4, optimizer="sgd", learning_rate=0.001
)
GPU = torch.device("cuda", 1)
SHORT = torch.cuda.OutOfMemoryError("CUDA out of memory.")


class Limit:
    """A memory that holds so many patches, from a step on."""

    def __init__(self, patches: int, error: BaseException = SHORT, since: int = -1000) -> None:
        self.patches, self.error, self.since = patches, error, since
        self.trainer: Trainer | None = None
        self.sizes: list[int] = []

    def __call__(self, network, arguments) -> None:
        assert self.trainer is not None
        self.sizes.append(len(arguments[0]))
        if len(arguments[0]) > self.patches and self.trainer.run.step >= self.since:
            raise self.error


def a_trainer(folder: Path, progress: Progress, limit: Limit | None = None, **changes) -> Trainer:
    trainer = Trainer(tiny_plan(folder, **{"settings": SETTINGS, **changes}), progress)
    if limit is not None:
        limit.trainer = trainer
        trainer.network.register_forward_pre_hook(limit)
    return trainer


def assert_close(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=3e-6, msg=name)


@pytest.fixture(scope="module")
def unhindered(tmp_path_factory):
    """A training with memory enough, which moves weights far more than the tests allow them to differ."""
    trainer = a_trainer(tmp_path_factory.mktemp("whole"), Progress())
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trained = trainer.train()
    assert max(float((trained.state[name] - before[name]).abs().max()) for name in before) > 1e-3
    return trained


@pytest.mark.parametrize(
    "error",
    [
        SHORT,
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_the_batch_is_halved_until_it_fits_and_the_weights_come_out_the_same(tmp_path, unhindered, error):
    told, limit = Told(), Limit(1, error)
    trained = a_trainer(tmp_path, told, limit).train()
    assert_close(trained.state, unhindered.state)
    assert trained.history == [(step, pytest.approx(loss, rel=1e-5)) for step, loss in unhindered.history]
    assert limit.sizes[:3] == [4, 2, 1] and set(limit.sizes[2:]) == {1}
    assert told.warnings == [
        "Out of memory at step -3 of Training with 4 patches at once: going on from step -3 with "
        "2 patches at once.",
        "Out of memory at step -3 of Training with 2 patches at once: going on from step -3 with "
        "1 patch at once.",
    ]


def test_memory_that_runs_out_within_the_training_costs_the_steps_since_the_checkpoint(tmp_path, unhindered):
    told = Told()
    trained = a_trainer(tmp_path, told, Limit(2, since=7)).train()
    assert_close(trained.state, unhindered.state)
    assert [step for step, _ in trained.history] == [step for step, _ in unhindered.history]
    assert [text.split(":")[1] for text in told.warnings] == [" going on from step 5 with 2 patches at once."]


def test_what_the_probe_has_reached_is_kept_when_the_whole_network_does_not_fit(tmp_path, unhindered):
    told = Told()
    trained = a_trainer(tmp_path, told, Limit(2, since=0)).train()
    assert_close(trained.state, unhindered.state)
    assert "at step 0 of Training" in told.warnings[0] and "from step 0 with" in told.warnings[0]


def test_beside_a_gpu_activations_wait_in_main_memory_at_last(tmp_path, unhindered, monkeypatch):
    # the CPU stands for a GPU
    monkeypatch.setattr(module, "step_plans", lambda batch, device: step_plans(batch, GPU))
    offloaded = torch.autograd.graph.save_on_cpu
    used = []

    def noted(*arguments, **options):
        used.append(True)
        return offloaded(*arguments, **options)

    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", noted)

    def short_unless_offloaded(network, arguments):
        if not used:
            raise SHORT

    told = Told()
    trainer = a_trainer(tmp_path, told)
    trainer.network.register_forward_pre_hook(short_unless_offloaded)
    assert_close(trainer.train().state, unhindered.state)
    assert len(told.warnings) == 3
    assert told.warnings[-1].endswith("with 1 patch at once, activations in main memory.")


def test_the_ladders():
    assert step_plans(5, torch.device("cpu")) == [StepPlan(5), StepPlan(2), StepPlan(1)]
    assert step_plans(1, GPU) == [StepPlan(1), StepPlan(1, offload=True)]


def test_a_resumed_run_starts_with_what_fitted(tmp_path):
    trainer = a_trainer(tmp_path, Told(), Limit(2))
    trainer.last_step = 5
    trainer.train()
    saved = load_state(tmp_path / "checkpoint.pt")["run"]
    assert (saved["rung"], saved["device"]) == (1, "cpu")
    told, limit = Told(), Limit(2)
    resumed = a_trainer(tmp_path, told, limit).train()
    assert resumed.resumed and not told.warnings
    assert set(limit.sizes) == {2}


def test_another_device_is_tried_with_the_whole_batch(tmp_path):
    trainer = a_trainer(tmp_path, Told(), Limit(2))
    trainer.last_step = 5
    trainer.train()
    state = load_state(tmp_path / "checkpoint.pt")
    torch.save({**state, "run": {**state["run"], "device": "cuda:0"}}, tmp_path / "checkpoint.pt")
    limit = Limit(4)
    a_trainer(tmp_path, Told(), limit).train()
    assert set(limit.sizes) == {4}


def test_trainings_that_share_a_shortage_do_not_search_anew(tmp_path):
    shortage = Shortage()
    a_trainer(tmp_path / "one", Told(), Limit(2), shortage=shortage).train()
    told, limit = Told(), Limit(2)
    a_trainer(tmp_path / "two", told, limit, shortage=shortage).train()
    assert not told.warnings and set(limit.sizes) == {2}


def test_an_adaptation_searches_once_for_what_fits(tmp_path, monkeypatch):
    honest = module.add_gradients

    def short(network, loss, batch, plan, mixed_precision):
        if plan.patches > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return honest(network, loss, batch, plan, mixed_precision)

    monkeypatch.setattr(module, "add_gradients", short)
    settings = AdaptationSettings(steps=2, probe_steps=0, batch_size=2, folds=2)
    cases, target = [ball_case(0), ball_case(1)], LabelScheme.of("ball")
    told = Told()
    adapted = adapt_model(
        tiny_model("ball"), cases, target, settings, PredictionSettings(device="cpu"), tmp_path, told
    )
    assert set(adapted.curves) == {"Fold 1", "Fold 2", "Final training"}
    assert [text for text in told.warnings if "Out of memory" in text] == [
        "Out of memory at step 0 of Fold 1 with 2 patches at once: going on from step 0 with 1 patch at once."
    ]


def test_what_the_failed_step_held_is_gone_before_the_next_attempt(tmp_path):
    held: list[weakref.ref] = []

    def exhausting(network, arguments):
        activations = torch.ones(10)
        alive = [ref() for ref in held if ref() is not None]
        assert not alive, "the failed step still holds its tensors"
        held.append(weakref.ref(activations))
        if len(arguments[0]) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")  # a new one, with its own traceback

    trainer = a_trainer(tmp_path, Told())
    trainer.network.register_forward_pre_hook(exhausting)
    trainer.train()
    assert len(held) > 3


def test_not_even_one_patch_is_a_typed_error_that_can_be_resumed(tmp_path):
    with pytest.raises(DeviceError, match="main memory to train on one patch of 16x16x16") as caught:
        a_trainer(tmp_path, Told(), Limit(0, since=6)).train()
    assert "resume" in caught.value.hint and "patch_size=8,8,8" in caught.value.hint
    assert a_trainer(tmp_path, Told()).train().resumed


def test_the_error_names_settings_to_change():
    error = too_large("Fold 1", (128, 160, 96), GPU)
    assert "cuda:1 has too little memory to train on one patch of 128x160x96 voxels (Fold 1)" in str(error)
    assert "--device cpu" in str(error)
    # three quarters of each side, as multiples of 32
    assert "--set patch_size=96,96,64" in str(error)
    assert "patch_size=48,48,48" in too_large("Fold 1", (80, 80, 80), torch.device("cpu")).hint


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(RuntimeError, match="sizes do not match"):
        a_trainer(tmp_path, Told(), Limit(0, RuntimeError("sizes do not match"))).train()


@pytest.mark.parametrize("part", ["refresh", "validate"])
def test_memory_that_runs_out_beside_the_steps_is_a_typed_error(tmp_path, part):
    def fail(*arguments):
        raise MemoryError

    settings = AdaptationSettings(**{**vars(SETTINGS), "weights": "paper", "weight_refresh": (0.5,)})
    with pytest.raises(DeviceError, match="beside the steps"):
        a_trainer(tmp_path, Told(), settings=settings, **{part: fail}).train()


def test_a_network_that_a_prediction_took_to_the_cpu_comes_back(tmp_path):
    moved = []

    def validate(network):
        assert all(p.grad is None for p in network.parameters())
        moved.append("validation")
        return 0.5

    trainer = a_trainer(tmp_path, Told(), validate=validate)
    trainer.network.to = lambda device: moved.append(device)  # type: ignore[method-assign]
    trainer.train()
    assert moved == ["validation", torch.device("cpu")] * 2
