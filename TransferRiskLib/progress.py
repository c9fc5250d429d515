"""How long work reports to whoever asked for it, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from TransferRiskLib.errors import Cancelled


class Progress:
    """A silent progress; front ends override what they want to show.

    A task calls `stage` when a new part of the work begins, `step` as it advances, `metrics` for
    numbers worth a curve, `message` for a line of log and `artifact` for a finished file. It calls
    `check` often (at least twice a second), which raises `Cancelled` once somebody asked to stop.

    Args:
        is_cancelled: Asked by `check`; true stops the work.

    Example:
        >>> progress = Progress()
        >>> progress.stage("Training", total=2)
        >>> for _ in range(2):
        ...     progress.check()
        ...     progress.step()
    """

    def __init__(self, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self._is_cancelled = is_cancelled

    def stage(self, name: str, total: int | None = None) -> None:
        """A new part of the work begins; `total` is its number of steps, when known."""

    def step(self, advance: int = 1, message: str = "") -> None:
        """The current stage advanced."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers at a training step (`loss`, `validation_dice`, ...)."""

    def message(self, text: str, level: str = "info") -> None:
        """A line for the log; `level` is info, warning or error."""

    def artifact(self, path: Path, kind: str) -> None:
        """A file that is complete and may be shown."""

    def check(self) -> None:
        """Raise `Cancelled` when somebody asked to stop."""
        if self._is_cancelled():
            raise Cancelled("The work was cancelled.", hint="Run it again to resume.")
