"""Slicer segmentations and label maps from files and back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK as sitk
from case_files import GRID, label_values, put

from TransferRiskLib.cases.label_files import read_label_scheme
from TransferRiskLib.cases.label_grids import labels_on_grid
from TransferRiskLib.cases.labels import UNLABELLED, Label, LabelScheme
from TransferRiskLib.cases.segment_fields import terminology_entry
from TransferRiskLib.cases.segmentation_files import read_segmentation, write_labelmap, write_seg_nrrd
from TransferRiskLib.errors import LabelError, SettingsError
from TransferRiskLib.volumes.io import read_header, read_volume, write_volume
from TransferRiskLib.volumes.volume import Volume

MASS = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^49755003^Morphologically Altered Structure~SCT^4147007^Mass~^^"
    "~Anatomic codes - DICOM master list~SCT^23451007^Adrenal gland~SCT^24028007^Right"
)
SCHEME = LabelScheme(
    (
        Label("background", 0, (0.0, 0.0, 0.0)),
        Label("grey matter", 5, (0.25, 0.5, 0.75), MASS),
        Label("Läsion", 3, (1.0, 0.0, 0.125)),
    )
)


def write_layers(path, layers, **fields):
    """A `.seg.nrrd` with given layers (list axis first, as Slicer writes several)."""
    array = np.stack(layers, axis=-1) if len(layers) > 1 else layers[0]
    image = sitk.GetImageFromArray(array, isVector=len(layers) > 1)
    image.SetSpacing(GRID.spacing)
    image.SetOrigin(GRID.origin)
    for key, value in {"Segmentation_MasterRepresentation": "Binary labelmap", **fields}.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def segment(number, name, layer, value):
    return {
        f"Segment{number}_ID": f"id_{number}",
        f"Segment{number}_Name": name,
        f"Segment{number}_Layer": str(layer),
        f"Segment{number}_LabelValue": str(value),
    }


def block(rows):
    """Ones in the slices of a range."""
    layer = np.zeros(GRID.shape, np.uint8)
    layer[rows, 2:4, 2:4] = 1
    return layer


def test_a_segmentation_survives_a_round_trip(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(label_values(), GRID, SCHEME, path)
    volume, scheme = read_segmentation(path)
    assert scheme == SCHEME
    assert read_label_scheme(path) == SCHEME
    assert volume.geometry.difference(GRID) is None
    np.testing.assert_array_equal(volume.array, np.array([0, 5, 3])[label_values()])


def test_values_that_slicer_cannot_take_are_replaced_by_class_indices(tmp_path):
    scheme = LabelScheme((Label("background", 1), Label("a", 0), Label("b", -4)))
    write_seg_nrrd(label_values(), GRID, scheme, tmp_path / "a.seg.nrrd")
    volume, back = read_segmentation(tmp_path / "a.seg.nrrd")
    np.testing.assert_array_equal(volume.array, label_values())
    assert [(label.name, label.value) for label in back.labels] == [("background", 0), ("a", 1), ("b", 2)]


def test_the_header_has_the_fields_that_slicer_reads(tmp_path):
    write_seg_nrrd(label_values(), GRID, SCHEME, tmp_path / "a.seg.nrrd")
    fields = read_header(tmp_path / "a.seg.nrrd").metadata
    assert fields["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert fields["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    assert fields["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert fields["Segment0_ID"] != fields["Segment1_ID"]
    assert fields["Segment0_Extent"] == "0 7 0 6 0 5"
    assert fields["Segment0_Color"] == "0.25 0.5 0.75"
    assert f"TerminologyEntry:{MASS}|" in fields["Segment0_Tags"]
    assert "TerminologyEntry" not in fields["Segment1_Tags"]


def test_a_code_becomes_a_terminology_entry():
    def entry(text):
        return terminology_entry(Label("tumour", 1, terminology=text))

    parts = entry("SCT:4147007 Mass").split("~")
    assert parts[2] == "SCT^4147007^Mass" and len(parts) == 7
    assert entry("SCT:4147007").split("~")[2] == "SCT^4147007^tumour"
    assert entry(MASS) == MASS
    assert entry("a mass in the brain") is entry(None) is None, "words are no code"


@pytest.mark.skipif(find_spec("slicer") is None, reason="needs slicer-core (the extra 'standalone')")
def test_slicers_own_reader_and_writer_agree(tmp_path):
    write_seg_nrrd(label_values(), GRID, SCHEME, tmp_path / "ours.seg.nrrd")
    program = f"""
import json, slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
node = slicer.vtkMRMLSegmentationNode()
scene = slicer.vtkMRMLScene()
scene.AddNode(node)
storage = slicer.vtkMRMLSegmentationStorageNode()
scene.AddNode(storage)
storage.SetFileName({str(tmp_path / "ours.seg.nrrd")!r})
assert storage.ReadData(node)
segmentation = node.GetSegmentation()
rows = []
for number in range(segmentation.GetNumberOfSegments()):
    segment = segmentation.GetNthSegment(number)
    image = segment.GetRepresentation("Binary labelmap")
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    rows.append([segment.GetName(), segment.GetLabelValue(), segment.GetColor(),
                 int((values == segment.GetLabelValue()).sum())])
