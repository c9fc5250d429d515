"""Labels have names; numbers are an encoding detail of one file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from TransferRiskLib.errors import LabelError

BACKGROUND = "background"
UNLABELLED = -1
"""Class index of a voxel that nobody annotated; it counts nowhere."""


_SIDES = frozenset({"left", "right", "l", "r", "lh", "rh", "lt", "rt", "sinister", "dexter"})


@dataclass(frozen=True)
class Label:
    """One label of a scheme.

    Attributes:
        name: What people call it; matching between schemes goes by it, ignoring case.
        value: The number that stands for it in files of this scheme.
        colour: Red, green, blue in 0..1.
        terminology: Optional coded meaning, `"SCT:3092008 Hippocampus"`-like free form of the file.
    """

    name: str
    value: int
    colour: tuple[float, float, float] = (0.5, 0.5, 0.5)
    terminology: str | None = None


@dataclass(frozen=True)
class LabelScheme:
    """All labels that voxels of a label map can have, background first.

    A label's position in `labels` is its *class index*: what tensors hold. Class 0 is always the
    background.

    Raises:
        LabelError: no labels, two with one name or one value, or a first one that is not the
            background.
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if not self.labels or self.labels[0].name.casefold() != BACKGROUND:
            raise LabelError(
                "The first label of a scheme must be the background.",
                hint=f"Add a label named {BACKGROUND!r}, usually with value 0.",
            )
        for attribute in ("name", "value"):
            seen: set[str] = set()
            for label in self.labels:
                key = str(getattr(label, attribute)).casefold()
                if key in seen:
                    raise LabelError(f"Two labels share the {attribute} {getattr(label, attribute)!r}.")
                seen.add(key)

    @classmethod
    def of(cls, *names: str) -> LabelScheme:
        """Background and the given foreground names, valued 0, 1, 2, ... with distinct colours."""
        colours = [(0.0, 0.0, 0.0), *(distinct_colour(n) for n in range(len(names)))]
        return cls(tuple(Label(n, v, colours[v]) for v, n in enumerate((BACKGROUND, *names))))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, background first."""
        return tuple(label.name for label in self.labels)

    @property
    def lateralised(self) -> bool:
        """Whether any name tells left from right (`hippocampus_L`, `Left lung`, `rh-cortex`)."""
        words = {word for name in self.names for word in re.split(r"[^a-z]+", name.casefold())}
        return not words.isdisjoint(_SIDES)

    @property
    def foreground(self) -> tuple[Label, ...]:
        """The labels other than the background."""
        return self.labels[1:]

    def index(self, name: str) -> int:
        """The class index of a name, ignoring case; raises LabelError when there is none."""
        for index, known in enumerate(self.names):
            if known.casefold() == name.casefold():
                return index
        raise LabelError(f"There is no label {name!r}.", hint=f"The labels are: {', '.join(self.names)}.")

    def encode(self, values: np.ndarray, unlabelled_value: int | None = None) -> np.ndarray:
        """Class indices (int16) of the values of a label map, same shape.

        Args:
            values: Values as the file holds them.
            unlabelled_value: The value that marks voxels nobody annotated; they get `UNLABELLED`.

        Raises:
            LabelError: a value that the scheme does not know.
        """
        present, inverse = _values_and_places(values)
        known = {float(label.value): index for index, label in enumerate(self.labels)}
        if unlabelled_value is not None:
            known[float(unlabelled_value)] = UNLABELLED
        strangers = [value for value in present.tolist() if float(value) not in known]
        if strangers:
            shown = ", ".join(f"{value:g}" for value in strangers[:5]) + (
                ", ..." if len(strangers) > 5 else ""
            )
            raise LabelError(
                f"The label map holds values that no label has: {shown}.",
                hint=f"Known: {', '.join(f'{label.name}={label.value}' for label in self.labels)}. "
                "Give a label file that names them, or the value that marks unlabelled voxels.",
            )
        table = np.array([known[float(value)] for value in present.tolist()], dtype=np.int16)
        return table[inverse].reshape(values.shape)

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """File values of class indices (smallest integer type that holds them); UNLABELLED is refused."""
        if indices.size and int(indices.min()) < 0:
            raise LabelError("Unlabelled voxels have no value in a label map.")
        table = np.array([label.value for label in self.labels])
        return table.astype(np.result_type(*(np.min_scalar_type(v) for v in table.tolist())))[indices]


@dataclass(frozen=True)
class LabelMapping:
    """An explicit mapping from the labels of one scheme to those of another.

    Attributes:
        source: The scheme of the given class indices.
        target: The scheme of the resulting class indices.
        names: Source name to target name, or to None for "unlabelled". The background maps to the
            background unless it is named; every other source label must be named.
    """

    source: LabelScheme
    target: LabelScheme
    names: Mapping[str, str | None]

    @property
    def table(self) -> np.ndarray:
        """Target class index of every source class index, int16, shape (len(source),)."""
        given = {name.casefold(): target for name, target in self.names.items()}
        for name in self.names:
            self.source.index(name)
        rows = []
        for index, name in enumerate(self.source.names):
            if name.casefold() not in given and index > 0:
                raise LabelError(
                    f"The mapping says nothing of the label {name!r}.",
                    hint="Map it to a label of the target, or to nothing (null) for unlabelled.",
                )
            target = given.get(name.casefold(), BACKGROUND if index == 0 else None)
            rows.append(UNLABELLED if target is None else self.target.index(target))
        return np.array(rows, dtype=np.int16)

    def apply(self, indices: np.ndarray) -> np.ndarray:
        """Target class indices of source class indices; unlabelled voxels stay unlabelled."""
        extended = np.append(self.table, np.int16(UNLABELLED))
        return extended[indices]


def _values_and_places(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`np.unique` with inverse, without its sorting where integers span a small range."""
    if values.dtype.kind in "iu" and values.size:
        low, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if span <= 1 << 16:
            shifted = values.astype(np.int64) - low
            present = np.flatnonzero(np.bincount(shifted.ravel(), minlength=span))
            places = np.zeros(span, dtype=np.intp)
            places[present] = np.arange(len(present))
            return present + low, places[shifted]
    return np.unique(values, return_inverse=True)


def distinct_colour(number: int) -> tuple[float, float, float]:
    """The `number`-th colour of a palette that stays distinguishable for colour-blind readers."""
    palette = (
        (0.902, 0.624, 0.000),
        (0.337, 0.706, 0.914),
        (0.000, 0.620, 0.451),
        (0.941, 0.894, 0.259),
        (0.000, 0.447, 0.698),
        (0.835, 0.369, 0.000),
        (0.800, 0.475, 0.655),
        (0.600, 0.600, 0.600),
    )  # Okabe and Ito, "Color Universal Design", 2008; black is kept for the background
    return palette[number % len(palette)]
