"""Cohorts written down as a CSV or JSON list."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from TransferRiskLib.atomic import write_json
from TransferRiskLib.cases.attribution import about
from TransferRiskLib.cases.case import Annotation, Case, ChannelFile, Cohort
from TransferRiskLib.cases.label_files import read_label_scheme, scheme_from_json, scheme_to_json
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import CaseError, SettingsError
from TransferRiskLib.records import from_json, to_json

_COLUMNS = {"name": "name", "subject": "subject", "labels": "labels", "label": "labels", "mask": "mask"}
_CSV_HINT = (
    "A CSV list has the columns name, subject (optional), labels (optional), and one for each channel."
)
_CASE_FIELDS = {"name", "images", "labels", "subject", "annotation"}


def csv_list(path: Path) -> tuple[Case, ...]:
    """Cases of a CSV list: `name`, `subject`?, `labels`?, `mask`?, and a column for each channel.

    Paths are relative to the list's folder. An empty cell is a channel that the case lacks, or a
    case without labels. `mask` names a map that is non-zero where the case was annotated.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError("is not UTF-8 text.", file=path, hint="Save it as CSV UTF-8.") from error
    lines = text.splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    columns = [column.strip() for column in reader.fieldnames or []]
    reader.fieldnames = columns
    channels = [column for column in columns if column.casefold() not in _COLUMNS]
    if "name" not in [column.casefold() for column in columns] or not channels:
        raise CaseError(f"has the columns {columns}.", file=path, hint=_CSV_HINT)
    repeated = _repeated(_COLUMNS.get(column.casefold(), column) for column in columns if column)
    if repeated is not None:
        raise CaseError(f"has two columns for {repeated!r}.", file=path, hint=_CSV_HINT)
    cases = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise CaseError(
                    f"has a wrong number of cells in line {reader.line_num}.", file=path, hint=_CSV_HINT
                )
            cells = {_COLUMNS.get(key.casefold(), key): value.strip() for key, value in row.items()}
            if not any(cells.values()):
                continue
            where = f"line {reader.line_num}"
            images = {name: ChannelFile(_file(path, cells[name], where)) for name in channels if cells[name]}
            labels, mask = (
                _file(path, cells[key], where) if cells.get(key) else None for key in ("labels", "mask")
            )
            cases.append(
                _case(path, where, cells["name"], images, labels, Annotation(mask=mask), cells.get("subject"))
            )
    except csv.Error as error:
        raise CaseError(
            f"is not valid CSV (line {reader.line_num}: {error}).", file=path, hint=_CSV_HINT
        ) from error
    return tuple(cases)


def json_list(path: Path, document: Any) -> tuple[tuple[Case, ...], LabelScheme | None, str]:
    """Cases, label scheme and name of a JSON list as `write_json_list` writes it.

    The document is a list of cases, or an object with `cases` and, optionally, `name` and `labels`
    (a list of labels, a mapping of names to values, or the path of a label file). A case has
    `name`, `images` (channel to path, or to `{"path", "component"}`), and optionally `labels`,
    `subject` and `annotation`. Paths are relative to the list's folder.
    """
    entries = document.get("cases") if isinstance(document, Mapping) else document
    if not isinstance(entries, list):
        raise CaseError("lists no cases.", file=path, hint='It needs {"cases": [{"name", "images"}, ...]}.')
    cases = tuple(_json_case(path, entry, f"case {number}") for number, entry in enumerate(entries))
    scheme, name = None, ""
    if isinstance(document, Mapping):
        name = str(document.get("name", ""))
        labels = document.get("labels")
        if isinstance(labels, str):
            scheme = read_label_scheme(_file(path, labels, "labels"))
        elif labels is not None:
            with about(path):
                scheme = scheme_from_json(labels)
    return cases, scheme, name


