from __future__ import annotations

from TransferRiskLib.inference.memory import prediction_memory

SIZE = dict(native=(10, 20, 30), grid=(20, 20, 30), channels=2, states=4, patch=(8, 8, 8))
SCAN, MODEL, WINDOW = 6000, 12000, 512


def test_everything_on_the_cpu_by_hand():
    memory = prediction_memory(**SIZE, batch_size=1, activations=10, weights=100)
    images = 2 * (SCAN + MODEL)
    back = 4 * (MODEL + SCAN) + 3 * MODEL
    assert (memory.host, memory.device) == (4 * (images + back) + 100, 0)


def test_large_windows_outweigh_the_way_back():
    memory = prediction_memory(**SIZE, batch_size=16, activations=100)
    working = 16 * WINDOW * (2 + 100 + 4) + 5 * MODEL
    assert memory.host == 4 * (2 * (SCAN + MODEL) + working)


def test_every_step_of_the_ladder_takes_load_off_the_gpu():
    def on_gpu(batch, network=True, blending=True):
        return prediction_memory(
            **SIZE, batch_size=batch, activations=10, weights=100,
            network_on_gpu=network, blending_on_gpu=blending,
        ).device  # fmt: skip

    assert on_gpu(2) == 4 * (2 * WINDOW * 16 + 5 * MODEL) + 100
    assert on_gpu(1) == 4 * (WINDOW * 16 + 5 * MODEL) + 100
    assert on_gpu(1, blending=False) == 4 * WINDOW * 16 + 100
    assert on_gpu(1, network=False, blending=False) == 0


def test_an_image_smaller_than_the_patch_is_blended_at_the_size_of_the_patch():
    small = prediction_memory(
        native=(4, 4, 4), grid=(4, 4, 4), channels=1, states=2, patch=(8, 8, 8), batch_size=1,
        activations=0, network_on_gpu=True, blending_on_gpu=True,
    )  # fmt: skip
    assert small.device == 4 * WINDOW * ((1 + 2) + 3)
