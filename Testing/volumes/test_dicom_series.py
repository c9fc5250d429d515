"""Folders with DICOM series."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.errors import GeometryError, ImageError
from TransferRiskLib.volumes.io import read_header, read_volume, read_volumes

SLICES = np.random.default_rng(0).integers(0, 900, (6, 8, 10)).astype(np.int16)


def write_series(folder, uid="1.2.826.0.1.3680043.2.1125.1", positions=None, shift=0.0):
    """Axial slices 2.5 mm apart, written last slice first so that file names tell no order."""
    folder.mkdir(parents=True, exist_ok=True)
    positions = [2.5 * n for n in range(len(SLICES))] if positions is None else positions
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number, (pixels, position) in enumerate(zip(SLICES, positions, strict=False)):
        image = sitk.GetImageFromArray(pixels)
        image.SetSpacing((0.8, 0.9))
        for key, value in {
            "0008|0060": "MR",
            "0008|0018": f"{uid}.{number + 1}",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.9",
            "0020|000e": uid,
            "0020|0013": str(number + 1),
            "0020|0032": f"-10\\{20 + shift * number}\\{position}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{uid[-1]}_{90 - number}.dcm"))
        writer.Execute(image)
    return folder


def test_a_series_is_read_in_spatial_order(tmp_path):
    volume = read_volume(write_series(tmp_path / "T1"))
    np.testing.assert_array_equal(volume.array, SLICES)
    np.testing.assert_allclose(volume.geometry.spacing, (0.8, 0.9, 2.5))
    np.testing.assert_allclose(volume.geometry.origin, (-10, 20, 0))
    assert read_header(tmp_path / "T1").geometry == volume.geometry


def test_a_folder_without_a_series_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no DICOM series"):
        read_volumes(tmp_path)


def test_two_series_in_a_folder_are_refused(tmp_path):
    write_series(tmp_path, "1.2.826.0.1.3680043.2.1125.1")
    write_series(tmp_path, "1.2.826.0.1.3680043.2.1125.2")
    with pytest.raises(ImageError, match="2 DICOM series"):
        read_volumes(tmp_path)


def test_a_missing_slice_is_refused(tmp_path):
    write_series(tmp_path, positions=[0.0, 2.5, 5.0, 10.0, 12.5, 15.0])
    with pytest.raises(GeometryError, match=r"2.5 to 5 mm apart"):
        read_volumes(tmp_path)


def test_a_tilted_gantry_is_refused(tmp_path):
    with pytest.raises(GeometryError, match="gantry tilt"):
        read_volumes(write_series(tmp_path, shift=0.5))


def test_a_single_slice_is_refused_as_2d(tmp_path):
    folder = write_series(tmp_path)
    with pytest.raises(ImageError, match="not a 3-D image"):
        read_volumes(next(iter(sorted(folder.glob("*.dcm")))))


def test_a_case_folder_may_hold_a_series_a_channel(tmp_path):
    write_series(tmp_path / "patient" / "T1", "1.2.826.0.1.3680043.2.1125.1")
    write_series(tmp_path / "patient" / "FLAIR", "1.2.826.0.1.3680043.2.1125.2")
    (case,) = read_cohort(tmp_path).cases
    assert case.name == "patient" and list(case.images) == ["FLAIR", "T1"]
