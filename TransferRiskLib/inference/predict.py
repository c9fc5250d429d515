"""Probabilities of a model's states for a whole scan, by sliding window with bounded memory."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from torch import Tensor

from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import DeviceError, ModelError, is_out_of_memory
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.plans import Plan, fallbacks, release_memory
from TransferRiskLib.inference.prepare import prepare, to_native
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.inference.windows import window_count
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

SILENT = Progress()
MIRRORINGS = tuple(axes for n in range(4) for axes in itertools.combinations((2, 3, 4), n))


def predict_on_grid(
    model: SourceModel,
    image: Tensor,
    settings: PredictionSettings,
    progress: Progress = SILENT,
    name: str = "",
) -> Tensor:
    """Probabilities of the model's states on the model's own grid.

    Windows of the card's patch size are blended with Gaussian weights; an image smaller than the
    patch is padded with zeros, so that every spatial size the network sees is the patch's (and thus
    a multiple of `divisible_by`). Half precision is used on CUDA only; softmax and blending are in
    float32. When memory runs out, the plans of `fallbacks` are tried in turn, each reported as a
    warning. The same call gives the same result.

    Args:
        model: Moved to the device and left there; its training mode is restored.
        image: Normalised channels, shape (C, X, Y, Z).
        settings: Device, overlap, batch size, mirroring, precision.
        progress: Gets a stage, a step a batch of windows, warnings; asked to cancel at every pass.
        name: Of the case, for messages.

    Returns:
        float32 on the CPU, shape (Z, X, Y, Z) with the states first, summing to 1 over them.

    Raises:
        DeviceError: the device is not there, or memory is short even on the CPU.
        ModelError: the network's output has another size than its input, or is not finite.
    """
    device = resolve_device(settings.device)
    plans = list(fallbacks(settings.batch_size, device))
    with _evaluating(model):
        for plan, following in zip(plans, [*plans[1:], None], strict=True):
            states = _attempt(model, image, settings, plan, progress, name)
            if states is not None:
                return states
            release_memory(plan.network)
            if following is not None:
                progress.message(f"Out of memory with {plan}; trying {following}.", level="warning")
    raise DeviceError(
        f"There is not enough memory to predict {name or 'the image'}, not even on the CPU.",
        hint="Close other programs, or use a model with a smaller patch or a coarser spacing.",
    )


def predict_states(
    model: SourceModel, loaded: LoadedCase, settings: PredictionSettings, progress: Progress = SILENT
) -> np.ndarray:
    """Probabilities of the model's states on the case's own grid.

    Args:
        model: The source or adapted model.
        loaded: A case with the channels of the model's card.
        settings: As for `predict_on_grid`.
        progress: As for `predict_on_grid`.

    Returns:
        float32, shape (Z, k, j, i), states first, summing to 1 over them.
    """
    prepared = prepare(model.card, loaded)
    states = predict_on_grid(model, prepared.image, settings, progress, loaded.name)
    native = to_native(prepared.grid, prepared.native, states)
    native /= native.sum(axis=0, keepdims=True)
    return native


def _attempt(
    model: SourceModel,
    image: Tensor,
    settings: PredictionSettings,
    plan: Plan,
    progress: Progress,
    name: str,
) -> Tensor | None:
    """The probabilities, or None when memory ran out.

    The exception ends here: as long as it lives, its traceback keeps the tensors of the failed
    attempt alive, and the next plan would find the device as full as it was.
    """
    windows = window_count(image.shape[1:], model.card.patch_size, settings.overlap)
    progress.stage(f"Predicting {name}".strip(), total=math.ceil(windows / plan.batch_size))
    try:
        model.to(plan.network)
        with torch.no_grad():
            states = sliding_window_inference(
                image.unsqueeze(0).to("cpu", torch.float32),
                roi_size=model.card.patch_size,
                sw_batch_size=plan.batch_size,
                predictor=_predictor(model, settings, plan, progress),
                overlap=settings.overlap,
                mode="gaussian",
                sw_device=plan.network,
                device=plan.blending,
            )
        return states[0].to("cpu")
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def _predictor(
    model: SourceModel, settings: PredictionSettings, plan: Plan, progress: Progress
) -> Callable[[Tensor], Tensor]:
    mirrorings = MIRRORINGS if settings.mirror else MIRRORINGS[:1]
    mixed = settings.mixed_precision and plan.network.type == "cuda"

    def predictor(windows: Tensor) -> Tensor:
        total: Tensor | None = None
        for axes in mirrorings:
            progress.check()
            states = (
                _states(model, windows.flip(axes), mixed).flip(axes)
                if axes
                else _states(model, windows, mixed)
            )
            total = states if total is None else total.add_(states)
        progress.step()
        assert total is not None
        return total.div_(len(mirrorings))

    return predictor


def _states(model: SourceModel, windows: Tensor, mixed: bool) -> Tensor:
    with torch.autocast("cuda", torch.float16) if mixed else contextlib.nullcontext():
        states = model.probabilities(windows).float()
    if states.shape[2:] != windows.shape[2:]:
        raise ModelError(
            f"{model.card.name!r} turns a window of {tuple(windows.shape[2:])} voxels into one of "
            f"{tuple(states.shape[2:])}; it must keep the size.",
            hint="Check patch_size and divisible_by on the model's card.",
        )
    if bool(torch.isfinite(states).all()):
        return states
    if mixed:  # half precision overflows beyond 65,504
        return _states(model, windows, mixed=False)
    raise ModelError(
        f"The outputs of {model.card.name!r} are not finite (NaN or infinity).",
        hint="Its weights are damaged, or the image's intensities are far from those it knows.",
    )


@contextlib.contextmanager
def _evaluating(model: SourceModel) -> Iterator[None]:
    was_training = bool(getattr(model.network, "training", False))
    model.network.eval()
    try:
        yield
    finally:
        model.network.train(was_training)
