"""Whether the disk has room for what a task writes, asked before long work starts."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib.errors import StorageError, TransferRiskError
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.tasks.requests import MapRequest
from TransferRiskLib.tasks.target import Target
from TransferRiskLib.volumes.io import read_header

FLOAT = 4
COMPRESSED = 1
"""Bytes a voxel of a compressed float volume; most take more."""
TRAINING = 3
"""Weights and the two moments of AdamW in a checkpoint, in sizes of the weights."""


def demand_space(folder: Path, needed: int) -> None:
    """Refuse a folder on a disk that has less than `needed` bytes free.

    Raises:
        StorageError: it has.
    """
    folder = Path(folder).absolute()
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    try:
        free = math.inf if there is None else shutil.disk_usage(there).free
    except OSError:  # a disk that does not tell; writing will
        free = math.inf
    if free < needed:
        raise StorageError(
            f"is on a disk with {_in_words(free)} free, and about {_in_words(needed)} are needed.",
            file=folder,
            hint="Free some space or choose another output folder.",
        )


def space_for_states(target: Target, model: SourceModel) -> int:
    """Bytes of the model's states on all cases' own grids, as `StoredStates` keeps them."""
    return sum(_voxels(target)) * len(model.states) * FLOAT


def space_for_maps(target: Target, request: MapRequest) -> int:
    """Bytes of the maps of all cases; float volumes, but for the labels of the EEP."""
    return sum(_voxels(target)) * len(request.maps) * (COMPRESSED if request.compress else FLOAT)


def space_for_training(cases: Sequence[Prepared], model: SourceModel, asks_source: bool) -> int:
    """Bytes of a checkpoint, and of the source's states on the model's grid where it is asked."""
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    voxels = sum(math.prod(case.image.shape[1:]) for case in cases)
    return TRAINING * weights + (voxels * len(model.states) * FLOAT if asks_source else 0)


def space_for_segmentations(target: Target, volumes: int, compress: bool) -> int:
    """Bytes of some float volumes of every scan; scans that cannot be read take none."""
    return sum(_voxels(target)) * volumes * (COMPRESSED if compress else FLOAT)


def _voxels(target: Target) -> list[int]:
    found = []
    for case in target.cases:
        try:
            found.append(math.prod(read_header(next(iter(case.images.values())).path).geometry.size))
        except (TransferRiskError, StopIteration):
            continue  # refused or reported by whoever reads it
    return found


def _in_words(size: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