storage.SetFileName({str(tmp_path / "theirs.seg.nrrd")!r})
assert storage.WriteData(node)
print("RESULT", json.dumps(rows))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr
    rows = json.loads(lines[0].removeprefix("RESULT "))
    assert rows == [["grey matter", 5, [0.25, 0.5, 0.75], 18], ["Läsion", 3, [1.0, 0.0, 0.125], 18]]
    # what Slicer writes, with whatever extent it chooses, is what we wrote
    volume, scheme = read_segmentation(tmp_path / "theirs.seg.nrrd")
    # Slicer gives segments without a terminology a default one
    assert [replace(label, terminology=None) for label in scheme.labels] == [
        replace(label, terminology=None) for label in SCHEME.labels
    ]
    assert scheme.labels[1].terminology == MASS
    aligned = labels_on_grid(volume, tmp_path / "theirs.seg.nrrd", GRID)
    np.testing.assert_array_equal(aligned, np.array([0, 5, 3])[label_values()])


def test_layers_are_joined_into_one_label_map(tmp_path):
    path = write_layers(
        tmp_path / "a.seg.nrrd",
        [block(slice(0, 2)), block(slice(2, 4))],
        **segment(0, "first", 0, 1),
        **segment(1, "second", 1, 1),
    )
    volume, scheme = read_segmentation(path)
    assert scheme.names == ("background", "first", "second")
    np.testing.assert_array_equal(volume.array, block(slice(0, 2)) + 2 * block(slice(2, 4)))


def test_old_files_have_a_layer_a_segment_and_no_values(tmp_path):
    fields = {"Segment0_ID": "a", "Segment0_Name": "A", "Segment1_ID": "b", "Segment1_Name": "B"}
    path = write_layers(tmp_path / "a.seg.nrrd", [block(slice(0, 2)), block(slice(2, 4))], **fields)
    volume, scheme = read_segmentation(path)
    assert scheme.names == ("background", "A", "B")
    assert int((volume.array == 2).sum()) == 8


def test_overlapping_segments_are_refused_by_name_or_the_last_wins(tmp_path):
    path = write_layers(
        tmp_path / "a.seg.nrrd",
        [block(slice(0, 3)), block(slice(2, 5))],
        **segment(0, "first", 0, 1),
        **segment(1, "second", 1, 1),
    )
    with pytest.raises(LabelError, match=r"a\.seg\.nrrd.*'first' and 'second' share 4 voxels"):
        read_segmentation(path)
    volume, _ = read_segmentation(path, overlap="last")
    np.testing.assert_array_equal(volume.array[2], 2 * block(slice(2, 3))[2])


def test_a_segment_named_background_is_the_background(tmp_path):
    layer = block(slice(0, 2)) + 2 * block(slice(2, 4))
    path = write_layers(
        tmp_path / "a.seg.nrrd", [layer], **segment(0, "Background", 0, 1), **segment(1, "organ", 0, 2)
    )
    volume, scheme = read_segmentation(path)
    assert scheme.names == ("background", "organ")
    assert set(np.unique(volume.array)) == {0, 2}


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        (segment(0, "a", 0, 2), "values that no segment has: 1"),
        (segment(0, "a", 3, 1), "a layer that is not there"),
        (segment(0, "a", "x", 1), "damaged header: segment 0"),
        ({**segment(0, "a", 0, 1), **segment(1, "A", 0, 2)}, "share the name"),
        (
            {"Segmentation_MasterRepresentation": "Fractional labelmap", **segment(0, "a", 0, 1)},
            "'Fractional labelmap'",
        ),
    ],
)
def test_contradictory_segmentations_are_refused(tmp_path, fields, cause):
    path = write_layers(tmp_path / "a.seg.nrrd", [block(slice(0, 2))], **fields)
    with pytest.raises(LabelError, match=cause) as caught:
        read_segmentation(path)
    assert caught.value.file == str(path)


def test_a_plain_nrrd_is_a_label_map_without_names(tmp_path):
    volume, scheme = read_segmentation(put(tmp_path / "a.nrrd", label_values()))
    assert scheme is None
    np.testing.assert_array_equal(volume.array, label_values())


@pytest.mark.parametrize("value", [0.5, 1e12])
def test_numbers_that_are_no_labels_are_refused(tmp_path, value):
    values = label_values().astype(np.float64)
    values[0, 0, 0] = value
    write_volume(Volume(values, GRID), tmp_path / "a.nii")
    with pytest.raises(LabelError, match=r"a\.nii: holds"):
        read_segmentation(tmp_path / "a.nii")


def test_a_label_map_holds_the_schemes_values(tmp_path):
    write_labelmap(label_values(), GRID, SCHEME, tmp_path / "a.nii.gz")
    written = read_volume(tmp_path / "a.nii.gz")
    assert written.array.dtype == np.uint8
    np.testing.assert_array_equal(written.array, np.array([0, 5, 3])[label_values()])


def test_unlabelled_voxels_are_not_written(tmp_path):
    indices = label_values().astype(np.int16)
    indices[0, 0, 0] = UNLABELLED
    for write, name in ((write_labelmap, "a.nii.gz"), (write_seg_nrrd, "a.seg.nrrd")):
        with pytest.raises(LabelError, match="unlabelled"):
            write(indices, GRID, SCHEME, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_segmentation_needs_its_ending(tmp_path):
    with pytest.raises(SettingsError, match=r"\.seg\.nrrd"):
        write_seg_nrrd(label_values(), GRID, SCHEME, tmp_path / "a.nrrd")
