"""Cohorts from the layouts in which people keep their cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from TransferRiskLib.cases import (
    layouts_datasets,
    layouts_fets,
    layouts_folders,
    layouts_iseg,
    layouts_lists,
)
from TransferRiskLib.cases.case import Case, Cohort
from TransferRiskLib.cases.case_names import images_in
from TransferRiskLib.cases.label_files import read_label_scheme
from TransferRiskLib.cases.labels import Label, LabelScheme
from TransferRiskLib.errors import CaseError
from TransferRiskLib.places import why_not
from TransferRiskLib.volumes.dicom import holds_series
from TransferRiskLib.volumes.io import is_image_file

_LABEL_FILES = ("labels.json", "dataset.json", "labels.label", "labels.txt")
_LISTS = ("cohort.json", "cohort.csv")
_LAYOUTS = (
    "Known layouts: a folder a case (case_7/T1.nii.gz, case_7/label.nii.gz); images/ and labels/; "
    "a Decathlon task or an nnU-Net raw dataset (dataset.json, imagesTr/, labelsTr/); "
    "FeTS or BraTS (FeTS21_Training_001/FeTS21_Training_001_t1.nii.gz, ..._seg.nii.gz); "
    "iSeg (subject-1-T1.hdr, subject-1-T2.hdr, subject-1-label.hdr); "
    "a CSV or JSON list; one folder of images; a single image or DICOM series."
)


def read_cohort(path: Path, *, channels: Sequence[str] | None = None, labels: Path | None = None) -> Cohort:
    """The cohort that a folder or list holds, whatever its layout.

    Nothing is read but names, lists and a few headers.

    Args:
        path: A folder (a folder a case, `images/` + `labels/`, a Decathlon task, an nnU-Net raw
            dataset, FeTS, iSeg, or images side by side), a CSV or JSON list, or a single image.
        channels: Names of the channels, in the files' order, where neither file names nor the
            dataset name them: `images/case_7.nii.gz`, or the components of a 4-D file.
        labels: A label file (see `read_label_scheme`). By default `labels.json`, `dataset.json`,
            `labels.label` or `labels.txt` in the folder, the segment names of `.seg.nrrd` files, or
            what the labels of FeTS, BraTS and iSeg are known to mean.

    Raises:
        CaseError: an empty or unrecognised folder, one that may not be read, a missing file, or cases
            of one name.
        LabelError: a label file that cannot be used.
    """
    try:
        return _read_cohort(Path(path), channels, labels)
    except OSError as error:
        raise CaseError(
            f"cannot be read ({why_not(error)}).",
            file=error.filename or path,
            hint="Ask its owner for access, or check that its drive is connected.",
        ) from error


def _read_cohort(path: Path, channels: Sequence[str] | None, labels: Path | None) -> Cohort:
    if not path.exists():
        raise CaseError("does not exist.", file=path, hint=_LAYOUTS)
    folder = path if path.is_dir() else path.parent
    label_file = labels or _label_file_in(folder)
    cases, scheme, name = _cases(path, channels, label_file is not None)
    if not cases:
        raise CaseError("holds no cases.", file=path, hint=_LAYOUTS)
    repeated, count = Counter(case.name for case in cases).most_common(1)[0]
    if count > 1:
        raise CaseError(
            f"holds {count} cases named {repeated!r}.", file=path, hint="Give every case a name of its own."
        )
    if labels is not None:
        scheme = read_label_scheme(labels)
    elif scheme is None and any(case.labels is not None for case in cases):
        scheme = read_label_scheme(label_file) if label_file else _scheme_of_segmentations(cases)
    return Cohort(cases, scheme, name or (path.name if path.is_dir() else path.stem))


def write_cohort(cohort: Cohort, path: Path) -> None:
    """Write a cohort as a JSON list that `read_cohort` reads back; paths are relative to it.

    Raises:
        StorageError: no space or no permission.
    """
    layouts_lists.write_json_list(cohort, path)


def _cases(
    path: Path, channels: Sequence[str] | None, has_label_file: bool
) -> tuple[tuple[Case, ...], LabelScheme | None, str]:
    if path.is_file():
        return _from_file(path, channels)
    if (path / "dataset.json").is_file():
        return _from_dataset(path, layouts_lists.parse_json(path / "dataset.json")), None, ""
    found = next((path / name for name in _LISTS if (path / name).is_file()), None)
    if found is not None:
        return _from_file(found, channels)
    if (path / "images").is_dir():
        return layouts_folders.images_and_labels(path, channels), None, ""
    if images_in(path) and not holds_series(path):
        cases = layouts_folders.one_folder(path, channels)
        known = None if has_label_file else layouts_iseg.iseg(cases)
        return (cases, None, "") if known is None else (known, layouts_iseg.ISEG_SCHEME, "")
    cases = layouts_folders.folder_a_case(path, channels)
    known = None if has_label_file else layouts_fets.fets(cases)
    if known is not None:
        return known, layouts_fets.FETS_SCHEME, ""
    if not cases and holds_series(path):
        cases = layouts_folders.single_image(path, channels)
    return cases, None, ""


def _from_file(
    path: Path, channels: Sequence[str] | None
) -> tuple[tuple[Case, ...], LabelScheme | None, str]:
    ending = path.suffix.casefold()
    if ending in (".csv", ".tsv"):
        return layouts_lists.csv_list(path), None, ""
    if ending == ".json":
        document = layouts_lists.parse_json(path)
        if isinstance(document, Mapping) and "cases" not in document:
            return _from_dataset(path.parent, document), None, path.parent.name
        return layouts_lists.json_list(path, document)
    if is_image_file(path):
        return layouts_folders.single_image(path, channels), None, ""
    raise CaseError("is no cohort.", file=path, hint=_LAYOUTS)


def _from_dataset(folder: Path, document: Any) -> tuple[Case, ...]:
    if layouts_datasets.is_nnunet(folder, document):
        return layouts_datasets.nnunet(folder, document)
    if isinstance(document, Mapping) and "training" in document:
        return layouts_datasets.decathlon(folder, document)
    raise CaseError(
        "is neither a Decathlon nor an nnU-Net dataset.json.", file=folder / "dataset.json", hint=_LAYOUTS
    )


def _label_file_in(folder: Path) -> Path | None:
    return next((folder / name for name in _LABEL_FILES if (folder / name).is_file()), None)


def _scheme_of_segmentations(cases: Sequence[Case]) -> LabelScheme | None:
    """The names of all `.seg.nrrd` label files, if they all are: a structure may lack in a case."""
    files = [case.labels for case in cases if case.labels is not None]
    if not all(file.name.casefold().endswith(".seg.nrrd") for file in files):
        return None
    union: dict[str, Label] = {}
    for file in files:
        for label in read_label_scheme(file).labels:
            union.setdefault(label.name.casefold(), label)
    # values of different files may clash; names decide when the files are read
    return LabelScheme(tuple(replace(label, value=n) for n, label in enumerate(union.values())))
