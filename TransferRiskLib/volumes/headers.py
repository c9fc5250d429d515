"""What the readers of ITK pass over in silence: files cut short and impossible geometry."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from TransferRiskLib.errors import GeometryError, ImageError

_COPY_AGAIN = "Copy or download the file again; it is incomplete or damaged."
_CHUNK = 1 << 20
_APART = 0.5
"""Distance between the two coordinate systems of a NIfTI file, in voxels, that is no rounding any more."""


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI or Analyze 7.5 header that ITK does not check.

    Attributes:
        dim: Number of dimensions, then the sizes.
        pixdim: Spacings as stored, `pixdim[1:4]` along i, j, k.
        bytes_needed: Size of the (uncompressed) data file that the header announces.
        data_start: Where the voxels begin in it.
        float_type: The voxels' type where it can hold values that are no numbers, or None.
        qform, sform: The quaternion with its offsets (6 numbers), and the matrix (12), where their codes
            say that they are in use; else empty. Analyze has none.
    """

    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    bytes_needed: int
    data_start: int
    float_type: np.dtype | None
    qform: tuple[float, ...]
    sform: tuple[float, ...]


def check_file(path: Path, *, thorough: bool) -> None:
    """Refuse NIfTI, Analyze and MetaImage files that ITK would read as something they are not.

    ITK fills the missing part of a truncated NIfTI or Analyze file with zeros, and replaces a spacing
    of zero by one and not-a-number offsets and voxels by zero, without an error.

    Args:
        path: An image file; formats other than NIfTI, Analyze and MetaImage pass.
        thorough: Read the voxels too: checksums of gzip files, voxels that are not numbers.
            Otherwise only sizes are compared.

    Raises:
        ImageError: the file is shorter than its header says or damaged, or voxels are not numbers.
        GeometryError: the spacing is not positive, a coordinate is not a number, or the two coordinate
            systems of a NIfTI file contradict one another.
    """
    name = path.name.casefold()
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".hdr.gz")):
        _check_nifti(path, thorough)
    elif name.endswith((".mha", ".mhd")):
        _check_metaimage(path)


def nifti_header(path: Path) -> NiftiHeader | None:
    """The header of a NIfTI file or of an Analyze 7.5 pair, or None when the file is neither."""
    raw = _leading_bytes(path, 348)
    if len(raw) < 348:
        raise ImageError("is shorter than a NIfTI header.", file=path, hint=_COPY_AGAIN)
    order = next((o for o in "<>" if struct.unpack(o + "i", raw[:4])[0] in (348, 540)), None)
    if order is None:
        return None
    if struct.unpack(order + "i", raw[:4])[0] == 540:
        raise ImageError(
            "is a NIfTI-2 file, which ITK and so 3D Slicer do not read.",
            file=path,
            hint="Convert it to NIfTI-1, in Python with nibabel: "
            "nibabel.save(nibabel.Nifti1Image.from_image(nibabel.load('in.nii')), 'out.nii').",
        )
    is_nifti = raw[344:347] in (b"n+1", b"ni1")
    if not is_nifti and not path.name.casefold().endswith((".hdr", ".hdr.gz")):
        return None
    dim = struct.unpack_from(order + "8h", raw, 40)
    datatype, bits = struct.unpack_from(order + "2h", raw, 70)
    pixdim = struct.unpack_from(order + "8f", raw, 76)
    (offset,) = struct.unpack_from(order + "f", raw, 108)
    q_code, s_code = struct.unpack_from(order + "2h", raw, 252)
    needed = math.prod(max(size, 1) for size in dim[1 : 1 + min(max(dim[0], 0), 7)]) * bits // 8
    start = max(int(offset), 0) if math.isfinite(offset) else 0
    float_type = {16: np.dtype(order + "f4"), 64: np.dtype(order + "f8")}.get(datatype)
    # where NIfTI keeps its coordinates, Analyze keeps text
    quaternion = struct.unpack_from(order + "6f", raw, 256) if is_nifti and q_code > 0 else ()
    matrix = struct.unpack_from(order + "12f", raw, 280) if is_nifti and s_code > 0 else ()
    return NiftiHeader(dim, pixdim, start + needed, start, float_type, quaternion, matrix)


def _check_nifti(path: Path, thorough: bool) -> None:
    header_path, data_path = _nifti_pair(path)
    header = nifti_header(header_path)
    if header is None:
        return
    sizes = header.dim[1 : 1 + max(header.dim[0], 0)]
    if not 1 <= header.dim[0] <= 7 or min(sizes) < 1:
        raise ImageError(f"has an impossible size in its header: {sizes}.", file=path, hint=_COPY_AGAIN)
    spacing = header.pixdim[1:4]
    if header.dim[0] >= 3 and (not np.all(np.isfinite(spacing)) or min(spacing) <= 0):
        raise spacing_error(spacing, path)
    if not np.all(np.isfinite((*header.qform, *header.sform))):
        raise GeometryError(
            "has coordinates in its header that are not numbers.",
            file=path,
            hint="Export it again from the original scan.",
        )
    _check_one_place(header, path)
    if thorough or not _size_fits(data_path, header.bytes_needed):
        _check_data(data_path, header)


