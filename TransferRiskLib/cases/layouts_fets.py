"""FeTS 2021 and the BraTS releases that name their files alike: four contrasts and `seg` a case."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from TransferRiskLib.cases.case import Case, ChannelFile
from TransferRiskLib.cases.labels import BACKGROUND, Label, LabelScheme, distinct_colour
from TransferRiskLib.cases.merging import region_merge
from TransferRiskLib.errors import CaseError

FETS_SCHEME = LabelScheme(
    (
        Label(BACKGROUND, 0, (0.0, 0.0, 0.0)),
        Label("necrotic core", 1, distinct_colour(0), "SCT:6574001 Necrosis"),
        Label("edema", 2, distinct_colour(1), "SCT:79654002 Edema"),
        Label("enhancing tumour", 4, distinct_colour(2)),
    )
)
"""Labels of FeTS 2021, 2022 and of BraTS 2018 to 2021; the necrotic core includes non-enhancing tumour."""

REGION_MERGES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        region: region_merge(FETS_SCHEME, region, members)
        for region, members in {
            "whole tumour": ("necrotic core", "edema", "enhancing tumour"),
            "tumour core": ("necrotic core", "enhancing tumour"),
            "enhancing tumour": ("enhancing tumour",),
        }.items()
    }
)
"""The evaluated regions by name; each is the `merge` of `load_case` that makes it a binary target."""

_CHANNELS = {"t1": "T1", "t1ce": "T1ce", "t2": "T2", "flair": "FLAIR"}
_LABELS = "seg"
_FILE = re.compile(rf"(.+)_({'|'.join(_CHANNELS)}|{_LABELS})\.nii(\.gz)?", flags=re.IGNORECASE)
_GENERIC = "To read the folder by other names, say what the labels mean: labels.json in it, or a label file."
_PARTITION_HINT = "It has the columns Partition_ID and Subject_ID, one row a case, as partitioning_1.csv."


def fets(cases: Sequence[Case]) -> tuple[Case, ...] | None:
    """The cases of a folder a case, if they are of this layout: channels T1, T1ce, T2, FLAIR.

    They are when a folder holds `X_t1`, `X_t1ce`, `X_t2`, `X_flair` and `X_seg` (`.nii.gz` or `.nii`),
    whatever X is. A case without `seg` is a scan to segment; further images are further channels.

    Raises:
        CaseError: another case lacks a contrast, or has labels of another name.
    """
    parts = [_parts(case) for case in cases]
    if not any(len(found) == len(_CHANNELS) + 1 for found in parts):
        return None
    result = []
    for case, found in zip(cases, parts, strict=True):
        wanted = [*_CHANNELS, _LABELS] if case.labels is not None else list(_CHANNELS)
        missing = [suffix for suffix in wanted if suffix not in found]
        if missing:
            raise CaseError(
                f"has no file {case.name}_{missing[0]}.nii.gz; its neighbours are FeTS or BraTS cases.",
                file=next(iter(case.images.values())).path.parent,
                hint=f"Add the file or move the folder away. {_GENERIC}",
            )
        images = {name: ChannelFile(found[suffix]) for suffix, name in _CHANNELS.items()}
        others = {name: file for name, file in case.images.items() if file.path not in found.values()}
        result.append(replace(case, images={**images, **others}))
    return tuple(result)


def read_institutions(path: Path, cases: Sequence[Case]) -> dict[str, tuple[Case, ...]]:
    """The cases of every institution, from `partitioning_1.csv` or `partitioning_2.csv`.

    Args:
        path: A CSV with the columns `Partition_ID` (the institution) and `Subject_ID` (the case's
            name); other columns are ignored.
        cases: The cohort's. Those that no row names are in no institution.

    Returns:
        Institution to cases, both in the order of the rows.

    Raises:
        CaseError: other columns, a row without an entry, a subject that is no case or stands twice.
    """
    path = Path(path)
    known = {case.name: case for case in cases}
    result: dict[str, list[Case]] = {}
    missing, seen = [], set()
    for line, institution, subject in _rows(path):
        if subject in seen:
            raise CaseError(f"names {subject!r} again in line {line}.", file=path, hint=_PARTITION_HINT)
        seen.add(subject)
        if subject in known:
            result.setdefault(institution, []).append(known[subject])
        else:
            missing.append(subject)
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise CaseError(
            f"names {len(missing)} of {len(seen)} subjects that no folder has: {shown}.",
            file=path,
            hint="Complete the data, or take these rows out of a copy of the list.",
        )
    if not result:
        raise CaseError("names no subject.", file=path, hint=_PARTITION_HINT)
    return {institution: tuple(members) for institution, members in result.items()}


def _parts(case: Case) -> dict[str, Path]:
    """The case's files of this layout by lower-case suffix; none if they do not share one prefix."""
    files = [file.path for file in case.images.values()]
    if case.labels is not None:
        files.append(case.labels)
    matches = [(match, file) for file in files if (match := _FILE.fullmatch(file.name))]
    if len({match[1] for match, _ in matches}) != 1:
        return {}
    return {match[2].lower(): file for match, file in matches}


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Line number, institution and subject of every row."""
    if not path.is_file():
        raise CaseError("does not exist.", file=path, hint="Give the list of institutions of the data set.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        reader = csv.DictReader(lines, strict=True, restval="")
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        if not {"Partition_ID", "Subject_ID"} <= set(columns):
            raise CaseError(f"has the columns {columns}.", file=path, hint=_PARTITION_HINT)
        rows = []
        for row in reader:
            institution, subject = row["Partition_ID"].strip(), row["Subject_ID"].strip()
            if not institution or not subject:
                raise CaseError(
                    f"has no institution or no subject in line {reader.line_num}.",
                    file=path,
                    hint=_PARTITION_HINT,
                )
            rows.append((reader.line_num, institution, subject))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CaseError(f"is not a CSV file in UTF-8 ({error}).", file=path, hint=_PARTITION_HINT) from error
    return rows
