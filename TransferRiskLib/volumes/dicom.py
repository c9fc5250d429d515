"""The files of a DICOM series in slice order, checked to form a regular box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TransferRiskLib.errors import GeometryError, ImageError
from TransferRiskLib.volumes.itk_console import quiet_itk

_POSITION, _ORIENTATION = "0020|0032", "0020|0037"
_GAP_TOLERANCE = 0.05  # of the slice distance; scanners round positions
_TILT_TOLERANCE = np.cos(np.deg2rad(1.0))


def series_files(folder: Path) -> tuple[str, ...]:
    """The slices of the one DICOM series in a folder, in order along the slice normal.

    Raises:
        ImageError: no series, more than one, or fewer than two slices.
        GeometryError: slices are missing, repeated, or shifted against one another (gantry tilt).
    """
    found = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not found:
        raise ImageError(
            "holds no DICOM series.", file=folder, hint="Give the folder that holds the slices of one scan."
        )
    if len(found) > 1:
        raise ImageError(
            f"holds {len(found)} DICOM series.", file=folder, hint="Put each series into a folder of its own."
        )
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), found[0])
    if len(files) > 1:
        _check_slices(files, folder)
    return files


def _check_slices(files: tuple[str, ...], folder: Path) -> None:
    positions, normal = [], None
    for name in files:
        reader = sitk.ImageFileReader()
        reader.SetFileName(name)
        reader.ReadImageInformation()
        if not (reader.HasMetaDataKey(_POSITION) and reader.HasMetaDataKey(_ORIENTATION)):
            return  # no positions to judge by; the spacing is checked after reading
        positions.append(_numbers(reader.GetMetaData(_POSITION)))
        axes = _numbers(reader.GetMetaData(_ORIENTATION))
        normal = np.cross(axes[:3], axes[3:])
    steps = np.diff(np.array(positions), axis=0)
    distances = np.abs(steps @ normal)
    usual = float(np.median(distances))
    if usual <= 0 or np.abs(distances - usual).max() > _GAP_TOLERANCE * usual:
        raise GeometryError(
            f"holds slices {distances.min():g} to {distances.max():g} mm apart; "
            "some are missing or there twice.",
            file=folder,
            hint="Export the whole series again, one volume a folder.",
        )
    if (distances < _TILT_TOLERANCE * np.linalg.norm(steps, axis=1)).any():
        raise GeometryError(
            "holds slices that are shifted against one another (gantry tilt).",
            file=folder,
            hint="In 3D Slicer, load it with 'acquisition geometry regularization' and save it as NRRD.",
        )


def _numbers(text: str) -> np.ndarray:
    return np.array([float(part) for part in text.split("\\")])


def holds_series(folder: Path) -> bool:
    """Whether a folder holds at least one DICOM series."""
    with quiet_itk():
        return bool(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))
