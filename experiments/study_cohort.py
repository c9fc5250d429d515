"""A cohort as experiments need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.config import Institutions, Merge, Subjects
from TransferRiskLib.cases.case import Case, Cohort
from TransferRiskLib.errors import CaseError, SettingsError


@dataclass(frozen=True)
class StudyCohort:
    """A cohort with what experiments need to know of it.

    Attributes:
        cohort: Cases and label scheme.
        merge: Applied to the labels before an experiment's own merge.
        masks: Case name to a brain mask; images are 0 outside it.
        institutions: Subject to institution, where the cohort tells.
    """

    cohort: Cohort
    merge: Merge | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)
    institutions: Mapping[str, str] = field(default_factory=dict)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects with labels, in the order of the cases."""
        return tuple(dict.fromkeys(case.group for case in self.cohort.cases if case.labels is not None))

    def chosen(self, subjects: Subjects, where: str) -> tuple[str, ...]:
        """The subjects that an experiment names; `fold` is all of them here.

        Raises:
            SettingsError: subjects or institutions that are not there.
        """
        if subjects in ("all", "fold"):
            return self.subjects
        if isinstance(subjects, int):
            if not 1 <= subjects <= len(self.subjects):
                raise SettingsError(f"{where}: {self.cohort.name} has {len(self.subjects)} subjects.")
            return self.subjects[:subjects]
        if isinstance(subjects, Institutions):
            known = set(self.institutions.values())
            strangers = [name for name in subjects.institutions if name not in known]
            if strangers or not subjects.institutions:
                raise SettingsError(
                    f"{where}: {self.cohort.name} has no institution {', '.join(strangers)!r}.",
                    hint=f"Institutions: {', '.join(sorted(known)) or 'none are named'}.",
                )
            wanted = set(subjects.institutions)
            return tuple(s for s in self.subjects if self.institutions.get(s) in wanted)
        strangers = [name for name in subjects if name not in self.subjects]
        if strangers or not subjects:
            raise SettingsError(f"{where}: {self.cohort.name} has no subject {', '.join(strangers)!r}.")
        return tuple(s for s in self.subjects if s in subjects)

    def cases_of(self, subject: str) -> list[Case]:
        """A subject's labelled cases."""
        return [c for c in self.cohort.cases if c.group == subject and c.labels is not None]


def existing(folder: Path) -> Path:
    """The folder, if it is there.

    Raises:
        CaseError: it is not.
    """
    if not folder.is_dir():
        raise CaseError(
            "does not exist.",
            file=folder,
            hint="Name the folder of the images with --data or TRANSFERRISK_DATA.",
        )
    return folder
