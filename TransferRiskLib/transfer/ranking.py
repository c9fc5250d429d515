"""Several source models on the same cases, best first."""

from __future__ import annotations

from collections.abc import Sequence

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.transfer.scores import TransferScore


def rank(scores: Sequence[TransferScore]) -> tuple[TransferScore, ...]:
    """Scores by normalised score, best first; ties by name.

    Args:
        scores: One of each model, all over the same voxels.

    Raises:
        SettingsError: none at all, one name twice, or scores over other voxels, which say nothing of
            one another.
    """
    if not scores:
        raise SettingsError("There are no models to rank.")
    names = [entry.model for entry in scores]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(f"Two models are called {twice!r}.", hint="Give each a name of its own.")
    for entry in scores[1:]:
        if dict(entry.counts) != dict(scores[0].counts):
            raise SettingsError(
                f"{entry.model!r} was scored on {dict(entry.counts)} voxels, {scores[0].model!r} on "
                f"{dict(scores[0].counts)}.",
                hint="Score all models on the same cases, labels and grid.",
            )
    return tuple(sorted(scores, key=lambda entry: (-entry.normalised, entry.model)))


def ranking_table(ranked: Sequence[TransferScore]) -> tuple[tuple[str, ...], list[tuple[str | float, ...]]]:
    """Header and rows of the table of ranked models, one column per class that has voxels.

    Returns:
        `("model", "normalised", "leep", class, ...)` and a row per model in the given order.
    """
    classes = tuple(ranked[0].per_class) if ranked else ()
    header = ("model", "normalised", "leep", *classes)
    rows: list[tuple[str | float, ...]] = [
        (entry.model, entry.normalised, entry.leep, *(entry.per_class[name] for name in classes))
        for entry in ranked
    ]
    return header, rows
