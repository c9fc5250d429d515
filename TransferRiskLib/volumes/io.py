"""Images from files and back: NIfTI, NRRD, MetaImage, DICOM series, through SimpleITK."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TransferRiskLib.atomic import atomic_path
from TransferRiskLib.errors import GeometryError, ImageError, StorageError
from TransferRiskLib.volumes.dicom import series_files
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.headers import check_file, not_numbers_error, spacing_error
from TransferRiskLib.volumes.itk_console import quiet_itk
from TransferRiskLib.volumes.volume import Volume

IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".img.gz", ".dcm")
"""File endings of images that are read; `.seg.nrrd` is among them as `.nrrd`."""

WRITABLE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""File endings of images that are written: formats of one file, which appears whole or not at all."""

_MORE = 2**20


@dataclass(frozen=True)
class ImageHeader:
    """What is known of an image file without its voxels.

    Attributes:
        geometry: Where the voxels lie.
        components: Number of 3-D images in the file.
        metadata: The text fields of the header.
    """

    geometry: Geometry
    components: int
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path, *, allow_flat: bool = False) -> ImageHeader:
    """The header of an image file or DICOM folder, with the checks that need no voxels.

    Args:
        path: A file, or the folder of one DICOM series.
        allow_flat: Accept a single slice, as segmentations stored with a tight extent may have.

    Raises:
        ImageError: missing, unreadable, truncated, or 2-D.
        GeometryError: spacing or coordinates that no image can have.
    """
    path = Path(path)
    if path.is_dir():
        # a series knows its slice distance and number only as a whole
        image = _read_series(path)
        return ImageHeader(_geometry(image, path, allow_flat), _components(image))
    _check_present(path)
    check_file(path, thorough=False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with _itk_errors(path):
        reader.ReadImageInformation()
        metadata = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    return ImageHeader(_geometry(reader, path, allow_flat), _components(reader), metadata)


def read_volumes(path: Path, *, allow_flat: bool = False) -> list[Volume]:
    """Every component of a 3-D or 4-D image file, or of a DICOM series.

    Args:
        path: A NIfTI (`.nii`, `.nii.gz`, `.hdr`/`.img`), NRRD or MetaImage file, or the folder of
            one DICOM series.
        allow_flat: Accept a single slice, as segmentations stored with a tight extent may have.

    Returns:
        At least one volume, in the file's order, in the file's voxel type.

    Raises:
        ImageError: missing, unreadable, truncated, 2-D, or with complex or not-a-number values.
        GeometryError: spacing or coordinates that no image can have.
    """
    path = Path(path)
    if path.is_dir():
        image = _read_series(path)
    else:
        _check_present(path)
        check_file(path, thorough=True)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        with _itk_errors(path):
            reader.ReadImageInformation()
        # before the voxels: ITK refuses some geometries later with less telling messages
        _geometry(reader, path, allow_flat)
        with _itk_errors(path):
            image = reader.Execute()
    geometry = _geometry(image, path, allow_flat)
    array = sitk.GetArrayFromImage(image)
    if np.iscomplexobj(array):
        raise ImageError("holds complex values.", file=path, hint="Export the magnitude image.")
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    strange = array.size - int(np.count_nonzero(np.isfinite(array))) if array.dtype.kind == "f" else 0
    if strange:
        raise not_numbers_error(strange, path)
    components = array.reshape(-1, *geometry.shape)
    return [Volume(np.ascontiguousarray(component), geometry) for component in components]


def read_volume(path: Path, component: int | None = None, *, allow_flat: bool = False) -> Volume:
    """One component of an image file; arguments and errors as in `read_volumes`."""
    return pick_component(read_volumes(path, allow_flat=allow_flat), component, path)


def pick_component(volumes: Sequence[Volume], component: int | None, path: Path) -> Volume:
    """One of the volumes of a file; raises ImageError as `check_component` does."""
    check_component(len(volumes), component, path)
    return volumes[component or 0]


def check_component(count: int, component: int | None, path: Path) -> None:
    """Refuse a component that a file with `count` of them does not have; None stands for the only one.

    Raises:
        ImageError: no such component, or None where there are several.
    """
    if component is None and count > 1:
        raise ImageError(
            f"holds {count} images where one is expected.",
            file=path,
            hint="Say which one is meant (a JSON list of cases names components), or save it alone.",
        )
    if component is not None and not 0 <= component < count:
        raise ImageError(
            f"has {count} components; number {component} was asked for.",
            file=path,
            hint="Components are counted from 0.",
        )


def write_volume(
    volume: Volume,
    path: Path,
    compress: bool = True,
    *,
    metadata: Mapping[str, str] | None = None,
    make_folder: bool = True,
) -> None:
    """Write an image file, whole or not at all.

    Args:
        volume: What to write; booleans become bytes.
        path: The ending chooses the format: `.nii.gz`, `.nii`, `.nrrd`, `.mha`.
        compress: Compress where the format can.
        metadata: Text fields for the header (NRRD).
        make_folder: Make the folder where it is missing; else that is an error.

    Raises:
        ImageError: an ending of no format that is written.
        StorageError: no space or no permission.
    """
    image = _as_written(volume)
    for key, value in (metadata or {}).items():
        image.SetMetaData(key, value)
    _write(image, Path(path), compress, make_folder)


def write_volumes(volumes: Sequence[Volume], path: Path, compress: bool = True) -> None:
    """Write several volumes of one grid as the components of a 4-D file; see `write_volume`."""
    _write(sitk.JoinSeries([_as_written(volume) for volume in volumes]), Path(path), compress)


def _as_written(volume: Volume) -> sitk.Image:
    if volume.array.dtype == bool:
        volume = volume.with_array(volume.array.astype(np.uint8))
    return volume.to_sitk()


def _write(image: sitk.Image, path: Path, compress: bool, make_folder: bool = True) -> None:
    if not path.name.casefold().endswith(WRITABLE_ENDINGS):
        raise ImageError(
            "has a file ending that is not written.", file=path, hint=f"Use {', '.join(WRITABLE_ENDINGS)}."
        )
    with atomic_path(path, make_folder) as scratch:
        try:
            with quiet_itk():
                sitk.WriteImage(image, str(scratch), useCompression=compress)
            # the NIfTI writer does not notice a full disk
            check_file(scratch, thorough=False)
        except (RuntimeError, ImageError) as error:
            _write_more(scratch)
            raise StorageError(
                "could not be written to the end.",
                file=path,
                hint="Check that the disk has space left and that you may write to the folder.",
            ) from error


def _write_more(path: Path) -> None:
    """Have the system say why a file was not written to the end: ITK keeps it to itself. Raises OSError where
    the reason, a full disk for one, still holds."""
    with path.open("ab") as file:
        file.write(bytes(_MORE))
        file.flush()
        os.fsync(file.fileno())


def is_image_file(path: Path) -> bool:
    """Whether a visible file's ending is that of an image."""
    name = path.name.casefold()
    return name.endswith(IMAGE_ENDINGS) and not name.startswith(".") and path.is_file()


def image_stem(path: Path) -> str:
    """The file name without the endings of image formats: `a.b.seg.nrrd` gives `a.b`."""
    name = path.name
    for ending in sorted((".seg.nrrd", *IMAGE_ENDINGS), key=len, reverse=True):
        if name.casefold().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def _read_series(folder: Path) -> sitk.Image:
    with _itk_errors(folder):
        files = series_files(folder)
        if len(files) == 1:
            return sitk.ReadImage(files[0])
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        return reader.Execute()


def _check_present(path: Path) -> None:
    if not path.exists():
        raise ImageError("does not exist.", file=path, hint="Check the path.")
    if path.stat().st_size == 0:
        raise ImageError("is empty (0 bytes).", file=path, hint="Copy or download the file again.")


def _geometry(image: sitk.Image | sitk.ImageFileReader, path: Path, allow_flat: bool) -> Geometry:
    size = tuple(int(n) for n in image.GetSize())
    if not 3 <= len(size) <= 4 or (min(size[:3]) < 2 and not allow_flat):
        shown = " x ".join(map(str, size))
        raise ImageError(
            f"is not a 3-D image (its size is {shown}).",
            file=path,
            hint="Give a volume with several slices; for DICOM, the folder of the series.",
        )
    dimension = len(size)
    spacing, origin = _three(image.GetSpacing()), _three(image.GetOrigin())
    matrix = np.asarray(image.GetDirection(), dtype=float).reshape(dimension, dimension)[:3, :3]
    if not np.all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise spacing_error(spacing, path)
    if not np.all(np.isfinite(origin)) or not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-3):
        raise GeometryError(
            "has an origin or axes that no image can have.", file=path, hint="Export the scan again."
        )
    return Geometry((size[0], size[1], size[2]), spacing, origin, tuple(matrix.ravel().tolist()))


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))


def _components(image: sitk.Image | sitk.ImageFileReader) -> int:
    in_voxel = (
        image.GetNumberOfComponents()
        if isinstance(image, sitk.ImageFileReader)
        else image.GetNumberOfComponentsPerPixel()
    )
    size = image.GetSize()
    return int(in_voxel) * (int(size[3]) if len(size) > 3 else 1)


@contextlib.contextmanager
def _itk_errors(path: Path) -> Iterator[None]:
    """ITK's exceptions as ours, with the one line of its message that says something."""
    try:
        with quiet_itk():
            yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # the reason is the system's last error, which a truncated file leaves at something unrelated
        lines = [line for line in lines if not line.startswith("Reason:")]
        cause = lines[-1] if lines else "unknown cause"
        if "orthonormal" in cause:
            raise GeometryError(
                "has axes that are not at right angles.",
                file=path,
                hint="Resample it on a rectangular grid (in 3D Slicer: load it, harden the transform, save).",
            ) from error
        raise ImageError(
            f"cannot be read ({cause}).",
            file=path,
            hint="Check that the file is whole and a NIfTI, NRRD, MetaImage or DICOM image.",
        ) from error
