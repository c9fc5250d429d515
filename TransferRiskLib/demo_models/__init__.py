"""Two small source models, trained on simulated scans, for the demonstration and the tests."""

from __future__ import annotations

from pathlib import Path


def demo_models() -> dict[str, Path]:
    """Bundle folders by name: `tissue-t1w` (CSF, GM, WM in T1), `lesion-flair` (lesions in FLAIR)."""
    return {name: Path(__file__).parent / name for name in ("tissue-t1w", "lesion-flair")}
