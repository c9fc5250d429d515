"""iSeg-2019 (and 2017): Analyze pairs side by side, `subject-1-T1.hdr`, `subject-1-label.hdr`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.labels import BACKGROUND, Label, LabelScheme
from TransferRiskLib.errors import CaseError

ISEG_SCHEME = LabelScheme(
    (
        Label(BACKGROUND, 0, (0.0, 0.0, 0.0)),
        Label("CSF", 10, (0.337, 0.706, 0.914), "SCT:65216001 Cerebrospinal fluid"),
        Label("GM", 150, (0.6, 0.6, 0.6), "SCT:66935009 Gray matter of brain"),
        Label("WM", 250, (0.941, 0.894, 0.859), "SCT:68523003 White matter of brain"),
    )
)
"""Labels of iSeg."""

_CHANNELS = ("T1", "T2")
_FILE = re.compile(rf"subject-(\d+)-({'|'.join(_CHANNELS)}|label)\.(hdr|img)", flags=re.IGNORECASE)


def iseg(cases: Sequence[Case]) -> tuple[Case, ...] | None:
    """The cases of one folder, if they are iSeg's: every file is a subject's T1, T2 or label pair.

    At least one subject must have labels; the others are scans to segment. Subjects come in the order
    of their numbers.

    Raises:
        CaseError: a subject without T1 or T2.
    """
    if all(case.labels is None for case in cases):
        return None
    if not all(_FILE.fullmatch(file.name) for case in cases for file in _files(case)):
        return None
    for case in cases:
        missing = [name for name in _CHANNELS if name.casefold() not in map(str.casefold, case.images)]
        if missing:
            raise CaseError(
                f"has no {case.name}-{missing[0]}.hdr beside it.",
                file=next(iter(case.images.values())).path,
                hint="Put the T1 and T2 pairs (.hdr and .img) of every subject into one folder.",
            )
    return tuple(sorted(cases, key=lambda case: int(case.name.rpartition("-")[2])))


def _files(case: Case) -> list[Path]:
    labels = [] if case.labels is None else [case.labels]
    return [*(file.path for file in case.images.values()), *labels]
