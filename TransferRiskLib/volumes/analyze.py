"""Analyze 7.5 pairs (`.hdr`, `.img`), the format of some older data sets."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.errors import GeometryError, ImageError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.volume import Volume

_CODES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64}
_LARGEST_SIZE = 32767


def analyze_geometry(geometry: Geometry) -> Geometry:
    """What Analyze 7.5 keeps of a grid: size and spacing.

    It knows neither origin nor directions; a reader puts the first voxel at 0 and lets i, j, k run
    towards left, posterior, superior.
    """
    return Geometry(geometry.size, geometry.spacing, (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def write_analyze(volume: Volume, path: Path) -> None:
    """Write an Analyze 7.5 pair, little-endian; the header appears last.

    Fields as in *ANALYZE 7.5 File Format*, Mayo Clinic, 1986.

    Args:
        volume: On a grid that Analyze can hold (see `analyze_geometry`); uint8, int16, int32,
            float32 or float64.
        path: The `.hdr` file; the `.img` file gets the same stem.

    Raises:
        GeometryError: a grid that would be read back as another one.
        ImageError: another ending, voxel type, or more than 32,767 voxels along an axis.
        StorageError: no space or no permission.
    """
    path = Path(path)
    if path.suffix != ".hdr":
        raise ImageError("is no name of an Analyze header.", file=path, hint="Let it end in .hdr.")
    kept = analyze_geometry(volume.geometry)
    difference = volume.geometry.difference(kept)
    if difference is not None:
        raise GeometryError(
            f"cannot be written as Analyze 7.5, which has no origin and no directions: {difference}",
            file=path,
            hint="Write another format, or move the image onto the grid that Analyze can hold.",
        )
    code = _CODES.get(volume.array.dtype.name)
    if code is None or max(volume.geometry.size) > _LARGEST_SIZE:
        raise ImageError(
            f"cannot hold {volume.array.dtype} voxels, size {volume.geometry.size}, as Analyze 7.5.",
            file=path,
            hint=f"It holds {', '.join(_CODES)} and at most {_LARGEST_SIZE} voxels along an axis.",
        )
    header = bytearray(348)
    struct.pack_into("<i", header, 0, len(header))
    struct.pack_into("<i", header, 32, 16384)  # extents, a constant of the format
    header[38:39] = b"r"  # regular: all volumes have one size
    struct.pack_into("<8h", header, 40, 4, *volume.geometry.size, 1, 0, 0, 0)
    struct.pack_into("<2h", header, 70, code, 8 * volume.array.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 0, *volume.geometry.spacing, 0, 0, 0, 0)
    little = np.ascontiguousarray(volume.array, dtype=volume.array.dtype.newbyteorder("<"))
    for file, content in ((path.with_suffix(".img"), little.tobytes()), (path, bytes(header))):
        with atomic_path(file) as scratch:
            scratch.write_bytes(content)
