"""The target cases of a task, loaded one by one for a model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from TransferRiskLib.atomic import writing
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.checks import check_cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase, load_case
from TransferRiskLib.cases.merging import target_scheme
from TransferRiskLib.cases.segmentation_files import read_segmentation
from TransferRiskLib.errors import CaseError, LabelError
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.requests import CohortInput

LONGEST_NAME = 200
"""Bytes of a folder's name; file systems take 255."""


class Target:
    """A cohort as one model sees it.

    Args:
        given: The cohort with its channel map and merging.
        card: The model's card.
        labelled: Whether every case must have labels; None takes them where they are.
        check: Look at every file's header first; a task that goes on after a broken scan does not.

    Raises:
        CaseError, ImageError, LabelError: anything that can be found out without reading voxels.
    """

    def __init__(
        self, given: CohortInput, card: ModelCard, *, labelled: bool | None, check: bool = True
    ) -> None:
        if not given.cohort.cases:
            raise CaseError("There are no cases.", hint="Check the folder or list of cases.")
        names = [case.name for case in given.cohort.cases]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise CaseError(f"Two cases are called {twice!r}.", hint="Give each a name of its own.")
        check_folders(names)
        if labelled:
            without = [case.name for case in given.cohort.cases if case.labels is None]
            if without:
                raise CaseError(
                    f"The case {without[0]!r} has no labels.", hint="Annotate it, or leave it out."
                )
        self.given, self.card = given, card
        self.cases: Sequence[Case] = given.cohort.cases
        self.scheme = self._scheme()
        if check:
            check_cohort(given.cohort, card.channels, channel_map=given.channels, merge=given.merge)

    def _scheme(self) -> LabelScheme | None:
        scheme = self.given.cohort.scheme
        if scheme is None:
            first = next((case.labels for case in self.cases if case.labels is not None), None)
            if first is None:
                return None
            _, scheme = read_segmentation(first)
            if scheme is None:
                raise LabelError(
                    "holds values, but nothing says what they mean.",
                    file=first,
                    hint="Give a label file that names them.",
                )
        self.file_scheme = scheme
        return target_scheme(scheme, self.given.merge)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the target classes, background first; raises LabelError when no case has labels."""
        return self.labels.names

    @property
    def labels(self) -> LabelScheme:
        """The target's labels; raises LabelError when no case has any."""
        if self.scheme is None:
            raise LabelError("No case has labels.", hint="Give at least one labelled case.")
        return self.scheme

    def load(self, case: Case) -> LoadedCase:
        """A case in memory."""
        return load_case(
            case,
            self.card.channels,
            scheme=self.file_scheme if self.scheme is not None else None,
            channel_map=self.given.channels,
            merge=self.given.merge,
            target=self.scheme,
        )

    def read_once(self, progress: Progress) -> None:
        """Read every case and forget it: a broken last one is found before work on the first begins.

        Raises:
            ImageError, LabelError, ...: see `load_case`.
        """
        if len(self.cases) < 2:
            return  # nothing is done before the only case is read
        progress.stage("Reading cases", len(self.cases))
        for case in self.cases:
            progress.check()
            self.load(case)
            progress.step()

    def __iter__(self) -> Iterator[LoadedCase]:
        return (self.load(case) for case in self.cases)


def scans_only(given: CohortInput) -> CohortInput:
    """The same cases without their labels."""
    cases = tuple(dataclasses.replace(case, labels=None) for case in given.cohort.cases)
    cohort = dataclasses.replace(given.cohort, cases=cases, scheme=None)
    return dataclasses.replace(given, cohort=cohort, merge=None)


def check_folders(names: Iterable[str]) -> None:
    """Refuse cases whose results would overwrite one another, on this or another file system.

    Raises:
        CaseError: two names that differ only in capitals, or in characters that a folder cannot have.
    """
    taken: dict[str, str] = {}
    for name in names:
        folder = folder_key(name)
        if folder in taken:
            raise CaseError(
                f"The results of the cases {taken[folder]!r} and {name!r} would go into one folder.",
                hint="Give one of them another name; only letters, digits, spaces, '-', '_' and '.' count.",
            )
        taken[folder] = name


def folder_key(name: str) -> str:
    """What two cases must not share: their folder, on any file system."""
    return case_folder(Path(), name).name.casefold()


def case_folder(output: Path, name: str) -> Path:
    """The folder of a case's files; characters that a file system may refuse become underscores; of a name
    that is too long for one the end gives way to digits that tell it from others that begin alike."""
    safe = "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)
    if len(safe.encode()) > LONGEST_NAME:
        digits = hashlib.sha256(name.encode()).hexdigest()[:8]
        safe = f"{safe.encode()[:LONGEST_NAME].decode(errors='ignore')}-{digits}"
    safe = safe.strip(". ")
    return output / (safe or "case")


def remove_former(folder: Path, names: Iterable[str], written: Collection[Path | None]) -> None:
    """Remove what an earlier run left in a case's folder: it would be taken for this run's.

    Args:
        folder: Of the case.
        names: Of all files that such a run may write.
        written: Those that this one has written.

    Raises:
        StorageError: no permission.
    """
    with writing(folder):
        for name in names:
            if folder / name not in written:
                (folder / name).unlink(missing_ok=True)
