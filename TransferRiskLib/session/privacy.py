r"""Texts for a bug report without what could name a patient.

Nobody can tell where a path with blanks ends in a sentence, so the rest of a line goes with it unless a
quote, a known ending or a colon says otherwise: better a report that tells too little than one that tells a
name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_PATH = re.compile(
    "|".join(
        (
            r"(?<![A-Za-z0-9])[A-Za-z]:[/\\]",  # a drive
            r"[A-Za-z][A-Za-z0-9+.-]*://",  # file:///
            r"\\\\(?=[\w?.])",  # a server
            r"(?<![\w<>%/.)\]])/(?=\S)",  # /data, but not T1/T2 or %/s
            r"(?<![\w.])\.{1,2}[/\\]",  # ../
            r"(?<![\w/\\])~\w*[/\\]",  # ~/
        )
    )
)
_PROGRAM = re.compile(
    r"(?:TransferRiskLib|site-packages|dist-packages|lib[/\\]+python3\.\d+)"
    r"[/\\]+[\w.-]+(?:[/\\]+[\w.-]+)*?\.(?:py|so|pyd|dll)(?!\w)"
)
_WEB = re.compile(
    r"https?://(?:[\w-]+\.)*(?:pytorch|python|pypi|numpy|scipy|monai|slicer|github)\.\w+(?:/[\w./#-]*)?"
)
_IMAGE = r"\.(?:nii(?:\.gz)?|(?:seg\.)?nrrd|nhdr|mh[ad]|hdr|img|dcm|gipl|mg[zh]|tiff?|vtk|stl|mrml|mrb)(?!\w)"
_FILE = re.compile(rf"[^\s\"'“”]+{_IMAGE}", re.IGNORECASE)
_ENDING = re.compile(
    rf".*(?:{_IMAGE}|\.(?:json|ya?ml|csv|txt|log|zip|npz|pth?|ts|safetensors|py)(?!\w))", re.IGNORECASE
)
_CLOSING = {'"': '"', "'": "'", "“": "”"}
_SHORTEST = 2
_KEPT = "\ue000{}\ue001"
"""Stands for the name of a program's file while paths are taken out: characters for private use."""


class Scrubber:
    """Replaces names and paths.

    Args:
        names: What must not appear: names of cases, patients, volumes, segmentations. Upper and lower case,
            and how accents are composed, make no difference.
    """

    def __init__(self, names: Iterable[str]) -> None:
        plain = {unicodedata.normalize("NFC", name) for name in names}
        # "strauss" and "STRAUSS" are longer than "Strauß".
        spelt = {form for name in plain for form in (name, name.casefold(), name.upper())}
        known = sorted({name for name in spelt if len(name) >= _SHORTEST}, key=len, reverse=True)
        # Whole words only: a case called "a1" must not blank out every other word.
        self._names = [
            re.compile(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", re.IGNORECASE) for name in known
        ]

    def scrub(self, text: str) -> str:
        """The text with `<path>`, `<file>` and `<case>` in place of paths, names of images and names.

        Paths of program files keep the part that says which file of which library it is.
        """
        lines = unicodedata.normalize("NFC", text).splitlines()
        text = "\n".join(map(_without_paths, lines))
        for name in self._names:
            text = name.sub("<case>", text)
        return text


def _without_paths(line: str) -> str:
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return _KEPT.format(len(kept) - 1)

    line = _WEB.sub(lambda found: keep(found[0]), line)
    while (program := _PROGRAM.search(line)) is not None:
        before = line[: program.start()]
        first = _PATH.search(before)
        before = before[: first.start()] if first is not None else before
        line = before + keep(f"<path>/{program[0]}") + line[program.end() :]
    line = _FILE.sub("<file>", _without_path(line))
    for number, text in enumerate(kept):
        line = line.replace(_KEPT.format(number), text)
    return line


def _without_path(line: str) -> str:
    """Without all from the first path to the end of the last one."""
    first = _PATH.search(line)
    if first is None:
        return line
    before, path = line[: first.start()], line[first.start() :]
    last = path[max(path.rfind("/"), path.rfind("\\")) + 1 :]
    closing = _CLOSING.get(before[-1:], "")
    if closing and closing in last:
        rest = last[last.rindex(closing) :]
    elif ending := _ENDING.match(last):
        rest = last[ending.end() :]
    else:
        _name, colon, rest = last.partition(": ")
        rest = colon + rest
    return f"{before}<path>{rest}"