def _check_one_place(header: NiftiHeader, path: Path) -> None:
    """Refuse a file whose two coordinate systems put it into two places.

    ITK, and with it 3D Slicer, often reads the qform where nibabel, FSL and SPM read the sform: channels
    that SPM has registered would be read as they lay before, in silence.
    """
    if len(header.dim) < 4 or header.dim[0] < 3 or not (header.qform and header.sform):
        return
    by_matrix = np.reshape(header.sform, (3, 4))
    if abs(np.linalg.det(by_matrix[:, :3])) < 1e-6 * math.prod(header.pixdim[1:4]):
        return  # a matrix left empty; every reader takes the other one
    last = np.array(header.dim[1:4]) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last], [1], indexing="ij")).reshape(4, -1)
    apart = np.abs((_matrix_of_qform(header) - by_matrix) @ corners).max()
    if apart > _APART * min(header.pixdim[1:4]):
        raise GeometryError(
            f"lies in two places: its qform and its sform differ by up to {apart:.3g} mm, and programs "
            "disagree which of them counts.",
            file=path,
            hint="Write the right one into both, for an image and its labels alike (FSL: fslorient "
            "-copysform2qform FILE, or -copyqform2sform; images that SPM registered: the sform).",
        )


def _matrix_of_qform(header: NiftiHeader) -> np.ndarray:
    """The 3x4 matrix from voxel indices to RAS mm, as the NIfTI-1 standard makes it of a quaternion."""
    b, c, d, *offset = header.qform
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = Rotation.from_quat([b, c, d, a]).as_matrix()
    steps = np.array(header.pixdim[1:4]) * [1, 1, -1 if header.pixdim[0] < 0 else 1]
    return np.column_stack([rotation * steps, offset])


def spacing_error(spacing: tuple[float, ...], path: Path | None = None) -> GeometryError:
    """The error for a voxel spacing that is zero, negative or not a number."""
    shown = " x ".join(f"{value:g}" for value in spacing)
    return GeometryError(
        f"has a voxel spacing of {shown} mm; it must be positive.",
        file=path,
        hint="Correct it (in 3D Slicer: module Volumes, Volume Information) or export the scan again.",
    )


def _nifti_pair(path: Path) -> tuple[Path, Path]:
    match = re.fullmatch(r"(.*)\.(hdr|img)(\.gz)?", path.name, flags=re.IGNORECASE)
    if match is None:
        return path, path
    found = []
    for ending in ("hdr", "img"):
        candidates = [f"{match[1]}.{e}{gz}" for e in (ending, ending.upper()) for gz in ("", ".gz")]
        partner = next((p for p in map(path.with_name, candidates) if p.is_file()), None)
        if partner is None:
            raise ImageError(
                f"is one half of a pair; {match[1]}.{ending} is missing.",
                file=path,
                hint="Put the .hdr and the .img file into one folder.",
            )
        found.append(partner)
    return found[0], found[1]


def _leading_bytes(path: Path, count: int) -> bytes:
    with open(path, "rb") as file:
        start = file.read(count)
    if start[:2] != b"\x1f\x8b":
        return start
    try:
        with gzip.open(path, "rb") as unpacked:
            return unpacked.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(f"cannot be decompressed ({error}).", file=path, hint=_COPY_AGAIN) from error


def _size_fits(path: Path, needed: int) -> bool:
    if not path.name.casefold().endswith(".gz"):
        return path.stat().st_size >= needed
    if path.stat().st_size < 4:
        return False
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        # a gzip file ends in its uncompressed size
        return struct.unpack("<I", file.read(4))[0] == needed % 2**32


def _check_data(path: Path, header: NiftiHeader) -> None:
    count, strange = 0, 0
    opener = gzip.open if path.name.casefold().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            count += len(file.read(header.data_start))
            while chunk := file.read(_CHUNK):
                count += len(chunk)
                if header.float_type is not None:
                    whole = len(chunk) // header.float_type.itemsize
                    values = np.frombuffer(chunk, header.float_type, whole)
                    strange += whole - int(np.count_nonzero(np.isfinite(values)))
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(f"cannot be decompressed ({error}).", file=path, hint=_COPY_AGAIN) from error
    if count < header.bytes_needed:
        raise _cut_short(path, count, header.bytes_needed)
    if strange:
        raise not_numbers_error(strange, path)


def not_numbers_error(count: int, path: Path) -> ImageError:
    """The error for voxels that are NaN or infinite."""
    return ImageError(
        f"holds {count} voxels that are not numbers (NaN or infinite).",
        file=path,
        hint="Replace them, for instance by 0 outside the body, and save it again.",
    )


def _cut_short(path: Path, there: int, needed: int) -> ImageError:
    return ImageError(f"is truncated: {there} of {needed} bytes are there.", file=path, hint=_COPY_AGAIN)


def _check_metaimage(path: Path) -> None:
    for line in _leading_bytes(path, 8192).split(b"\n"):
        key, _, value = line.partition(b"=")
        if key.strip() in (b"Offset", b"Origin", b"Position", b"TransformMatrix", b"ElementSpacing"):
            if re.search(rb"nan|inf", value, flags=re.IGNORECASE):
                raise GeometryError(
                    f"has an entry {key.strip().decode()!r} in its header that is not a number.",
                    file=path,
                    hint="Export it again from the original scan.",
                )
        elif key.strip() == b"ElementDataFile":
            return
