"""A scanner that images a procedural head: sequence, sampling, coil bias, noise, skull stripping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import ndimage

from TransferRiskLib.cases.simulation_anatomy import ENHANCING, OUTSIDE, Head, Population, smooth_noise
from TransferRiskLib.volumes.geometry import Geometry

# T1 (ms), T2 (ms) and proton density at 1.5 T. Rows: residual dura, CSF, grey, white, lesion, necrosis,
# enhancing tumour. Order of magnitude of J. Vymazal et al., Radiology 211, 1999, and G. J. Stanisz et al.,
# MRM 54, 2005; necrosis is put between lesion and fluid, solid tumour between lesion and grey matter.
_RELAXATION = np.array(
    [
        [700.0, 60.0, 0.45],
        [4000.0, 2000.0, 1.00],
        [980.0, 99.0, 0.85],
        [650.0, 74.0, 0.70],
        [1250.0, 160.0, 0.88],
        [2800.0, 700.0, 0.97],
        [1150.0, 115.0, 0.87],
    ]
)

_AGENT_RATE = 2.2
"""What a gadolinium agent adds to 1/T1 where the barrier leaks, per s: 4.4 per s and mM, at 0.5 mM."""


@dataclass(frozen=True)
class Sequence:
    """A pulse sequence, with the times in ms and the flip angle in degrees.

    Attributes:
        kind: `inversion` (inversion recovery: MPRAGE-like, FLAIR), `spin` (spin echo) or `spoiled`
            (spoiled gradient echo).
        tr: Repetition time.
        te: Echo time.
        ti: Inversion time.
        flip: Flip angle of the spoiled gradient echo.
        agent: Whether it is run after a contrast agent, which shortens T1 in enhancing tissue alone.
    """

    kind: Literal["inversion", "spin", "spoiled"]
    tr: float
    te: float
    ti: float = 0.0
    flip: float = 90.0
    agent: bool = False

    def signal(self, t1: np.ndarray, t2: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Magnitude of the steady-state signal; see M. A. Bernstein et al., *Handbook of MRI Pulse
        Sequences*, 2004, chapters 14 and 16."""
        recovery = np.exp(-self.tr / t1)
        if self.kind == "spoiled":
            angle = np.deg2rad(self.flip)
            longitudinal = np.sin(angle) * (1 - recovery) / (1 - np.cos(angle) * recovery)
        elif self.kind == "inversion":
            longitudinal = 1 - 2 * np.exp(-self.ti / t1) + recovery
        else:
            longitudinal = 1 - recovery
        return np.abs(density * longitudinal * np.exp(-self.te / t2))


@dataclass(frozen=True)
class Site:
    """A hospital: its scanner, its protocol and its patients.

    Attributes:
        name: For case names and reports.
        sequences: Contrast name to pulse sequence.
        spacing: Voxel spacing along i, j, k, in mm.
        size: Voxels along i, j, k.
        orientation: Patient directions towards which i, j, k increase: L or R, then P or A, then S or I.
        obliqueness: Largest rotation of the slices against the head, in degrees, about each axis.
        blur: Full width at half maximum of the point spread, in voxels.
        noise: Deviation of the noise in each of the two receiver channels, relative to the brain's mean.
        bias: Deviation of the logarithm of the coil's sensitivity over the brain.
        drift: Deviation of the tissues' relaxation times between subjects, relative.
        gain: Mean intensity of the brain in the files.
        population: Who is scanned here.
    """

    name: str
    sequences: Mapping[str, Sequence]
    spacing: tuple[float, float, float] = (2.2, 2.2, 2.8)
    size: tuple[int, int, int] = (64, 72, 48)
    orientation: str = "LPS"
    obliqueness: float = 4.0
    blur: float = 1.0
    noise: float = 0.03
    bias: float = 0.08
    drift: float = 0.03
    gain: float = 400.0
    population: Population = field(default_factory=Population)


