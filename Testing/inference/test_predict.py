from __future__ import annotations

import numpy as np
import pytest
import torch
from inference_fakes import RecordingProgress, VoxelWise, a_case, a_grid, a_model
from monai.data.utils import compute_importance_map
from scipy.spatial.transform import Rotation
from torch import nn

from TransferRiskLib.errors import Cancelled, DeviceError, ModelError
from TransferRiskLib.inference import predict as module
from TransferRiskLib.inference.plans import Plan
from TransferRiskLib.inference.predict import predict_on_grid, predict_states
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.inference.windows import window_count
from TransferRiskLib.models.states import to_states

ON_CPU = PredictionSettings(device="cpu", batch_size=2)


def an_image(*size, channels=1):
    return torch.randn((channels, *size), generator=torch.Generator().manual_seed(0))


def voxel_wise_probabilities(image, outputs=3):
    factors = torch.arange(outputs, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return torch.softmax(image[:1] * factors, dim=0)


class Positional(nn.Module):
    """Logits that depend on the place within the window, so that blending shows."""

    def forward(self, batch):
        x = torch.linspace(-1, 1, batch.shape[2]).reshape(1, 1, -1, 1, 1).expand_as(batch[:, :1])
        return torch.cat([torch.zeros_like(x), x + batch[:, :1]], dim=1)


class Exhausted(VoxelWise):
    """Runs out of memory for the first so many passes."""

    def __init__(self, failures, error=None):
        super().__init__()
        self.failures = failures
        self.error = error or torch.cuda.OutOfMemoryError("CUDA out of memory.")

    def forward(self, batch):
        if self.failures > 0:
            self.failures -= 1
            raise self.error
        return super().forward(batch)


@pytest.mark.parametrize("size", [(8, 8, 8), (13, 9, 20), (3, 5, 4), (20, 4, 8)])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_voxel_wise_network_is_unchanged_by_windows_padding_and_mirroring(size, mirror):
    image = an_image(*size)
    states = predict_on_grid(a_model(), image, PredictionSettings(device="cpu", mirror=mirror))
    assert states.dtype == torch.float32 and states.device.type == "cpu"
    torch.testing.assert_close(states, voxel_wise_probabilities(image), atol=1e-6, rtol=0)


def test_every_window_has_the_patch_size_whatever_the_image():
    network = VoxelWise()
    predict_on_grid(a_model(network, patch_size=(8, 12, 4), divisible_by=4), an_image(5, 30, 7), ON_CPU)
    assert {shape[2:] for shape in network.shapes} == {(8, 12, 4)}


def test_windows_are_blended_with_gaussian_weights():
    model = a_model(Positional(), labels=a_model().card.labels.__class__.of("a"), patch_size=(8, 4, 4))
    image = an_image(12, 4, 4)
    states = predict_on_grid(model, image, ON_CPU)

    weights = compute_importance_map((8, 4, 4), mode="gaussian", sigma_scale=0.125)
    total, norm = torch.zeros(2, 12, 4, 4), torch.zeros(12, 4, 4)
    for start in (0, 4):
        window = image[None, :, start : start + 8]
        total[:, start : start + 8] += weights * torch.softmax(Positional()(window), 1)[0]
        norm[start : start + 8] += weights
    torch.testing.assert_close(states, total / norm, atol=1e-6, rtol=0)


def test_mirroring_averages_the_eight_flips():
    torch.manual_seed(0)
    network = nn.Conv3d(1, 3, 3, padding=1)
    image = an_image(8, 8, 8)
    states = predict_on_grid(a_model(network), image, PredictionSettings(device="cpu", mirror=True))
    flips = [[a for bit, a in enumerate((2, 3, 4)) if number >> bit & 1] for number in range(8)]
    with torch.no_grad():
        passes = [torch.softmax(network(image[None].flip(axes)), 1).flip(axes) for axes in flips]
    torch.testing.assert_close(states, torch.stack(passes).mean(0)[0], atol=1e-6, rtol=0)


def test_states_of_nested_regions_are_blended_as_probabilities():
    model = a_model(VoxelWise(2), activation="nested")
    image = an_image(10, 8, 8)
    expected = to_states(VoxelWise(2)(image[None]), "nested")[0]
    torch.testing.assert_close(predict_on_grid(model, image, ON_CPU), expected, atol=1e-6, rtol=0)


def test_the_same_call_gives_the_same_bits():
    torch.manual_seed(0)
    model = a_model(nn.Conv3d(1, 3, 3, padding=1))
    image = an_image(14, 11, 9)
    settings = PredictionSettings(device="cpu", mirror=True, batch_size=3)
    assert torch.equal(predict_on_grid(model, image, settings), predict_on_grid(model, image, settings))


def test_dropout_is_off_during_prediction_and_the_training_mode_comes_back():
    model = a_model(nn.Sequential(VoxelWise(), nn.Dropout(0.9)))
    model.network.train()
    image = an_image(8, 8, 8)
    states = predict_on_grid(model, image, ON_CPU)
    torch.testing.assert_close(states, voxel_wise_probabilities(image), atol=1e-6, rtol=0)
    assert model.network.training and model.network[1].training


def test_progress_gets_a_step_a_batch_of_windows():
    network, progress = VoxelWise(), RecordingProgress()
    predict_on_grid(a_model(network), an_image(20, 8, 13), ON_CPU, progress, "anna")
    windows = window_count((20, 8, 13), (8, 8, 8), 0.5)
    assert sum(shape[0] for shape in network.shapes) == windows == 4 * 1 * 3
    assert progress.stages == [("Predicting anna", 6)]
    assert progress.steps == 6


def test_cancelling_stops_between_the_mirrorings_of_one_window():
    network = VoxelWise()
    with pytest.raises(Cancelled):
        predict_on_grid(
            a_model(network),
            an_image(8, 8, 8),
            PredictionSettings(device="cpu", mirror=True),
            RecordingProgress(cancel_at=4),
        )
    assert len(network.shapes) == 3


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("size", [(8, 8, 8), (9, 17, 3)])
def test_the_announced_number_of_windows_is_the_number_of_windows(size, overlap):
    network = VoxelWise()
    settings = PredictionSettings(device="cpu", overlap=overlap, batch_size=64)
    predict_on_grid(a_model(network), an_image(*size), settings)
    assert sum(shape[0] for shape in network.shapes) == window_count(size, (8, 8, 8), overlap)


@pytest.mark.parametrize("failures", [1, 2])
def test_less_memory_means_smaller_batches_and_the_same_result(failures):
    progress, image = RecordingProgress(), an_image(16, 8, 8)
    model = a_model(Exhausted(failures))
    states = predict_on_grid(model, image, PredictionSettings(device="cpu", batch_size=4), progress)
    torch.testing.assert_close(states, voxel_wise_probabilities(image), atol=1e-6, rtol=0)
    assert len(progress.warnings) == failures
    assert "batch size 4; trying network on cpu, blending on cpu, batch size 2" in progress.warnings[0]
    assert max(shape[0] for shape in model.network.shapes) <= 4 // 2**failures


def test_after_the_last_plan_comes_a_typed_error():
    with pytest.raises(DeviceError, match="not enough memory to predict anna"):
        predict_on_grid(a_model(Exhausted(99)), an_image(8, 8, 8), ON_CPU, name="anna")


def test_the_whole_ladder_of_a_gpu_is_climbed_down(monkeypatch):
    # the first CPU stands for a GPU; every plan but the last fails
    gpu, cpu = torch.device("cpu", 0), torch.device("cpu")
    plans = [Plan(gpu, gpu, 2), Plan(gpu, gpu, 1), Plan(gpu, cpu, 1), Plan(cpu, cpu, 1)]
    monkeypatch.setattr(module, "fallbacks", lambda batch, device: iter(plans))
    progress, image = RecordingProgress(), an_image(8, 8, 8)
    states = predict_on_grid(a_model(Exhausted(3)), image, ON_CPU, progress)
    torch.testing.assert_close(states, voxel_wise_probabilities(image), atol=1e-6, rtol=0)
    assert len(progress.warnings) == 3
    assert progress.warnings[-1].endswith("trying network on cpu, blending on cpu, batch size 1.")
    assert len(progress.stages) == 4


def test_other_errors_of_the_network_pass_through():
    with pytest.raises(RuntimeError, match="sizes do not match"):
        predict_on_grid(a_model(Exhausted(1, RuntimeError("sizes do not match"))), an_image(8, 8, 8), ON_CPU)


def test_outputs_that_are_not_numbers_are_a_models_fault():
    class Broken(VoxelWise):
        def forward(self, batch):
            return super().forward(batch) * float("nan")

    with pytest.raises(ModelError, match="not finite"):
        predict_on_grid(a_model(Broken()), an_image(8, 8, 8), ON_CPU)


def test_a_network_that_changes_the_size_is_refused():
    with pytest.raises(ModelError, match=r"\(8, 8, 8\) voxels into one of \(4, 4, 4\)"):
        predict_on_grid(a_model(nn.Conv3d(1, 3, 2, stride=2)), an_image(8, 8, 8), ON_CPU)


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0)])
def test_states_come_back_on_the_grid_of_an_oblique_anisotropic_scan(spacing):
    direction = Rotation.from_euler("xyz", [15, 5, 170], degrees=True).as_matrix()
    native = a_grid((11, 9, 5), (0.8, 0.9, 2.5), (4, 5, 6), direction)
    image = np.random.default_rng(0).normal(size=native.shape)
    states = predict_states(a_model(spacing=spacing), a_case(image, native), ON_CPU)
    assert states.shape == (3, *native.shape) and states.dtype == np.float32
    assert states.min() >= 0
    np.testing.assert_allclose(states.sum(axis=0), 1, atol=1e-6)
    if spacing is None:
        expected = voxel_wise_probabilities(torch.from_numpy(image[None]).float())
        np.testing.assert_allclose(states, expected.numpy(), atol=1e-6)


