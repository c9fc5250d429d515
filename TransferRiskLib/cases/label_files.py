"""Label schemes from the files in which people write them down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.labels import BACKGROUND, Label, LabelScheme, distinct_colour
from TransferRiskLib.cases.segment_fields import is_segmentation, read_segments, scheme_of
from TransferRiskLib.errors import LabelError
from TransferRiskLib.volumes.io import read_header

IGNORE = "ignore"
"""nnU-Net's name for the value of voxels that nobody annotated; it is no label of the scheme."""

_KNOWN = (
    "Known are: dataset.json of the Medical Segmentation Decathlon or of nnU-Net, a Slicer .seg.nrrd, "
    'an ITK-SNAP label description, and JSON such as {"background": 0, "lesion": 1}.'
)
# index, red, green, blue, opacity, visibility, mesh visibility, "name"
_SNAP_LINE = re.compile(r'^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.eE+-]+\s+\d+\s+\d+\s+"(.*)"\s*$')


def read_label_scheme(path: Path) -> LabelScheme:
    """The label scheme that a file describes.

    Args:
        path: A Decathlon or nnU-Net `dataset.json`, a simple JSON (`{"background": 0, "lesion": 1}`
            or `{"labels": [{"name", "value", "colour"?, "terminology"?}]}`), a Slicer `.seg.nrrd`,
            or an ITK-SNAP label description (`.label`, `.txt`).

    Raises:
        LabelError: no such format, region-based labels, or contradictory labels.
    """
    path = Path(path)
    if not path.is_file():
        raise LabelError("does not exist.", file=path, hint="Give a label file.")
    with about(path):
        if path.name.casefold().endswith((".nrrd", ".nhdr")):
            return _from_segmentation(path)
        document = _text(path)
        if path.suffix.casefold() == ".json":
            try:
                return scheme_from_json(json.loads(document))
            except json.JSONDecodeError as error:
                raise LabelError(f"is not valid JSON ({error}).", hint="Correct the file.") from error
        return _from_itksnap(document)


def scheme_to_json(scheme: LabelScheme) -> list[dict[str, Any]]:
    """The list of labels as JSON values."""
    rows: list[dict[str, Any]] = []
    for label in scheme.labels:
        row: dict[str, Any] = {"name": label.name, "value": label.value, "colour": list(label.colour)}
        rows.append(row if label.terminology is None else {**row, "terminology": label.terminology})
    return rows


def scheme_from_json(document: Any) -> LabelScheme:
    """The scheme of a parsed JSON document; formats and errors as in `read_label_scheme`."""
    labels = document.get("labels", document) if isinstance(document, Mapping) else document
    if isinstance(labels, list):
        return _with_background([_from_record(record, n) for n, record in enumerate(labels)])
    if isinstance(labels, Mapping) and labels:
        pairs = [(name, value) for name, value in _pairs(labels) if name.casefold() != IGNORE]
        return _with_background([Label(name, value, _colour(value)) for name, value in pairs])
    raise LabelError("describes no labels.", hint=_KNOWN)


def unlabelled_value_of(document: Any) -> int | None:
    """The value that an nnU-Net `dataset.json` reserves for voxels nobody annotated, or None."""
    labels = document.get("labels") if isinstance(document, Mapping) else None
    if not isinstance(labels, Mapping) or not labels:
        return None
    return next((value for name, value in _pairs(labels) if name.casefold() == IGNORE), None)


def _pairs(labels: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Names and values of `{"0": "background"}` (Decathlon) or `{"background": 0}` (nnU-Net)."""
    for name, value in labels.items():
        if isinstance(value, (list, tuple)):
            raise LabelError(
                f"has region-based labels ({name!r} is a union of {list(value)}), not supported here.",
                hint="Write a JSON file with one exclusive value a label; a task can merge labels by name.",
            )
    if all(_integer(key) is not None for key in labels) and all(isinstance(v, str) for v in labels.values()):
        return [(value.strip(), int(key)) for key, value in labels.items()]
    result = []
    for name, value in labels.items():
        number = _integer(value)
        if number is None:
            raise LabelError(f"gives the label {name!r} the value {value!r}, no whole number.", hint=_KNOWN)
        result.append((name.strip(), number))
    return result


def _from_record(record: Any, position: int) -> Label:
    if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
        raise LabelError(f"has no name for label number {position}.", hint=_KNOWN)
    name, value = record["name"].strip(), _integer(record.get("value"))
    if value is None:
        raise LabelError(f"gives the label {name!r} no whole number as value.", hint=_KNOWN)
    unknown = sorted(set(record) - {"name", "value", "colour", "color", "terminology"})
    if unknown:
        raise LabelError(
            f"has an unknown field {unknown[0]!r} for the label {name!r}.",
            hint="Known are name, value, colour, terminology.",
        )
    colour = record.get("colour", record.get("color", _colour(value)))
    try:
        red, green, blue = (float(part) for part in colour)
    except (TypeError, ValueError) as error:
        raise LabelError(f"gives the label {name!r} the colour {colour!r}.", hint=_COLOUR_HINT) from error
    if not all(0 <= part <= 1 for part in (red, green, blue)):
        raise LabelError(f"gives the label {name!r} the colour {colour!r}.", hint=_COLOUR_HINT)
    terminology = record.get("terminology")
    return Label(name, value, (red, green, blue), None if terminology is None else str(terminology))


_COLOUR_HINT = "A colour is red, green and blue between 0 and 1."


def _with_background(labels: list[Label]) -> LabelScheme:
    """The scheme of labels in any order; a background with value 0 is added where none is named."""
    background = [label for label in labels if label.name.casefold() == BACKGROUND]
    zero = next((label for label in labels if label.value == 0), None)
    if not background and zero is not None:
        raise LabelError(
            f"names the value 0 {zero.name!r}; no label is the background.",
            hint=f"Name one label {BACKGROUND!r}; it is what voxels outside every structure have.",
        )
    rest = [label for label in labels if label.name.casefold() != BACKGROUND]
    first = background or [Label(BACKGROUND, 0, (0.0, 0.0, 0.0))]
    return LabelScheme((*first, *rest))


def _from_segmentation(path: Path) -> LabelScheme:
    metadata = read_header(path, allow_flat=True).metadata
    if not is_segmentation(metadata):
        raise LabelError("is no Slicer segmentation: its header names no segments.", hint=_KNOWN)
    return scheme_of(read_segments(metadata))


def _from_itksnap(document: str) -> LabelScheme:
    labels = []
    for line in document.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SNAP_LINE.match(line)
        if match is None:
            raise LabelError(f"has a line that is no ITK-SNAP label: {line.strip()[:60]!r}.", hint=_KNOWN)
        value = int(match[1])
        red, green, blue = (int(part) / 255 for part in match.groups()[1:4])
        # ITK-SNAP's label 0 is by definition the cleared background, whatever it is called
        labels.append(Label(BACKGROUND if value == 0 else match[5].strip(), value, (red, green, blue)))
    if not labels:
        raise LabelError("describes no labels.", hint=_KNOWN)
    return _with_background(labels)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"cannot be read as text ({error}).", hint=_KNOWN) from error


def _colour(value: int) -> tuple[float, float, float]:
    return (0.0, 0.0, 0.0) if value == 0 else distinct_colour(max(value - 1, 0))


def _integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