def write_json_list(cohort: Cohort, path: Path) -> None:
    """Write a cohort as a JSON list with paths relative to its folder.

    Raises:
        StorageError: no space or no permission.
    """
    path = Path(path)
    cases = []
    for case in cohort.cases:
        record: dict[str, Any] = {
            "name": case.name,
            "images": {
                name: _relative(path, file.path)
                if file.component is None
                else {"path": _relative(path, file.path), "component": file.component}
                for name, file in case.images.items()
            },
        }
        if case.labels is not None:
            record["labels"] = _relative(path, case.labels)
        if case.subject is not None:
            record["subject"] = case.subject
        annotation = {key: value for key, value in to_json(case.annotation).items() if value is not None}
        if case.annotation != Annotation():
            if case.annotation.mask is not None:
                annotation["mask"] = _relative(path, case.annotation.mask)
            record["annotation"] = annotation
        cases.append(record)
    document: dict[str, Any] = {"name": cohort.name, "cases": cases}
    if cohort.scheme is not None:
        document["labels"] = scheme_to_json(cohort.scheme)
    write_json(path, document)


def parse_json(path: Path) -> Any:
    """A JSON document; CaseError when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise CaseError(f"is not valid JSON ({error}).", file=path, hint="Correct the file.") from error


def _json_case(path: Path, entry: Any, where: str) -> Case:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("images"), Mapping):
        raise CaseError(f"has no images for {where}.", file=path, hint='Each case needs "name" and "images".')
    unknown = sorted(set(entry) - _CASE_FIELDS)
    if unknown:
        hint = f"Known are {', '.join(sorted(_CASE_FIELDS))}."
        raise CaseError(f"has an unknown field {unknown[0]!r} in {where}.", file=path, hint=hint)
    try:
        images = {}
        for channel, value in entry["images"].items():
            given = {"path": value} if isinstance(value, str) else value
            file = from_json(ChannelFile, given, f"{where}.images.{channel}")
            images[channel] = ChannelFile(_file(path, str(file.path), where), file.component)
        labels = from_json(str, entry.get("labels") or "", f"{where}.labels")
        subject = from_json(str, entry.get("subject") or "", f"{where}.subject")
        annotation = from_json(Annotation, dict(entry.get("annotation") or {}), f"{where}.annotation")
    except (SettingsError, TypeError, ValueError) as error:
        raise CaseError(
            f"is not a list of cases: {error}", file=path, hint="See the documentation."
        ) from error
    if annotation.mask is not None:
        mask = _file(path, str(annotation.mask), where)
        annotation = replace(annotation, mask=mask)
    label_file = _file(path, labels, where) if labels else None
    return _case(path, where, entry.get("name"), images, label_file, annotation, subject)


def _case(
    path: Path,
    where: str,
    name: Any,
    images: dict[str, ChannelFile],
    labels: Path | None,
    annotation: Annotation,
    subject: str | None,
) -> Case:
    if not isinstance(name, str) or not name.strip():
        raise CaseError(f"has no name in {where}.", file=path, hint="Give every case a name.")
    if not images:
        raise CaseError(f"has no image for the case {name!r}.", file=path, hint="Give at least one channel.")
    repeated = _repeated(images)
    if repeated is not None:
        raise CaseError(
            f"names two channels {repeated!r} for the case {name!r}; capitals do not tell channels apart.",
            file=path,
            hint="Give every channel a name of its own.",
        )
    return Case(name.strip(), images, labels, annotation, subject or None)


def _repeated(names: Iterable[str]) -> str | None:
    """The first name that comes again, ignoring case."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            return name
        seen.add(name.casefold())
    return None


def _file(list_file: Path, text: str, where: str) -> Path:
    """A path of the list, found relative to the list's folder."""
    found = list_file.parent / Path(text).expanduser()
    if not found.exists():
        raise CaseError(
            "does not exist.",
            file=found,
            hint=f"{list_file.name} names it ({where}); paths are relative to the list's folder.",
        )
    return found


def _relative(list_file: Path, path: Path) -> str:
    folder = list_file.parent.resolve()
    try:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()