def test_segmentation_of_a_resampled_scan_lies_where_the_structure_is():
    native = a_grid((24, 20, 8), (1.0, 1.0, 3.0), (-5, 7, 9), np.diag([-1, 1, -1]))
    k, j, i = np.indices(native.shape)
    inside = ((i - 8) / 5) ** 2 + ((j - 12) / 4) ** 2 + ((k - 3) / 2) ** 2 < 1
    states = predict_states(a_model(spacing=(1.0, 1.0, 1.0)), a_case(20.0 * inside - 10, native), ON_CPU)
    found = states.argmax(axis=0) == 2
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.95


@pytest.mark.filterwarnings("ignore:CUDA is not available", "ignore:User provided device_type of 'cuda'")
def test_a_window_that_overflows_in_half_precision_is_repeated_in_full_precision():
    class OverflowsOnce(VoxelWise):
        def forward(self, batch):
            logits = super().forward(batch)
            return logits + float("inf") if len(self.shapes) == 1 else logits

    network, image = OverflowsOnce(), an_image(8, 8, 8)
    states = module._states(a_model(network), image[None], mixed=True)
    torch.testing.assert_close(states[0], voxel_wise_probabilities(image), atol=1e-6, rtol=0)
    assert len(network.shapes) == 2
    with pytest.raises(ModelError, match="not finite"):
        module._states(a_model(OverflowsOnce()), image[None], mixed=False)
