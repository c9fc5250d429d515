"""Label maps and Slicer segmentations from files and back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.segment_fields import (
    Segment,
    is_background,
    is_segmentation,
    read_segments,
    scheme_of,
    segment_fields,
    values_of,
)
from TransferRiskLib.errors import LabelError, SettingsError
from TransferRiskLib.volumes.geometry import Geometry
from TransferRiskLib.volumes.io import read_header, read_volumes, write_volume
from TransferRiskLib.volumes.volume import Volume


def read_segmentation(
    path: Path, overlap: Literal["error", "last"] = "error"
) -> tuple[Volume, LabelScheme | None]:
    """A label map, and the names of its labels where the file has them.

    Args:
        path: Any image file with integer values, or a `.seg.nrrd` with one or several layers.
        overlap: What to do where segments of several layers overlap: refuse, or let the last one
            in the file's order win.

    Returns:
        The values as integers on the file's own grid, which for a `.seg.nrrd` may be smaller than
        the image's, and the scheme of a `.seg.nrrd` (None for other files). Segments keep their
        values where these differ; otherwise they count from 1.

    Raises:
        ImageError: an unreadable file.
        LabelError: values that are not whole numbers, several components, or overlapping segments.
    """
    path = Path(path)
    metadata = read_header(path, allow_flat=True).metadata
    layers = read_volumes(path, allow_flat=True)
    with about(path):
        values = [_whole_numbers(layer) for layer in layers]
        if is_segmentation(metadata):
            return _join(values, read_segments(metadata), overlap)
        if len(values) > 1:
            raise LabelError(
                f"holds {len(values)} components where one label map is expected.",
                hint="Save one 3-D label map, or a Slicer segmentation (.seg.nrrd).",
            )
    return values[0], None


def write_seg_nrrd(indices: np.ndarray, geometry: Geometry, scheme: LabelScheme, path: Path) -> None:
    """Write a Slicer segmentation with names, colours and terminology.

    Args:
        indices: Class indices of `scheme`, shape (k, j, i), none of them `UNLABELLED`.
        geometry: Their grid.
        scheme: The labels. Their values are kept where Slicer can take them (background 0, the
            others positive); otherwise class indices are stored.
        path: A file ending in `.seg.nrrd`.

    Raises:
        SettingsError: another file ending.
        LabelError: unlabelled voxels.
        StorageError: no space or no permission.
    """
    path = Path(path)
    if not path.name.casefold().endswith(".seg.nrrd"):
        raise SettingsError("must end in .seg.nrrd.", file=path, hint="Slicer tells segmentations by it.")
    values = [label.value for label in scheme.labels]
    if values[0] != 0 or min(values) < 0 or max(values) > np.iinfo(np.uint16).max:
        values = list(range(len(scheme)))
    with about(path):
        array = _decode(indices, values)
    fields = segment_fields(scheme, values[1:], geometry.size)
    write_volume(Volume(array, geometry), path, metadata=fields)


def write_labelmap(indices: np.ndarray, geometry: Geometry, scheme: LabelScheme, path: Path) -> None:
    """Write a plain label map that holds the scheme's values; arguments as in `write_seg_nrrd`.

    Raises:
        LabelError: unlabelled voxels.
        ImageError: a file ending that is not written.
        StorageError: no space or no permission.
    """
    with about(Path(path)):
        array = _decode(indices, [label.value for label in scheme.labels])
    write_volume(Volume(array, geometry), path)


def _decode(indices: np.ndarray, values: list[int]) -> np.ndarray:
    if indices.size and int(indices.min()) < 0:
        raise LabelError(
            "cannot hold unlabelled voxels.", hint="Give them a class before writing a segmentation."
        )
    kinds = (np.uint8, np.int16, np.uint16, np.int32)  # those that every reader takes, smallest first
    fits = (k for k in kinds if np.iinfo(k).min <= min(values) and max(values) <= np.iinfo(k).max)
    return np.asarray(values, dtype=next(fits, np.int64))[indices]


def _whole_numbers(volume: Volume) -> Volume:
    array = volume.array
    if array.dtype.kind in "iu":
        return volume
    # not a number compares unequal to itself, so it is caught here too
    strange = array[array != np.rint(array)]
    if strange.size:
        raise LabelError(
            f"holds {strange.size} values that are no whole numbers, such as {strange[0]:g}.",
            hint="Check that it is a label map and was not resampled with linear interpolation.",
        )
    if array.size and np.abs(array).max() > np.iinfo(np.int32).max:
        raise LabelError(
            f"holds values as large as {np.abs(array).max():g}.", hint="Check that it is a label map."
        )
    return volume.with_array(array.astype(np.int32))


def _join(layers: list[Volume], segments: list[Segment], overlap: str) -> tuple[Volume, LabelScheme]:
    """One label map from the layers of a segmentation."""
    values = values_of(segments)
    if any(not 0 <= segment.layer < len(layers) for segment in segments):
        raise LabelError("has a damaged header: a segment in a layer that is not there.")
    for number, layer in enumerate(layers):
        named = {segment.value for segment in segments if segment.layer == number}
        strangers = sorted(set(np.unique(layer.array).tolist()) - named - {0})
        if strangers:
            raise LabelError(
                f"holds values that no segment has: {', '.join(map(str, strangers[:5]))}.",
                hint="Open it in 3D Slicer, check the segments and save it again.",
            )
    result = np.zeros(layers[0].array.shape, dtype=np.int32)
    for segment, value in zip(segments, values, strict=True):
        if is_background(segment):
            continue
        inside = layers[segment.layer].array == segment.value
        taken = result[inside]
        taken = taken[taken != 0]
        if overlap == "error" and taken.size:
            other = segments[values.index(int(taken[0]))]
            count = int(np.count_nonzero(taken == taken[0]))
            raise LabelError(
                f"has overlapping segments: {other.name!r} and {segment.name!r} share {count} voxels.",
                hint="In 3D Slicer's Segment Editor, choose 'Overwrite other segments' and separate them.",
            )
        result[inside] = value
    return layers[0].with_array(result), scheme_of(segments)
