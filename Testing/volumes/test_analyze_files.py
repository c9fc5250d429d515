"""Analyze 7.5 pairs: written, read, and refused where ITK would guess."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from TransferRiskLib.errors import GeometryError, ImageError
from TransferRiskLib.volumes.analyze import analyze_geometry, write_analyze
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_header, read_volume
from TransferRiskLib.volumes.volume import Volume

GRID = Geometry((5, 4, 3), (0.9, 1.1, 3.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
OBLIQUE = Geometry((5, 4, 3), (0.9, 1.1, 3.0), (4.0, 5.0, 6.0), (0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, 1.0))


@pytest.fixture
def values():
    return np.arange(60, dtype=np.int16).reshape(3, 4, 5) - 7


@pytest.fixture
def pair(tmp_path, values):
    write_analyze(Volume(values, GRID), tmp_path / "a.hdr")
    return tmp_path / "a.hdr"


def patch(path, offset, packed):
    content = bytearray(path.read_bytes())
    content[offset : offset + len(packed)] = packed
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_a_pair_is_read_back_with_type_and_spacing(tmp_path, values, kind):
    array = (values + 7).astype(kind)
    write_analyze(Volume(array, GRID), tmp_path / "a.hdr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hdr", "a.img"]
    for name in ("a.hdr", "a.img"):
        back = read_volume(tmp_path / name)
        assert back.array.dtype == kind
        np.testing.assert_array_equal(back.array, array)
        assert back.geometry.difference(GRID) is None


def test_nibabel_reads_the_pair_as_analyze(pair, values):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.AnalyzeImage.load(pair)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[..., 0].transpose(2, 1, 0), values)
    assert image.header.get_zooms()[:3] == pytest.approx(GRID.spacing)
    assert isinstance(nibabel.load(pair), nibabel.Spm2AnalyzeImage)


def test_a_big_endian_pair_of_another_program_is_read(tmp_path, values):
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.AnalyzeHeader(endianness=">")
    header.set_data_dtype(np.int16)
    image = nibabel.AnalyzeImage(values.transpose(2, 1, 0)[..., None], np.diag([-0.9, 1.1, 3, 1]), header)
    nibabel.save(image, tmp_path / "b.hdr")
    back = read_volume(tmp_path / "b.hdr")
    np.testing.assert_array_equal(back.array, values)
    assert back.geometry.difference(GRID) is None


@pytest.mark.parametrize("orient", range(6))
def test_the_orientation_byte_and_spms_origin_change_nothing(pair, orient):
    patch(pair, 252, struct.pack("<b5h", orient, 2, 3, 1, 0, 0))
    assert read_header(pair).geometry.difference(GRID) is None
    assert read_header(pair).geometry.orientation == "LPS"


def test_text_where_nifti_keeps_coordinates_is_no_coordinate(pair):
    # the bytes of a not-a-number in what would be NIfTI's codes, quaternion and matrix
    patch(pair, 252, struct.pack("<2h", 1, 1) + struct.pack("<f", float("nan")) * 18)
    assert read_volume(pair).geometry.difference(GRID) is None


@pytest.mark.parametrize("kept", [0, 1, 60, 119])
def test_a_data_file_that_is_cut_short_is_refused_from_its_size_alone(pair, kept):
    data = pair.with_suffix(".img")
    data.write_bytes(data.read_bytes()[:kept])
    for read in (read_header, read_volume):
        with pytest.raises(ImageError, match=rf"a\.img: is truncated: {kept} of 120 bytes"):
            read(pair)


@pytest.mark.parametrize("kept", [0, 3, 30])
def test_a_compressed_data_file_that_is_cut_short_is_refused(pair, values, kept):
    data = pair.with_suffix(".img")
    packed = gzip.compress(data.read_bytes())
    data.unlink()
    data = pair.with_name("a.img.gz")
    data.write_bytes(packed)
    np.testing.assert_array_equal(read_volume(pair).array, values)
    data.write_bytes(packed[:kept])
    for read in (read_header, read_volume):
        with pytest.raises(ImageError, match=r"a\.img\.gz: (is truncated|cannot be decompressed)"):
            read(pair)


@pytest.mark.parametrize("magic", [bytes(4), b"ni1\0"])
def test_voxels_behind_an_offset_count_from_there(tmp_path, values, magic):
    write_analyze(Volume(values, GRID), tmp_path / "a.hdr")
    patch(tmp_path / "a.hdr", 108, struct.pack("<f", 16.0))
    patch(tmp_path / "a.hdr", 344, magic)
    data = tmp_path / "a.img"
    with pytest.raises(ImageError, match="120 of 136 bytes"):
        read_header(tmp_path / "a.hdr")
    data.write_bytes(bytes(16) + data.read_bytes())
    np.testing.assert_array_equal(read_volume(tmp_path / "a.hdr").array, values)


@pytest.mark.parametrize("half", ["a.hdr", "a.img"])
def test_half_a_pair_names_the_missing_half(pair, half):
    (pair.parent / half).unlink()
    other = {"a.hdr": "a.img", "a.img": "a.hdr"}[half]
    for read in (read_header, read_volume):
        with pytest.raises(ImageError, match=rf"{other}: is one half of a pair; {half} is missing"):
            read(pair.parent / other)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_an_impossible_spacing_is_refused(pair, value):
    patch(pair, 80, struct.pack("<f", value))
    with pytest.raises(GeometryError, match="spacing"):
        read_header(pair)


def test_voxels_that_are_not_numbers_are_refused(tmp_path, values):
    array = values.astype(np.float32)
    array[1, 2, 3] = np.nan
    write_analyze(Volume(array, GRID), tmp_path / "a.hdr")
    with pytest.raises(ImageError, match="1 voxels that are not numbers"):
        read_volume(tmp_path / "a.hdr")


def test_a_grid_that_the_format_cannot_hold_is_refused(tmp_path, values):
    with pytest.raises(GeometryError, match="no origin and no directions: direction"):
        write_analyze(Volume(values, OBLIQUE), tmp_path / "a.hdr")
    assert analyze_geometry(OBLIQUE) == GRID
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "cause"),
    [("a.img", "int16", "end in .hdr"), ("a.hdr", "uint16", "uint16"), ("a.hdr", "bool", "bool")],
)
def test_other_endings_and_types_are_refused(tmp_path, values, name, kind, cause):
    with pytest.raises(ImageError, match=cause):
        write_analyze(Volume(values.astype(kind), GRID), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