def scan_geometry(rng: np.random.Generator, site: Site) -> Geometry:
    """The grid of one examination: the head in its middle, slightly oblique and off centre."""
    axes = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    base = np.array([axes[letter] for letter in site.orientation], dtype=float).T
    direction = _rotation(np.deg2rad(rng.uniform(-site.obliqueness, site.obliqueness, 3))) @ base
    half = (np.array(site.size) - 1) / 2 * np.array(site.spacing)
    origin = rng.uniform(-2, 2, 3) - direction @ half
    return Geometry(
        site.size,
        site.spacing,
        (float(origin[0]), float(origin[1]), float(origin[2])),
        tuple(direction.ravel().tolist()),
    )


def _rotation(angles: np.ndarray) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def sample_fractions(head: Head, geometry: Geometry, blur: float) -> np.ndarray:
    """Share of every tissue in every voxel of a scan.

    Args:
        head: The subject.
        geometry: The scan's grid.
        blur: Full width at half maximum of the point spread, in voxels of the scan.

    Returns:
        float32, shape (tissues, k, j, i), sums to 1.
    """
    matrix = geometry.index_to_ras
    to_head = matrix[:3, :3] / head.spacing
    offset = (matrix[:3, 3] - np.array(head.origin)) / head.spacing
    # scipy indexes (z, y, x) against (k, j, i): both orders reversed.
    to_head, offset = to_head[::-1, ::-1], offset[::-1]
    sigma = blur / 2.355 * np.array(geometry.spacing[::-1]) / head.spacing
    maps = []
    for tissue in range(head.kinds):
        share = ndimage.gaussian_filter((head.tissues == tissue).astype(np.float32), sigma)
        outside = 1.0 if tissue == OUTSIDE else 0.0
        maps.append(ndimage.affine_transform(share, to_head, offset, geometry.shape, order=1, cval=outside))
    fractions = np.stack(maps)
    return fractions / fractions.sum(axis=0)


def strip_mask(rng: np.random.Generator, fractions: np.ndarray) -> np.ndarray:
    """What a skull-stripping tool leaves of the head: the brain in one piece, its margin uneven."""
    uneven = 0.5 + 0.18 * smooth_noise(rng, fractions.shape[1:], 7.0)
    pieces, count = ndimage.label(fractions[OUTSIDE] < uneven.clip(0.15, 0.9))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    return pieces == 1 + sizes[1:].argmax()


def acquire(
    rng: np.random.Generator, fractions: np.ndarray, stripped: np.ndarray, site: Site, contrast: str
) -> np.ndarray:
    """One image of a contrast.

    Args:
        rng: Source of randomness.
        fractions: Tissue shares, shape (tissues, k, j, i).
        stripped: bool, shape (k, j, i); outside of it the image is 0.
        site: The scanner.
        contrast: A key of `site.sequences`.

    Returns:
        float32, shape (k, j, i).
    """
    shape = fractions.shape[1:]
    sequence = site.sequences[contrast]
    relaxation = _RELAXATION[: len(fractions)]
    relaxation = relaxation * (1 + site.drift * rng.standard_normal(relaxation.shape))
    if sequence.agent and len(fractions) > ENHANCING:
        relaxation[ENHANCING, 0] = 1 / (1 / relaxation[ENHANCING, 0] + _AGENT_RATE / 1000)
    image = np.zeros(shape, dtype=np.float32)
    for share, row in zip(fractions, relaxation, strict=True):
        texture = 1 + 0.035 * smooth_noise(rng, shape, 3.0)
        image += share * sequence.signal(row[0] * texture, row[1] * texture, row[2])
    image /= image[stripped].mean()
    sensitivity = np.exp(site.bias * smooth_noise(rng, shape, 30.0))
    image *= sensitivity
    real = image + site.noise * rng.standard_normal(shape)
    imaginary = site.noise * rng.standard_normal(shape)
    magnitude = np.hypot(real, imaginary) * site.gain * np.exp(0.1 * rng.standard_normal())
    return np.where(stripped, magnitude, 0.0).astype(np.float32)
