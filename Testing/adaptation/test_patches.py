"""Where patches come from and what augmentation does to them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from TransferRiskLib.adaptation.augmentation import Augmentation, mirrored_axes
from TransferRiskLib.adaptation.sampling import Batch, PatchSampler, TrainingCase
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError


def case_with(labels: torch.Tensor, risk: torch.Tensor | None = None) -> TrainingCase:
    x = torch.arange(labels.numel(), dtype=torch.float32).reshape(labels.shape)
    return TrainingCase("case", x[None], labels, (labels >= 0).float(), risk)


def centre_labels(sampler: PatchSampler, draws: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([sampler.draw(random, 10).labels.flatten().numpy() for _ in range(draws // 10)])


def test_balanced_patches_show_a_rare_class_as_often_as_a_common_one():
    labels = torch.zeros(10, 10, 10, dtype=torch.int64)
    labels[3, 3, 3] = 1
    labels[0] = -1
    drawn = centre_labels(PatchSampler([case_with(labels)], (1, 1, 1), "balanced"), 1000)
    assert 0.4 < (drawn == 1).mean() < 0.6
    assert (drawn >= 0).all(), "nobody centres a patch on an unlabelled voxel"
    uniform = centre_labels(PatchSampler([case_with(labels)], (1, 1, 1), "uniform"), 1000)
    assert (uniform == 1).mean() < 0.02


def test_patches_by_risk_follow_the_risk():
    labels = torch.zeros(1, 1, 4, dtype=torch.int64)
    labels[..., 3] = -1
    risk = torch.tensor([1.0, 3.0, 0.0, float("nan")]).reshape(1, 1, 4)
    sampler = PatchSampler([case_with(labels, risk)], (1, 1, 1), "risk")
    random = np.random.default_rng(1)
    drawn = np.concatenate([sampler.draw(random, 50).image.flatten().numpy() for _ in range(40)])
    assert set(drawn) == {0.0, 1.0}
    assert (drawn == 1).mean() == pytest.approx(0.75, abs=0.04)


def test_a_case_smaller_than_the_patch_is_padded_with_unlabelled_voxels():
    labels = torch.ones(2, 3, 2, dtype=torch.int64)
    batch = PatchSampler([case_with(labels)], (4, 3, 5), "uniform").draw(np.random.default_rng(0), 1)
    assert batch.image.shape == (1, 1, 4, 3, 5)
    assert (batch.labels == 1).sum() == 12 and (batch.labels == -1).sum() == 60 - 12
    assert batch.weights[batch.labels < 0].abs().max() == 0


def test_the_ratio_of_a_patch_is_that_of_its_whole_case():
    labels = torch.zeros(4, 4, 4, dtype=torch.int64)
    labels[0, 0, :2] = 1
    labels[3] = -1
    batch = PatchSampler([case_with(labels)], (2, 2, 2), "uniform").draw(np.random.default_rng(0), 2)
    assert batch.ratio.tolist() == [48 / 2] * 2


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 12, 12, 12, generator=generator)
    labels = torch.zeros(2, 12, 12, 12, dtype=torch.int64)
    labels[:, 4:8, 4:8, 4:8] = 2
    labels[:, :, :, 0] = -1
    return Batch(image, labels, (labels >= 0).float(), torch.ones(2))


EVERYTHING = AugmentationSettings(
    elastic=1.0, mirror_axes=(0,), remap=True, spatial_probability=1.0, intensity_probability=1.0
)


def test_augmentation_repeats_with_its_seed_and_keeps_labels_labels():
    augment = Augmentation(EVERYTHING)
    one, again, other = augment(a_batch(), 5), augment(a_batch(), 5), augment(a_batch(), 6)
    assert torch.equal(one.image, again.image) and torch.equal(one.labels, again.labels)
    assert not torch.equal(one.image, other.image)
    assert set(one.labels.unique().tolist()) <= {-1, 0, 2}
    assert torch.isfinite(one.image).all() and one.image.shape == a_batch().image.shape


def test_no_augmentation_changes_nothing():
    batch = a_batch()
    assert Augmentation(AugmentationSettings.off())(batch, 0) is batch


def test_mirroring_moves_image_labels_and_weights_together():
    augment = Augmentation(dataclasses.replace(AugmentationSettings.off(), mirror_axes=(2,)))
    batch = a_batch()
    seen = set()
    for seed in range(8):
        changed = augment(batch, seed)
        flipped = torch.equal(changed.image[0], batch.image[0].flip(3))
        assert flipped or torch.equal(changed.image[0], batch.image[0])
        expected = batch.labels[0].flip(2) if flipped else batch.labels[0]
        assert torch.equal(changed.labels[0], expected)
        seen.add(flipped)
    assert seen == {True, False}


def test_the_anchor_moves_with_the_image():
    augment = Augmentation(dataclasses.replace(AugmentationSettings.off(), mirror_axes=(0,)))
    batch = a_batch()
    batch = dataclasses.replace(batch, anchor=batch.image.repeat(1, 2, 1, 1, 1))
    changed = augment(batch, 1)
    assert changed.anchor is not None
    assert torch.equal(changed.anchor, changed.image.repeat(1, 2, 1, 1, 1))
    assert any(not torch.equal(augment(batch, seed).image, batch.image) for seed in range(4))


def test_voxels_from_outside_a_rotated_patch_are_unlabelled():
    settings = dataclasses.replace(AugmentationSettings.off(), rotation=45.0, spatial_probability=1.0)
    changed = Augmentation(settings)(a_batch(), 3)
    assert (changed.labels < 0).sum() > (a_batch().labels < 0).sum()


def test_presets_are_what_they_say_and_unknown_ones_are_refused():
    paper = preset_settings("paper")
    assert (paper.weights, paper.loss, paper.normalisation, paper.optimizer) == (
        "paper",
        "ce",
        "foreground",
        "sgd",
    )
    recommended = preset_settings()
    assert recommended.preset == "recommended" and recommended.eep_weight is None and recommended.audit
    assert preset_settings("plain", steps=7).steps == 7
    with pytest.raises(SettingsError, match="no preset"):
        preset_settings("best")
    with pytest.raises(SettingsError, match="no adaptation setting"):
        preset_settings("plain", speed=2)
    with pytest.raises(SettingsError, match="EEP weight"):
        AdaptationSettings(eep_weight=1.5)


@pytest.mark.parametrize(
    ("names", "orientation", "axes"),
    [
        (("hippocampus",), "RAS", (0,)),
        (("hippocampus",), "SPL", (2,)),
        (("lobar region", "cyst"), "LPS", (0,)),  # "l" and "r" only as words of their own
        (("Left lung", "Right lung"), "RAS", ()),
        (("hippocampus_L",), "RAS", ()),
        (("ctx-rh-insula",), "RAS", ()),
        (("hippocampus",), None, ()),  # of a scan's own axes none is known to be left to right
    ],
)
def test_left_and_right_are_mirrored_unless_labels_tell_them_apart(names, orientation, axes):
    assert mirrored_axes(AugmentationSettings(), orientation, LabelScheme.of(*names)) == axes
    given = AugmentationSettings(mirror_axes=(1,))
    assert mirrored_axes(given, orientation, LabelScheme.of(*names)) == (1,)
