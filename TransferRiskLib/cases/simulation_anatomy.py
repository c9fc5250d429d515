"""A procedural head: hemispheres with folded cortex, ventricles, deep nuclei, cerebellum, lesions.

Everything is drawn in a head frame: RAS millimetres around the middle of the cerebrum, on an isotropic
grid that is finer than the scans made of it, so that partial volumes arise when a scanner samples it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

HEAD_SPACING = 1.6
"""Spacing of the head's grid, in mm."""

HEAD_SIZE = (94, 112, 80)
"""Voxels of the head's grid along x (right), y (anterior), z (superior)."""

OUTSIDE, CSF, GREY, WHITE, LESION, NECROSIS, ENHANCING = range(7)
"""Tissues of a head, in the order of the simulated label schemes; the last two only in nested lesions."""


@dataclass(frozen=True)
class Population:
    """Who is scanned.

    Attributes:
        lesions: Fewest and most lesions of a subject.
        atrophy: Range of the atrophy, 0 (young, tight sulci) to 1 (wide ventricles and sulci).
        tumours: Share of the lesions that are tumour-like (large, with an irregular border).
        growth: What the radii of lesions are multiplied by.
        nested: Whether lesions have a necrotic core in an enhancing rim, see `nest_lesions`.
    """

    lesions: tuple[int, int] = (0, 3)
    atrophy: tuple[float, float] = (0.0, 1.0)
    tumours: float = 0.35
    growth: float = 1.0
    nested: bool = False


@dataclass(frozen=True, eq=False)
class Head:
    """A subject's tissues.

    Attributes:
        tissues: int8, shape (z, y, x), below `kinds`.
        spacing: Of the isotropic grid, in mm.
        origin: RAS position of voxel (0, 0, 0), in mm, as (x, y, z).
        kinds: Number of tissues that the subject's population can have, OUTSIDE included.
    """

    tissues: np.ndarray
    spacing: float
    origin: tuple[float, float, float]
    kinds: int = LESION + 1


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Smooth random field of mean 0 and deviation 1, float32.

    Args:
        rng: Source of randomness.
        shape: Of the field.
        scale: Correlation length, in voxels: white noise on a lattice this wide, splined in between.
    """
    lattice = rng.standard_normal([int(np.ceil(n / scale)) + 3 for n in shape]).astype(np.float32)
    # A margin of one lattice cell keeps the spline's mirrored boundary out of the field.
    axes = [1 + np.arange(n, dtype=np.float32) / np.float32(scale) for n in shape]
    for axis, positions in enumerate(axes):
        lattice = _spline_along(lattice, axis, positions)
    return (lattice - lattice.mean()) / lattice.std()


def _spline_along(values: np.ndarray, axis: int, positions: np.ndarray) -> np.ndarray:
    """Catmull-Rom interpolation along one axis: separable, so far cheaper than a 3-D spline."""
    base = np.floor(positions).astype(int)
    t = positions - base
    weights = (
        (-(t**3) + 2 * t**2 - t) / 2,
        (3 * t**3 - 5 * t**2 + 2) / 2,
        (-3 * t**3 + 4 * t**2 + t) / 2,
        (t**3 - t**2) / 2,
    )
    moved = np.moveaxis(values, axis, -1)
    total = sum(
        moved[..., np.clip(base + n - 1, 0, moved.shape[-1] - 1)] * weight for n, weight in enumerate(weights)
    )
    return np.moveaxis(total.astype(np.float32), -1, axis)


def grow_head(rng: np.random.Generator, population: Population) -> Head:
    """A random subject of a population."""
    shape = HEAD_SIZE[::-1]
    left, back, low = (-HEAD_SPACING * (n - 1) / 2 for n in HEAD_SIZE)
    z, y, x = np.meshgrid(
        *(
            np.float32(o) + np.float32(HEAD_SPACING) * np.arange(n, dtype=np.float32)
            for o, n in zip((low, back, left), shape, strict=True)
        ),
        indexing="ij",
    )
    atrophy = rng.uniform(*population.atrophy)
    scale = rng.normal(1.0, 0.03, 3).clip(0.93, 1.06)
    warps = [2.2 * smooth_noise(rng, shape, 40 / HEAD_SPACING) for _ in range(3)]
    place = tuple(p / s + w for p, s, w in zip((x, y, z), scale, warps, strict=True))

    cerebrum, cerebellum, stem = _parts(place)
    hull = cerebrum | cerebellum | stem
    open_space = ~hull | (cerebrum & ~stem & _fissures(rng, place))
    open_space |= _sulci(rng, (x, y, z), _distance(~open_space), atrophy) & cerebrum & ~stem
    open_space |= _folia(rng, place, _distance(cerebellum)) & cerebellum & ~stem

    thickness = 3.3 - 0.5 * atrophy + 0.5 * smooth_noise(rng, shape, 8 / HEAD_SPACING)
    thickness = np.where(cerebellum & ~cerebrum, thickness + 2.0, thickness)
    cortex = _distance(~open_space) < thickness
    ventricles = _ventricles(place, 0.75 + 0.75 * atrophy + float(rng.normal(0, 0.08)))

    rim = 1.2 + 1.6 * atrophy + 0.8 * smooth_noise(rng, shape, 20 / HEAD_SPACING)
    tissues = np.where(_distance(~hull) < rim, CSF, OUTSIDE).astype(np.int8)
    tissues[hull] = WHITE
    tissues[hull & cortex & ~stem] = GREY
    tissues[hull & _nuclei(place)] = GREY
    tissues[hull & open_space] = CSF
    tissues[hull & ventricles] = CSF
    _add_lesions(rng, tissues, (x, y, z), _distance(~ventricles), population)
    return Head(tissues, HEAD_SPACING, (left, back, low))


Place = tuple[np.ndarray, ...]


def _parts(place: Place) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of the cerebrum, the cerebellum and the brain stem."""
    x, y, z = place
    side = np.abs(x)
    width = 57.0 * (1.0 - 0.13 * y / 71.0)  # the frontal lobes are narrower than the parietal ones
    height = np.where(z > 0, 55.0, 33.0)
    cerebrum = (side / width) ** 2.3 + np.abs(y / 71.0) ** 2.3 + np.abs(z / height) ** 2.3 < 1
    cerebrum |= _ellipsoid(place, (37, 8, -22), (19, 36, 19)) < 1
    lobes = _ellipsoid(place, (19, -45, -38), (29, 26, 19))
    axis = -16.0 - 0.12 * (z + 30.0)
    pons = 4.0 * np.exp(-(((z + 30.0) / 10.0) ** 2))
    stem = (x / 12.0) ** 2 + ((y - axis - pons) / (11.0 + pons)) ** 2 < 1
    stem &= (z < -6) & (z > -58)
    return cerebrum & (lobes > 1.14), lobes < 1, stem


