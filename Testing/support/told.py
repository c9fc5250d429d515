"""A progress that remembers."""

from __future__ import annotations

from TransferRiskLib.progress import Progress


class Told(Progress):
    """Keeps the warnings; asks to stop after so many steps."""

    def __init__(self, steps: int | None = None) -> None:
        self.steps = 0
        super().__init__(lambda: steps is not None and self.steps >= steps)
        self.warnings: list[str] = []

    def step(self, advance: int = 1, message: str = "") -> None:
        self.steps += advance

    def message(self, text: str, level: str = "info") -> None:
        if level == "warning":
            self.warnings.append(text)
