"""Files that are no usable images: a typed error each, naming file, cause and remedy."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.errors import GeometryError, ImageError, StorageError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_header, read_volume, read_volumes, write_volume
from TransferRiskLib.volumes.volume import Volume

SHAPE = (9, 10, 11)


def written(path, compress=False):
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path), useCompression=compress)
    return path


def patched(path, offset, packed):
    content = bytearray(path.read_bytes())
    content[offset : offset + len(packed)] = packed
    path.write_bytes(content)
    return path


def assert_refused(path, kind, cause):
    """The reader refuses the file, and says which one, why, and what to do."""
    with pytest.raises(kind, match=cause) as caught:
        read_volumes(path)
    assert caught.value.file is not None and path.stem.split(".")[0] in caught.value.file
    assert caught.value.hint


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_a_truncated_file_is_refused(tmp_path, name, share, compress):
    path = written(tmp_path / name, compress)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert_refused(path, ImageError, "truncated|cannot be read|decompressed|shorter")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_truncated_nifti_file_is_found_from_its_size_alone(tmp_path, name):
    path = written(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageError, match=r"truncated|decompressed"):
        read_header(path)


def test_a_gzip_file_of_a_truncated_nifti_is_refused(tmp_path):
    whole = written(tmp_path / "whole.nii").read_bytes()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(whole[:-40]))
    for read in (read_header, read_volumes):
        with pytest.raises(ImageError, match=rf"truncated: {len(whole) - 40} of {len(whole)} bytes"):
            read(path)


def test_a_damaged_byte_in_a_gzip_file_is_found(tmp_path):
    path = written(tmp_path / "a.nii.gz")
    middle = path.stat().st_size // 2
    damaged = path.read_bytes()[middle] ^ 0xFF
    assert_refused(patched(path, middle, bytes([damaged])), ImageError, "decompressed")


@pytest.mark.parametrize(("header", "data"), [("a.hdr", "a.img"), ("a.mhd", "a.raw")])
def test_a_truncated_data_file_of_a_pair_is_refused(tmp_path, header, data):
    path = written(tmp_path / header)
    content = (tmp_path / data).read_bytes()
    (tmp_path / data).write_bytes(content[: len(content) // 2])
    assert_refused(path, ImageError, "truncated|cannot be read")


def test_a_big_endian_header_is_understood(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = tmp_path / "big.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4), nibabel.Nifti1Header(endianness=">")), path)
    np.testing.assert_array_equal(read_volume(path).array, values.transpose(2, 1, 0))
    path.write_bytes(path.read_bytes()[:-2])
    assert_refused(path, ImageError, "truncated")


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("name", ["two.nii", "two.nii.gz", "two.hdr"])
def test_a_nifti_2_file_is_refused_by_name_and_the_remedy_works(tmp_path, name, endianness):
    nibabel = pytest.importorskip("nibabel")
    # an oblique grid: 0.8 x 1.5 x 2 mm, turned by 20 degrees about the z axis
    turn = np.radians(20)
    axes = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * (0.8, 1.5, 2.0), (-12.0, 30.0, 4.5)
    values = np.random.default_rng(0).random((7, 6, 5)).astype(np.float32)
    kind = nibabel.Nifti2Pair if name.endswith(".hdr") else nibabel.Nifti2Image
    path = tmp_path / name
    kind(values, affine, kind.header_class(endianness=endianness)).to_filename(path)
    for read in (read_header, read_volumes):
        with pytest.raises(ImageError, match="NIfTI-2") as caught:
            read(path)
        assert str(path) == caught.value.file
    remedy = caught.value.hint.split("nibabel: ")[1].rstrip(".")
    converted = str(tmp_path / "one.nii")
    exec(remedy.replace("'in.nii'", repr(str(path))).replace("'out.nii'", repr(converted)))
    volume = read_volume(converted)
    np.testing.assert_array_equal(volume.array, values.transpose(2, 1, 0))
    np.testing.assert_allclose(volume.geometry.spacing, (0.8, 1.5, 2.0), rtol=1e-6)
    # ITK's world points to the left and back, where that of NIfTI points to the right and front
    np.testing.assert_allclose(volume.geometry.origin, (12.0, -30.0, 4.5), atol=1e-5)
    flipped = np.diag([-1, -1, 1]) @ axes
    np.testing.assert_allclose(volume.geometry.direction, flipped.ravel(), atol=1e-6)


def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path):
    assert_refused(tmp_path / "absent.nii.gz", ImageError, "does not exist")
    (tmp_path / "empty.nrrd").write_bytes(b"")
    assert_refused(tmp_path / "empty.nrrd", ImageError, "is empty")
    (tmp_path / "text.nrrd").write_text("this is no image")
    assert_refused(tmp_path / "text.nrrd", ImageError, "cannot be read")
    (tmp_path / "text.nii.gz").write_text("neither is this" * 100)
    assert_refused(tmp_path / "text.nii.gz", ImageError, "cannot be read|decompressed")


@pytest.mark.parametrize("name", ["flat.nii.gz", "flat.nrrd", "flat.mha"])
@pytest.mark.parametrize("shape", [(20, 20), (1, 20, 20), (20, 1, 20)])
def test_a_2d_image_is_refused(tmp_path, name, shape):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones(shape, np.float32)), str(tmp_path / name))
    assert_refused(tmp_path / name, ImageError, "not a 3-D image")


def test_one_slice_is_accepted_where_it_is_asked_for(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((1, 5, 5), np.uint8)), str(tmp_path / "a.nrrd"))
    assert read_volume(tmp_path / "a.nrrd", allow_flat=True).array.shape == (1, 5, 5)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), -1.0])
def test_an_impossible_nifti_spacing_is_refused(tmp_path, value):
    # pixdim[1] stands at byte 80; ITK would silently put 1 in its place
    path = patched(written(tmp_path / "a.nii"), 80, struct.pack("<f", value))
    assert_refused(path, GeometryError, "spacing")
    with pytest.raises(GeometryError, match="spacing"):
        read_header(path)


def test_an_impossible_nrrd_or_metaimage_spacing_is_refused(tmp_path):
    nrrd = written(tmp_path / "a.nrrd")
    nrrd.write_bytes(nrrd.read_bytes().replace(b"(1,0,0)", b"(0,0,0)"))
    assert_refused(nrrd, GeometryError, "spacing of 0 x 1 x 1 mm")
    meta = written(tmp_path / "b.mha")
    meta.write_bytes(meta.read_bytes().replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = 0 1 1"))
    assert_refused(meta, GeometryError, "spacing of 0 x 1 x 1 mm")


def two_forms(path, qform, sform, codes=(1, 2)):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.ones((9, 10, 11), np.float32), None)
    image.set_qform(qform, codes[0])
    image.set_sform(sform, codes[1])
    nibabel.save(image, path)
    return path


OBLIQUE = np.array(
    [[0.0, 1.9, 0.3, -20.0], [-2.1, 0.0, 0.0, 40.0], [0.0, 0.45, -1.2666667, 7.0], [0.0, 0.0, 0.0, 1.0]]
)


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (1, 4)])
def test_a_nifti_file_that_lies_in_two_places_is_refused(tmp_path, codes):
    moved = OBLIQUE.copy()
    moved[0, 3] += 3.0
    path = two_forms(tmp_path / "a.nii.gz", OBLIQUE, moved, codes)
    assert_refused(path, GeometryError, r"two places: its qform and its sform differ by up to 3 mm")
    with pytest.raises(GeometryError, match="two places"):
        read_header(path)


def test_left_and_right_swapped_between_the_forms_is_refused(tmp_path):
    mirrored = OBLIQUE @ np.diag([-1, 1, 1, 1])
    mirrored[:3, 3] = (OBLIQUE @ [8, 0, 0, 1])[:3]
    assert_refused(two_forms(tmp_path / "a.nii", OBLIQUE, mirrored), GeometryError, "two places")


@pytest.mark.parametrize("change", ["none", "rounding", "one in use", "empty matrix"])
def test_a_nifti_file_in_one_place_is_read(tmp_path, change):
    other, codes = OBLIQUE.copy(), (1, 2)
    if change == "rounding":
        other[:3] += 1e-3
    elif change == "one in use":
        other, codes = np.eye(4), (1, 0)
    elif change == "empty matrix":
        other = np.zeros((4, 4))
    path = two_forms(tmp_path / "a.nii.gz", OBLIQUE, other, codes)
    np.testing.assert_allclose(read_volume(path).geometry.index_to_ras, OBLIQUE, atol=2e-2)


def test_coordinates_that_are_not_numbers_are_refused(tmp_path):
    # srow_x[3] stands at byte 292
    nifti = patched(written(tmp_path / "a.nii"), 292, struct.pack("<f", float("nan")))
    assert_refused(nifti, GeometryError, "not numbers")
    meta = written(tmp_path / "b.mha")
    meta.write_bytes(meta.read_bytes().replace(b"Offset = 0 0 0", b"Offset = nan 0 0"))
    assert_refused(meta, GeometryError, "'Offset' in its header that is not a number")


def test_sheared_axes_are_refused(tmp_path):
    # qform off (byte 252), and j sheared against i in the sform (byte 284)
    path = patched(written(tmp_path / "a.nii"), 252, struct.pack("<h", 0))
    assert_refused(patched(path, 284, struct.pack("<f", 0.7)), GeometryError, "right angles")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_that_are_not_numbers_are_refused_and_counted(tmp_path, name, value, dtype):
    values = np.ones(SHAPE, dtype)
    values[0, 0, 0] = values[4, 5, 6] = values[-1, -1, -1] = value
    # ITK's NIfTI reader would silently put zeros in their place
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
    assert_refused(tmp_path / name, ImageError, "holds 3 voxels that are not numbers")


def test_complex_values_are_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), np.complex64)), str(tmp_path / "a.nii"))
    assert_refused(tmp_path / "a.nii", ImageError, "complex")


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a Unix thing")
@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz", "out.nrrd", "out.mha"])
def test_a_full_disk_is_an_error_and_leaves_nothing_behind(tmp_path, name):
    program = f"""
import resource, signal
from pathlib import Path
import numpy as np
from TransferRiskLib.errors import StorageError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
grid = Geometry((20, 20, 20), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
values = np.random.default_rng(0).random(grid.shape)
try:
    write_volume(Volume(values, grid), Path({str(tmp_path / name)!r}))
except StorageError as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "refused:" in done.stdout and name in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is a Linux thing")
@pytest.mark.parametrize("name", ["out.nii.gz", "out.nrrd"])
def test_a_full_disk_is_called_so(tmp_path, monkeypatch, name):
    def full(image, file, useCompression):  # noqa: N803
        Path(file).unlink()
        Path(file).symlink_to("/dev/full")
        raise RuntimeError("Write failed")

    monkeypatch.setattr(sitk, "WriteImage", full)
    grid = Geometry((4, 3, 2), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    with pytest.raises(StorageError, match="The disk is full: free some space") as caught:
        write_volume(Volume(np.zeros(grid.shape, np.float32), grid), tmp_path / name)
    assert caught.value.file == str(tmp_path / name) and list(tmp_path.iterdir()) == []
