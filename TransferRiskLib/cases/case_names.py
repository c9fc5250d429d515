"""What file names tell: the case, the channel, and which file holds the labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from TransferRiskLib.errors import CaseError
from TransferRiskLib.volumes.io import image_stem, is_image_file

IMAGE = "image"
"""Name of a channel that nothing names."""

_CONTRASTS = (
    "T1", "T1w", "T1n", "T1c", "T1ce", "T1gd", "T1post", "T2", "T2w", "T2f", "FLAIR", "PD", "PDw",
    "IR", "T1_IR", "DWI", "ADC", "SWI", "CT", "PET",
)  # fmt: skip
_ALIKE = (
    ("T1", "T1w", "T1n"),
    ("T1c", "T1ce", "T1gd", "T1post"),
    ("T2", "T2w"),
    ("FLAIR", "T2f"),
    ("PD", "PDw"),
)
_LABELS = ("label", "labels", "seg", "segmentation")


def images_in(folder: Path) -> list[Path]:
    """The visible image files of a folder, by name; a pair of `.hdr` and `.img` is its `.hdr`."""
    files = sorted(filter(is_image_file, folder.iterdir()), key=lambda path: path.name)
    headers = {image_stem(file) for file in files if file.suffix.casefold() == ".hdr"}
    return [file for file in files if not (_is_data_half(file) and image_stem(file) in headers)]


def _is_data_half(path: Path) -> bool:
    return path.name.casefold().endswith((".img", ".img.gz"))


def is_label_stem(stem: str) -> bool:
    """Whether a file's stem says that it holds labels: `seg`, `case_7_label`."""
    return re.split(r"[_.\-]", stem.casefold())[-1] in _LABELS


def without_label_suffix(stem: str) -> str:
    """`case_7_label` gives `case_7`; other stems stay."""
    return re.sub(rf"[_.\-]({'|'.join(_LABELS)})$", "", stem, flags=re.IGNORECASE)


def split_channel(stem: str, channels: Sequence[str] | None = None) -> tuple[str, str | None]:
    """Case and channel of a stem such as `case_7_T1ce`; the channel is None when nothing names it.

    Only names of `channels` and common contrasts count as channels: the 190 of `hippocampus_190`
    belongs to the case.
    """
    names = sorted({*_CONTRASTS, *(channels or ())}, key=len, reverse=True)
    for name in names:
        match = re.fullmatch(rf"(.+)[_.\-]({re.escape(name)})", stem, flags=re.IGNORECASE)
        if match:
            return match[1], match[2]
    return stem, None


def same_contrast(name: str, other: str) -> bool:
    """Whether two names of contrasts mean one: `T1` and `T1w`, in whatever capitals."""
    pair = {name.casefold(), other.casefold()}
    return len(pair) == 1 or any(pair <= {each.casefold() for each in names} for names in _ALIKE)


def match_labels(names: Iterable[str], files: Sequence[Path]) -> dict[str, Path]:
    """Label files by case name: the name itself, with a label suffix, or with more after it.

    Raises:
        CaseError: a label file that belongs to no case or to several, or two for one case.
    """
    waiting = set(names)
    found: dict[str, Path] = {}
    rest = []
    for file in files:
        stem = image_stem(file)
        name = next(
            (n for n in (stem, without_label_suffix(stem), split_channel(stem)[0]) if n in waiting), None
        )
        if name is None:
            rest.append(file)
        elif name in found:
            raise CaseError(
                f"belongs to the case {name!r}, which has {found[name].name} already.",
                file=file,
                hint="Keep one label file a case.",
            )
        else:
            found[name] = file
    for file in rest:
        open_names = [n for n in waiting - set(found) if re.match(re.escape(n) + r"[_.\-]", image_stem(file))]
        if len(open_names) != 1:
            raise CaseError(
                "holds labels of no image." if not open_names else f"may belong to {sorted(open_names)}.",
                file=file,
                hint="Name label files as the images they belong to.",
            )
        found[open_names[0]] = file
    return found
