"""Draw the icon of the extension: a brain from above with a hot spot of risk in one hemisphere.

Run from anywhere: `python tools/draw_icon.py`.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

ICON = Path(__file__).resolve().parent.parent / "TransferRisk" / "Resources" / "Icons" / "TransferRisk.png"
SIZE = 128
FINER = 8
"""Drawn that many times larger, then averaged down: smooth edges on any background."""

TISSUE, FISSURE, OUTLINE = (0.87, 0.88, 0.90), (0.52, 0.56, 0.62), (0.32, 0.36, 0.42)


def brain(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed height over the outline of a brain seen from above: positive inside, shape of `x`."""
    angle, radius = np.arctan2(y, x / 0.82), np.hypot(x / 0.82, y)
    outline = 0.90 + 0.028 * np.cos(13 * angle) - 0.07 * np.exp(-((x / 0.07) ** 2))
    return outline - radius


def risk(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Relative risk, 0 to 1: a large spot on the right of the picture and a small one on the left."""
    spot = np.exp(-(((x - 0.34) / 0.30) ** 2 + ((y - 0.12) / 0.40) ** 2))
    small = 0.55 * np.exp(-(((x + 0.38) / 0.16) ** 2 + ((y + 0.36) / 0.18) ** 2))
    return spot + small


def picture() -> np.ndarray:
    """The icon as float RGBA, shape (SIZE, SIZE, 4)."""
    steps = (np.arange(SIZE * FINER) + 0.5) / (SIZE * FINER) * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    height, heat = brain(x, y), risk(x, y)
    image = np.zeros((*x.shape, 4))
    inside = height > 0
    image[inside] = (*TISSUE, 1.0)
    folds = (np.abs(np.sin(13 * np.hypot(np.abs(x) - 0.3, y * 0.9) + 2.2 * np.sin(4 * y))) < 0.16) & inside
    image[folds & (height > 0.14) & (np.abs(x) > 0.10)] = (0.76, 0.78, 0.82, 1.0)
    warm = inside & (heat > 0.16)
    bands = np.digitize(heat, (0.16, 0.34, 0.56, 0.78))
    image[warm] = plt.get_cmap("inferno")(np.array([0.0, 0.88, 0.72, 0.56, 0.40]))[bands][warm]
    image[inside & (np.abs(x) < 0.018) & (y > -0.80) & (y < 0.80)] = (*FISSURE, 1.0)
    image[(height > 0) & (height < 0.055)] = (*OUTLINE, 1.0)
    premultiplied = image * np.dstack([image[..., 3]] * 3 + [np.ones_like(x)])
    small = premultiplied.reshape(SIZE, FINER, SIZE, FINER, 4).mean(axis=(1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-6)
    return small.clip(0, 1)


def main() -> int:
    """Write the icon."""
    ICON.parent.mkdir(parents=True, exist_ok=True)
    plt.imsave(ICON, picture())
    print(ICON.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
