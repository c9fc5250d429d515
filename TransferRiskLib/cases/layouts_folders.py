"""Cohorts told by folders and file names: a folder a case, images/ + labels/, one folder of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib.cases.case import Case, ChannelFile
from TransferRiskLib.cases.case_names import (
    IMAGE,
    images_in,
    is_label_stem,
    match_labels,
    split_channel,
)
from TransferRiskLib.errors import CaseError
from TransferRiskLib.volumes.dicom import holds_series
from TransferRiskLib.volumes.io import image_stem, read_header


def folder_a_case(folder: Path, channels: Sequence[str] | None = None) -> tuple[Case, ...]:
    """`case_7/T1.nii.gz`, `case_7/FLAIR.nii.gz`, `case_7/label.nii.gz`.

    A stem may repeat the folder's name (`case_7/case_7_T1.nii.gz`); a channel may be a folder with
    a DICOM series (`case_7/T1/`). Folders without images are passed over.
    """
    cases = (_case_of(entry, channels) for entry in sorted(folder.iterdir()) if _is_visible_folder(entry))
    return tuple(case for case in cases if case is not None)


def images_and_labels(folder: Path, channels: Sequence[str] | None = None) -> tuple[Case, ...]:
    """`images/case_7.nii.gz` or `images/case_7_T1.nii.gz`, and `labels/case_7.nii.gz`.

    A case without a label file is a scan to segment.
    """
    labels = folder / "labels"
    return _grouped(images_in(folder / "images"), images_in(labels) if labels.is_dir() else [], channels)


def one_folder(folder: Path, channels: Sequence[str] | None = None) -> tuple[Case, ...]:
    """`case_7.nii.gz`, or `case_7_T1.nii.gz`, `case_7_T2.nii.gz`, `case_7_label.nii.gz` side by side."""
    files = images_in(folder)
    labels = [file for file in files if is_label_stem(image_stem(file))]
    return _grouped([file for file in files if file not in labels], labels, channels)


def single_image(path: Path, channels: Sequence[str] | None = None) -> tuple[Case, ...]:
    """One image file, or the folder of one DICOM series, as a cohort of one case."""
    stem = image_stem(path) if path.is_file() else path.name
    name, channel = split_channel(stem, channels)
    return (Case(name, _named(path, channel, channels)),)


def _case_of(folder: Path, channels: Sequence[str] | None) -> Case | None:
    images: dict[str, ChannelFile] = {}
    labels: Path | None = None
    for file in images_in(folder):
        stem = re.sub(rf"^{re.escape(folder.name)}[_.\-]", "", image_stem(file), flags=re.IGNORECASE)
        if is_label_stem(stem):
            if labels is not None:
                raise CaseError(
                    f"is a second label file beside {labels.name}.",
                    file=file,
                    hint="Keep one label file a case.",
                )
            labels = file
        else:
            known = split_channel(stem, channels)[1]
            unnamed = stem.casefold() == folder.name.casefold()
            _add(images, _named(file, known or (None if unnamed else stem), channels), file)
    if not images:
        series = [
            entry for entry in sorted(folder.iterdir()) if _is_visible_folder(entry) and holds_series(entry)
        ]
        for entry in series:
            images[entry.name] = ChannelFile(entry)
        if not images and labels is None and holds_series(folder):
            images = _named(folder, None, channels)
    if images:
        return Case(folder.name, images, labels)
    if labels is not None:
        raise CaseError("has labels but no image.", file=folder, hint="Put the images beside the labels.")
    return None


def _grouped(images: list[Path], labels: list[Path], channels: Sequence[str] | None) -> tuple[Case, ...]:
    cases: dict[str, dict[str, ChannelFile]] = {}
    for file in images:
        name, channel = split_channel(image_stem(file), channels)
        _add(cases.setdefault(name, {}), _named(file, channel, channels), file)
    found = match_labels(cases, labels)
    return tuple(Case(name, cases[name], found.get(name)) for name in sorted(cases))


def _named(path: Path, channel: str | None, channels: Sequence[str] | None) -> dict[str, ChannelFile]:
    """The channels of a file: named by its name, else by `channels`, else plain `image`."""
    if channel is not None:
        return {channel: ChannelFile(path)}
    if channels is not None and len(channels) == 1:
        return {channels[0]: ChannelFile(path)}
    count = read_header(path).components
    if channels is not None and count == len(channels):
        return {name: ChannelFile(path, n) for n, name in enumerate(channels)}
    if count == 1:
        return {IMAGE: ChannelFile(path)}
    return {f"{IMAGE}{n}": ChannelFile(path, n) for n in range(count)}


def _add(images: dict[str, ChannelFile], more: dict[str, ChannelFile], file: Path) -> None:
    known = {name.casefold(): there for name, there in images.items()}
    for name in more:
        if name.casefold() in known:
            raise CaseError(
                f"is a second file for the channel {name!r} beside {known[name.casefold()].path.name}.",
                file=file,
                hint="Keep one file a channel and case.",
            )
    images.update(more)


def _is_visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")
