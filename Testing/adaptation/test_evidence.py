"""What a source's outputs tell about labelled cases."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from TransferRiskLib.adaptation.evidence import Evidence
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress

TARGETS = ("background", "front", "back")


def evidence(folder: Path, *cases: tuple[list[int], list[int]]) -> Evidence:
    """Of a source with two states that is sure of itself; a case is its states and its labels, voxel by
    voxel."""
    for n, (states, _) in enumerate(cases):
        sure = np.eye(2, dtype=np.float32)[states].T.reshape(2, 1, 1, -1)
        np.save(folder / f"states-{n}.npy", sure)
    prepared = [SimpleNamespace(labels=torch.tensor(labels).reshape(1, 1, -1)) for _, labels in cases]
    model = SimpleNamespace(states=("nothing", "organ"))
    return Evidence(model, prepared, TARGETS, folder, PredictionSettings(device="cpu"), Progress())  # type: ignore[arg-type]


def test_the_foreground_is_found_whatever_part_of_it_is_named(tmp_path):
    # P(y | organ) = 2/5 background, 2/5 front, 1/5 back: more likely foreground, though no part of it is
    # more likely than the background.
    found = evidence(tmp_path, ([0, 0, 1, 1, 1, 1, 1, 0], [0, 2, 1, 1, 2, 0, 0, -1]))
    # 5 voxels are taken for foreground, 4 are foreground, 3 are both; the unlabelled one does not count.
    assert found.foreground_dice([0]) == pytest.approx(2 * 3 / (5 + 4))


def test_a_rare_label_is_not_found_by_its_frequency_alone(tmp_path):
    found = evidence(tmp_path, ([0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1]))  # P(front | organ) = 1/3
    assert found.foreground_dice([0]) == 0.0


def test_cases_count_together(tmp_path):
    found = evidence(tmp_path, ([1, 1, 0, 0], [1, 1, 0, 0]), ([1, 0, 0, 0], [0, 0, 1, 1]))
    # P(front | organ) = 2/3: called foreground are 2 + 1 voxels, labelled 2 + 2, both are 2.
    assert found.foreground_dice([0, 1]) == pytest.approx(2 * 2 / (3 + 4))
    assert found.foreground_dice([0]) == 1.0


def test_no_foreground_at_all_is_none_found(tmp_path):
    assert evidence(tmp_path, ([0, 1], [0, 0])).foreground_dice([0]) == 0.0
