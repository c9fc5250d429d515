"""The labels that the cases' segments stand for, and those that *Annotate* gives them to draw."""

from __future__ import annotations

from collections.abc import Iterable

from TransferRiskLib.cases.labels import BACKGROUND, Label, LabelScheme
from TransferRiskLib.session.desk import Desk
from TransferRiskLib.session.segment_labels import is_annotated, meanings
from TransferRiskLib.session.state import CaseRow


def target_scheme(desk: Desk, rows: Iterable[CaseRow], preferred: LabelScheme | None) -> LabelScheme | None:
    """The labels that the rows' segments stand for, valued by position; None when there are none.

    Args:
        desk: Scene and state.
        rows: The rows.
        preferred: The model's labels: they come first, and lend name and colour.
    """
    found: dict[str, Label] = {}
    for row in rows:
        for _id, segment, label in meanings(desk, row):
            if label is not None and label.casefold() != BACKGROUND:
                found.setdefault(label.casefold(), Label(label, 0, segment.colour, segment.terminology))
    if not found:
        return None
    ordered = []
    for known in preferred.foreground if preferred is not None else ():
        own = found.pop(known.name.casefold(), None)
        if own is not None:
            ordered.append(Label(known.name, 0, known.colour, known.terminology or own.terminology))
    return _numbered([*ordered, *found.values()])


def scheme_to_draw(desk: Desk, rows: Iterable[CaseRow], known: LabelScheme | None) -> LabelScheme | None:
    """What there is to draw: the model's labels, then those that only the cases have.

    A label of the model that some case maps to something else stays out unless another case has it. Where
    something is drawn and none of it is a label of the model, the cases are about other things than the
    model knows (their "hippocampus" for its head and tail), and only their labels remain.

    Args:
        desk: Scene and state.
        rows: The rows.
        known: The model's labels; None without a model.

    Returns:
        The labels, or None where neither model nor cases have any.
    """
    rows = tuple(rows)
    own = target_scheme(desk, rows, known)
    if own is None or known is None:
        return own or known
    drawn = target_scheme(desk, (row for row in rows if is_annotated(desk, row)), known)
    models = _names(known)
    if drawn is not None and not _names(drawn) & models:
        return own
    away = {
        segment.name.casefold()
        for row in rows
        for _id, segment, label in meanings(desk, row)
        if label is None or label.casefold() != segment.name.casefold()
    } - _names(own)
    first = [label for label in known.foreground if label.name.casefold() not in away]
    return _numbered([*first, *(label for label in own.foreground if label.name.casefold() not in models)])


def lacking(desk: Desk, row: CaseRow, scheme: LabelScheme) -> LabelScheme | None:
    """The labels for which a row has no segment: none stands for it, none is called so; None when it has
    them all."""
    there = set()
    for _id, segment, label in meanings(desk, row):
        there |= {name.casefold() for name in (segment.name, label) if name is not None}
    missing = [label for label in scheme.foreground if label.name.casefold() not in there]
    return _numbered(missing) if missing else None


def _names(scheme: LabelScheme) -> set[str]:
    return {label.name.casefold() for label in scheme.foreground}


def _numbered(labels: Iterable[Label]) -> LabelScheme:
    background = Label(BACKGROUND, 0, (0.0, 0.0, 0.0))
    numbered = (Label(o.name, n, o.colour, o.terminology) for n, o in enumerate(labels, start=1))
    return LabelScheme((background, *numbered))
