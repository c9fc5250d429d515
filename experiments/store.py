"""Loaded cases, prepared cases and predictions, each made once a process as far as memory goes."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from experiments.config import Merge
from experiments.contrast import remapped
from experiments.study_cohort import StudyCohort
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.labels import BACKGROUND, LabelScheme
from TransferRiskLib.cases.load import LoadedCase, load_case, target_scheme
from TransferRiskLib.errors import GeometryError, LabelError
from TransferRiskLib.inference.prepare import Prepared
from TransferRiskLib.volumes.io import read_volume

T = TypeVar("T")


class Store(Generic[T]):
    """Keeps what was made last, up to a number of bytes.

    Args:
        capacity: In bytes; a single larger thing is kept until the next.
        size: Bytes of a thing.
    """

    def __init__(self, capacity: int, size: Callable[[T], int]) -> None:
        self.capacity, self.size = capacity, size
        self._things: OrderedDict[Hashable, T] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing of that key, made where it is not there."""
        if key in self._things:
            self._things.move_to_end(key)
            return self._things[key]
        thing = make()
        self._things[key] = thing
        self._bytes += self.size(thing)
        while self._bytes > self.capacity and len(self._things) > 1:
            self._bytes -= self.size(self._things.popitem(last=False)[1])
        return thing


def combined_merge(cohort: StudyCohort, merge: Merge | None) -> dict[str, str | None] | None:
    """A cohort's own merge and an experiment's after it, from the labels as they are in files.

    Where the library takes null for "unlabelled", an experiment drops such labels to the background.

    Raises:
        LabelError: the experiment leaves out a label.
    """
    assert cohort.cohort.scheme is not None, "cohorts of experiments are labelled"
    own = cohort.merge or {label.name: label.name for label in cohort.cohort.scheme.foreground}
    if merge is None:
        return None if cohort.merge is None else dict(own)
    strangers = sorted(set(merge) - {str(name) for name in own.values()})
    if strangers:
        raise LabelError(
            f"{cohort.cohort.name} has no label {strangers[0]!r} to merge.",
            hint=f"Its labels: {', '.join(dict.fromkeys(map(str, own.values())))}.",
        )
    missing = [name for name in own.values() if name not in merge]
    if missing:
        raise LabelError(f"The merge says nothing of the label {missing[0]!r} of {cohort.cohort.name}.")
    return {name: merge[str(new)] or BACKGROUND for name, new in own.items()}


def scheme_of(cohort: StudyCohort, merge: Merge | None) -> LabelScheme:
    """The labels of a cohort after merging."""
    assert cohort.cohort.scheme is not None, "cohorts of experiments are labelled"
    return target_scheme(cohort.cohort.scheme, combined_merge(cohort, merge))


def load(
    cohort: StudyCohort,
    case: Case,
    names: tuple[str, ...],
    channels: tuple[str, ...],
    merge: Merge | None,
    contrast: str = "none",
) -> LoadedCase:
    """A case as a source sees it.

    Args:
        cohort: Where it comes from.
        case: The case.
        names: Channel names of the source.
        channels: The case's channels that take their places.
        merge: Of its labels.
        contrast: `remap` for the simulated second contrast.
    """
    loaded = load_case(
        case,
        names,
        scheme=cohort.cohort.scheme,
        channel_map=dict(zip(names, channels, strict=True)),
        merge=combined_merge(cohort, merge),
        require_foreground=False,  # a tumour region may be absent; metrics and sampling know
    )
    images = loaded.images
    if case.name in cohort.masks:
        mask = read_volume(cohort.masks[case.name])
        difference = mask.geometry.difference(loaded.geometry)
        if difference is not None:
            raise GeometryError(f"is no mask of the case ({difference}).", file=cohort.masks[case.name])
        images = images * (mask.array != 0).astype(np.float32)
    if contrast == "remap":
        images = remapped(images)
    return dataclasses.replace(loaded, images=images)


def loaded_bytes(loaded: LoadedCase) -> int:
    """Of images and labels."""
    return loaded.images.nbytes + (0 if loaded.labels is None else loaded.labels.nbytes)


def prepared_bytes(prepared: Prepared) -> int:
    """Of images and labels."""
    labels = 0 if prepared.labels is None else prepared.labels.nbytes
    return prepared.image.nbytes + labels
