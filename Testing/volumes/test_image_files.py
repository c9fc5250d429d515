"""Reading and writing image files."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.errors import ImageError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import image_stem, read_header, read_volume, read_volumes, write_volume
from TransferRiskLib.volumes.itk_console import quiet_itk
from TransferRiskLib.volumes.volume import Volume

# 20 degrees about S, then k flipped: oblique, left-handed, anisotropic
C, S = float(np.cos(np.deg2rad(20))), float(np.sin(np.deg2rad(20)))
OBLIQUE = Geometry((7, 6, 5), (0.9, 1.1, 3.0), (-12.5, 30.25, 7.0), (C, -S, 0.0, S, C, 0.0, 0.0, 0.0, -1.0))


@pytest.fixture
def oblique_volume() -> Volume:
    values = np.random.default_rng(0).integers(-200, 900, OBLIQUE.shape).astype(np.int16)
    return Volume(values, OBLIQUE)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_volume_survives_a_round_trip_with_type_and_geometry(tmp_path, oblique_volume, name):
    write_volume(oblique_volume, tmp_path / name)
    back = read_volume(tmp_path / name)
    assert back.array.dtype == np.int16
    np.testing.assert_array_equal(back.array, oblique_volume.array)
    assert back.geometry.size == OBLIQUE.size
    np.testing.assert_allclose(back.geometry.index_to_lps, OBLIQUE.index_to_lps, atol=1e-5)


def test_a_nifti_pair_is_read_through_either_half(tmp_path, oblique_volume):
    sitk.WriteImage(oblique_volume.to_sitk(), str(tmp_path / "a.hdr"))
    for name in ("a.hdr", "a.img"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, oblique_volume.array)


def test_half_a_nifti_pair_names_the_missing_half(tmp_path, oblique_volume):
    sitk.WriteImage(oblique_volume.to_sitk(), str(tmp_path / "a.hdr"))
    (tmp_path / "a.img").unlink()
    with pytest.raises(ImageError, match=r"a\.img is missing"):
        read_volume(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["series.nii.gz", "series.nrrd", "series.mha"])
def test_a_4d_file_gives_its_components_in_order(tmp_path, name):
    parts = [np.full((3, 4, 5), value, dtype=np.float32) for value in (3.0, 1.0, 2.0)]
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(part) for part in parts]), str(tmp_path / name))
    assert read_header(tmp_path / name).components == 3
    assert [float(v.array.mean()) for v in read_volumes(tmp_path / name)] == [3.0, 1.0, 2.0]
    assert read_volume(tmp_path / name, component=2).array.max() == 2.0


@pytest.mark.parametrize("name", ["vector.nrrd", "vector.nii.gz", "vector.mha"])
def test_a_vector_file_gives_its_components_in_order(tmp_path, name):
    array = np.random.default_rng(1).random((3, 4, 5, 2)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(tmp_path / name))
    volumes = read_volumes(tmp_path / name)
    assert read_header(tmp_path / name).components == 2
    for number in (0, 1):
        np.testing.assert_array_equal(volumes[number].array, array[..., number])


def test_a_component_that_is_not_there_is_refused(tmp_path, oblique_volume):
    write_volume(oblique_volume, tmp_path / "a.nii")
    with pytest.raises(ImageError, match="has 1 components; number 1"):
        read_volume(tmp_path / "a.nii", component=1)


def test_the_header_agrees_with_the_volume(tmp_path, oblique_volume):
    write_volume(oblique_volume, tmp_path / "a.nii.gz")
    assert read_header(tmp_path / "a.nii.gz").geometry == read_volume(tmp_path / "a.nii.gz").geometry


def test_booleans_are_written_as_bytes(tmp_path):
    mask = np.zeros(OBLIQUE.shape, dtype=bool)
    mask[1, 2, 3] = True
    write_volume(Volume(mask, OBLIQUE), tmp_path / "mask.nii.gz")
    back = read_volume(tmp_path / "mask.nii.gz").array
    assert back.dtype == np.uint8
    assert back.sum() == 1 and back[1, 2, 3] == 1


def test_header_text_is_kept_in_nrrd(tmp_path, oblique_volume):
    write_volume(oblique_volume, tmp_path / "a.nrrd", metadata={"Model": "hippocampus, länge"})
    assert read_header(tmp_path / "a.nrrd").metadata["Model"] == "hippocampus, länge"


@pytest.mark.parametrize("name", ["a.mhd", "a.hdr", "a.jpg", "a"])
def test_formats_of_two_files_and_unknown_ones_are_not_written(tmp_path, oblique_volume, name):
    with pytest.raises(ImageError, match="not written"):
        write_volume(oblique_volume, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_stem_of_an_image_has_no_image_ending(tmp_path):
    names = ("a.nii.gz", "b.c.seg.nrrd", "d.nrrd", "e.1.NII")
    assert [image_stem(tmp_path / name) for name in names] == ["a", "b.c", "d", "e.1"]


def test_the_console_is_quiet_until_the_last_of_several_threads_is_done():
    told = sitk.ProcessObject.GetGlobalWarningDisplay
    before = told()
    try:
        sitk.ProcessObject.SetGlobalWarningDisplay(True)
        first, second = quiet_itk(), quiet_itk()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert not told()
        second.__exit__(None, None, None)
        assert told()
        with pytest.raises(ValueError), quiet_itk():
            raise ValueError
        assert told()
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)
