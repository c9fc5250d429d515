"""Cohorts that bring a `dataset.json`: Medical Segmentation Decathlon and nnU-Net raw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.case import Annotation, Case, ChannelFile
from TransferRiskLib.cases.case_names import images_in
from TransferRiskLib.cases.label_files import unlabelled_value_of
from TransferRiskLib.errors import CaseError
from TransferRiskLib.volumes.io import image_stem

_HINT = "Check dataset.json against the folder's files."


def is_nnunet(folder: Path, document: Any) -> bool:
    """Whether a `dataset.json` is nnU-Net's, whose images have one file a channel (`_0000`)."""
    if not isinstance(document, Mapping):
        return False
    images = folder / "imagesTr"
    return "channel_names" in document or (
        images.is_dir() and any(re.search(r"_\d{4}$", image_stem(file)) for file in images_in(images))
        and not any(image.is_file() for image, _ in _training(folder, document))
    )  # fmt: skip


def decathlon(folder: Path, document: Mapping[str, Any]) -> tuple[Case, ...]:
    """The training cases of a Decathlon task; several modalities are components of one 4-D file."""
    names = _numbered(folder, document.get("modality"), "modality")
    pairs = _training(folder, document)
    if not pairs:
        raise CaseError("lists no training cases.", file=folder / "dataset.json", hint=_HINT)
    cases = []
    for image, labels in pairs:
        for path in (image, labels):
            if path is not None and not path.is_file():
                raise CaseError("is listed in dataset.json but not there.", file=path, hint=_HINT)
        channels = {name: ChannelFile(image, number) for number, name in enumerate(names)}
        cases.append(Case(image_stem(image), channels, labels))
    return tuple(cases)


def nnunet(folder: Path, document: Mapping[str, Any]) -> tuple[Case, ...]:
    """The training cases of an nnU-Net raw dataset (`imagesTr/case_7_0000.nii.gz`, `labelsTr/case_7.nii.gz`).

    The value of the label `ignore` marks unlabelled voxels.
    """
    names = _numbered(folder, document.get("channel_names", document.get("modality")), "channel_names")
    images, labels = folder / "imagesTr", folder / "labelsTr"
    if not images.is_dir():
        raise CaseError("has no folder imagesTr.", file=folder, hint=_HINT)
    found: dict[str, dict[int, Path]] = {}
    for file in images_in(images):
        match = re.fullmatch(r"(.+)_(\d{4})", image_stem(file))
        if match is None or int(match[2]) >= len(names):
            raise CaseError(
                "does not end in the number of a channel of dataset.json.",
                file=file,
                hint=f"The channels are {', '.join(f'{n:04d} ({name})' for n, name in enumerate(names))}.",
            )
        found.setdefault(match[1], {})[int(match[2])] = file
    label_files = {image_stem(file): file for file in images_in(labels)} if labels.is_dir() else {}
    orphans = sorted(set(label_files) - set(found))
    if orphans:
        raise CaseError("holds labels of no image.", file=label_files[orphans[0]], hint=_HINT)
    annotation = Annotation(unlabelled_value=unlabelled_value_of(document))
    cases = []
    for name, files in sorted(found.items()):
        missing = [n for n in range(len(names)) if n not in files]
        if missing:
            raise CaseError(
                f"The case {name!r} lacks the channel {names[missing[0]]!r} (_{missing[0]:04d}).",
                file=images,
                hint=_HINT,
            )
        channels = {channel: ChannelFile(files[n]) for n, channel in enumerate(names)}
        cases.append(Case(name, channels, label_files.get(name), annotation))
    return tuple(cases)


def _training(folder: Path, document: Mapping[str, Any]) -> list[tuple[Path, Path | None]]:
    entries = document.get("training", [])
    if not isinstance(entries, list):
        return []
    pairs = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("image"), str):
            raise CaseError(
                "lists a training case without an image.", file=folder / "dataset.json", hint=_HINT
            )
        label = entry.get("label")
        pairs.append((folder / entry["image"], folder / label if isinstance(label, str) else None))
    return pairs


def _numbered(folder: Path, table: Any, key: str) -> list[str]:
    """Names by number from `{"0": "FLAIR", "1": "T1"}`."""
    if isinstance(table, Mapping) and table:
        names = {str(number): name for number, name in table.items()}
        ordered = [names.get(str(number)) for number in range(len(names))]
        if all(isinstance(name, str) for name in ordered):
            texts = [str(name) for name in ordered]
            if len({text.casefold() for text in texts}) == len(texts):
                return texts
    raise CaseError(
        f"has no usable {key!r}.",
        file=folder / "dataset.json",
        hint=f'It should name each channel once: "{key}": {{"0": "FLAIR", "1": "T1"}}.',
    )
