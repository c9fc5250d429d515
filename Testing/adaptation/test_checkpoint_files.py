"""Checkpoints on a disk that is full: a typed error, and the earlier checkpoint stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from TransferRiskLib.adaptation.checkpoints import load_state, save_state
from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.errors import StorageError


def test_a_checkpoint_that_does_not_fit_leaves_the_earlier_one(tmp_path, monkeypatch):
    save_state(tmp_path / "checkpoint.pt", {"step": 1})

    def full(state, file):
        file.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match=r"checkpoint\.pt: cannot be written to the end.*disk has space"):
        save_state(tmp_path / "checkpoint.pt", {"step": 2})
    assert load_state(tmp_path / "checkpoint.pt") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_an_array_written_in_part_tells_of_the_full_disk(tmp_path):
    # NumPy raises an OSError without a number when the system takes fewer bytes than it was given
    with (
        pytest.raises(StorageError, match="The disk is full"),
        atomic_path(tmp_path / "a.npy"),
    ):
        raise OSError(f"{np.int64(100)} requested and 12 written")
    assert not any(tmp_path.iterdir())
