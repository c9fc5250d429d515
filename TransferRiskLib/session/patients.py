"""Whose scan a case is: what must never stand on both sides of a split.

Two sides of one head, or two visits, are two cases of one patient. To validate on one what was trained
on the other would praise every model.
"""

from __future__ import annotations

from collections.abc import Iterable

from TransferRiskLib.mrml.nodes import patient_of
from TransferRiskLib.session.desk import Desk
from TransferRiskLib.session.state import CaseRow


def found_patient(desk: Desk, row: CaseRow) -> str:
    """The patient of a row where nobody says otherwise: that of its volumes in the subject hierarchy,
    else the case itself."""
    for identity in row.channels.values():
        node = desk.node(identity)
        name = patient_of(node) if node is not None else None
        if name:
            return name
    return row.name


def patient_of_row(desk: Desk, row: CaseRow) -> str:
    """The patient of a row: as entered, else as found. Spelling in capitals makes no difference."""
    return (row.patient.strip() or found_patient(desk, row)).casefold()


def numbered_patients(desk: Desk, rows: Iterable[CaseRow]) -> dict[str, str]:
    """Key of every row to "patient 1", "patient 2", ...: names stay in the scene."""
    numbers: dict[str, int] = {}
    found = {}
    for row in rows:
        number = numbers.setdefault(patient_of_row(desk, row), len(numbers) + 1)
        found[row.key] = f"patient {number}"
    return found