def _ellipsoid(place: Place, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    """Normalised radius around a pair of centres that lie left and right alike."""
    x, y, z = place
    shifted = (np.abs(x) - centre[0], y - centre[1], z - centre[2])
    return np.sqrt(sum((s / r) ** 2 for s, r in zip(shifted, radii, strict=True)))


def _fissures(rng: np.random.Generator, place: Place) -> np.ndarray:
    """Interhemispheric and Sylvian fissures, open to the outside."""
    x, y, z = place
    wave = 1.2 * smooth_noise(rng, x.shape, 22 / HEAD_SPACING)
    callosum = (y / 44.0) ** 2 + ((z - 2.0) / 26.0) ** 2 < 1
    between = (np.abs(x + wave) < 1.5) & ~callosum & (z > -30)
    level = -6.0 - 0.25 * (y - 10.0) + 2.0 * wave
    sylvian = (np.abs(z - level) < 1.8) & (np.abs(x) > 35) & (y > -30) & (y < 45)
    return between | sylvian


def _sulci(rng: np.random.Generator, position: Place, depth: np.ndarray, atrophy: float) -> np.ndarray:
    """Sheets that cut into the hull at right angles to it: zero sets of noise read at its surface."""
    x, y, z = position
    middle = 0.9 * np.clip(y, -38, 38)
    radius = np.sqrt(x**2 + (y - middle) ** 2 + (z - 4.0) ** 2) + 1e-3
    stretch = 48.0 / radius
    surface = (x * stretch, middle + (y - middle) * stretch, 4.0 + (z - 4.0) * stretch)
    bend = [2.5 * smooth_noise(rng, x.shape, 14 / HEAD_SPACING) for _ in range(3)]
    index = [
        (s + b) / HEAD_SPACING + (n - 1) / 2
        for s, b, n in zip(reversed(surface), reversed(bend), x.shape, strict=True)
    ]
    field = smooth_noise(rng, x.shape, 9.5 / HEAD_SPACING)
    folds = ndimage.map_coordinates(field, index, order=1, mode="nearest")
    slope = np.sqrt(sum(g**2 for g in np.gradient(folds, HEAD_SPACING))) + 0.05
    reach = 14.0 + 4.0 * smooth_noise(rng, x.shape, 16 / HEAD_SPACING)
    half_width = (0.7 + 0.4 * atrophy) * (1.3 - 0.6 * np.clip(depth / 16.0, 0, 1))
    return (np.abs(folds) / slope < half_width) & (depth < reach)


def _folia(rng: np.random.Generator, place: Place, depth: np.ndarray) -> np.ndarray:
    """The narrow, nearly horizontal furrows of the cerebellum."""
    _, y, z = place
    wave = 2.0 * smooth_noise(rng, z.shape, 14 / HEAD_SPACING)
    phase = (z + 0.35 * np.abs(y + 45.0) + wave) / 11.0
    return (np.abs(phase - np.round(phase)) < 0.09) & (depth < 9.0)


def _tube(place: Place, *points: tuple[float, float, float, float]) -> np.ndarray:
    """Inside of a chain of segments through points (|x|, y, z, radius), on both sides."""
    p = np.stack([np.abs(place[0]), place[1], place[2]])
    inside = np.zeros(place[0].shape, dtype=bool)
    for start, end in itertools.pairwise(points):
        a, b = np.array(start[:3], np.float32), np.array(end[:3], np.float32)
        along = np.tensordot((b - a) / np.float32((b - a) @ (b - a)), p, 1) - np.float32(
            a @ (b - a) / ((b - a) @ (b - a))
        )
        along = along.clip(0, 1)
        gap = sum((p[n] - a[n] - along * (b[n] - a[n])) ** 2 for n in range(3))
        inside |= gap < (start[3] + along * (end[3] - start[3])) ** 2
    return inside


def _ventricles(place: Place, size: float) -> np.ndarray:
    """Lateral (frontal, occipital and temporal horns), third and fourth ventricles."""
    s = max(size, 0.5)
    body = ((9, 33, 6, 3 * s), (8, 20, 13, 5 * s), (8, 0, 18, 4.5 * s), (17, -28, 14, 5.5 * s))
    mask = _tube(place, *body, (18, -54, 6, 2 * s))
    mask |= _tube(place, (17, -28, 14, 5.5 * s), (29, -24, -8, 3 * s), (30, -4, -18, 2 * s))
    x, y, z = place
    mask &= np.abs(x) > 1.2  # septum
    third = (np.abs(x) < 1.6 * s) & (((y + 8) / 15.0) ** 2 + ((z + 2) / 11.0) ** 2 < 1)
    fourth = (x / (6 * s)) ** 2 + ((y + 30) / (4.5 * s)) ** 2 + ((z + 34) / 11.0) ** 2 < 1
    return mask | third | fourth


def _nuclei(place: Place) -> np.ndarray:
    """Caudate, putamen, thalamus, hippocampus and amygdala."""
    mask = _tube(place, (15, 27, 4, 6), (16, 10, 13, 4.5), (18, -12, 18, 2.5))
    mask |= _ellipsoid(place, (27, 4, 1), (6, 17, 10)) < 1
    mask |= _ellipsoid(place, (11, -13, 3), (8, 14, 9)) < 1
    return mask | _tube(place, (25, -28, -10, 4), (26, -8, -19, 5), (22, 4, -20, 6.5))


def _add_lesions(
    rng: np.random.Generator,
    tissues: np.ndarray,
    position: Place,
    from_ventricle: np.ndarray,
    population: Population,
) -> None:
    """Turn blobs of white matter into lesions, in place."""
    count = int(rng.integers(population.lesions[0], population.lesions[1] + 1))
    x, y, z = position
    white_depth = _distance(tissues == WHITE)
    seat = (white_depth > 2.5) & (z > -14) & (y > -58)
    for _ in range(count):
        tumour = rng.random() < population.tumours
        near = seat & (from_ventricle > (8 if tumour else 2)) & (from_ventricle < (30 if tumour else 9))
        where = np.flatnonzero(near)
        if not where.size:
            continue
        at = np.unravel_index(where[int(rng.integers(where.size))], tissues.shape)
        radii = population.growth * (rng.uniform(11, 18, 3) if tumour else rng.uniform(5, 9, 3))
        offsets = ((x - x[at]) / radii[0], (y - y[at]) / radii[1], (z - z[at]) / radii[2])
        radius = np.sqrt(sum(o**2 for o in offsets))
        ragged = radius + (0.28 if tumour else 0.18) * smooth_noise(rng, x.shape, 7 / HEAD_SPACING)
        # Oedema creeps along the white matter; only a tumour's core swallows grey matter too.
        grown = (ragged < 1) & (tissues == WHITE)
        if tumour:
            grown |= (ragged < 0.6) & (tissues == GREY)
        tissues[grown] = LESION


def _distance(mask: np.ndarray) -> np.ndarray:
    """Distance of every voxel of a mask to the outside of it, in mm; 0 outside."""
    return ndimage.distance_transform_edt(mask, sampling=HEAD_SPACING).astype(np.float32)
