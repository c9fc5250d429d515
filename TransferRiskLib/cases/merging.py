"""Labels merged by name: the merge that makes a region of some, and the scheme that remains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from TransferRiskLib.cases.labels import BACKGROUND, Label, LabelMapping, LabelScheme
from TransferRiskLib.errors import LabelError


def target_scheme(scheme: LabelScheme, merge: Mapping[str, str | None] | None) -> LabelScheme:
    """The scheme after merging: target names in the order in which the scheme's labels reach them.

    Values count from 0; the first label that goes into a target gives it its colour, and its
    terminology if the name stays.

    Raises:
        LabelError: `merge` names an unknown label, leaves one out, or keeps no foreground.
    """
    if merge is None:
        return scheme
    given = {name.casefold(): new for name, new in merge.items()}
    background = scheme.labels[0]
    labels = [Label(BACKGROUND, 0, background.colour, background.terminology)]
    for label in scheme.labels:
        new = given.get(label.name.casefold())
        if new is None or new.casefold() in (known.name.casefold() for known in labels):
            continue
        same = new.casefold() == label.name.casefold()
        labels.append(Label(new, len(labels), label.colour, label.terminology if same else None))
    result = LabelScheme(tuple(labels))
    LabelMapping(scheme, result, merge).table  # noqa: B018 (raises for names that are wrong or left out)
    if len(result) < 2:
        raise LabelError("The mapping leaves no label besides the background.", hint="Map one to a name.")
    return result


def region_merge(scheme: LabelScheme, region: str, members: Iterable[str]) -> dict[str, str]:
    """The merge that leaves one label: the union of some labels; the other labels become background.

    Args:
        scheme: The labels that there are.
        region: Name of the union.
        members: Names of the labels in it, ignoring case.

    Raises:
        LabelError: a member that the scheme does not know.

    Example:
        >>> region_merge(LabelScheme.of("edema", "core"), "tumour core", ["core"])
        {'edema': 'background', 'core': 'tumour core'}
    """
    chosen = {scheme.index(name) for name in members}
    return {
        label.name: region if index in chosen else BACKGROUND
        for index, label in enumerate(scheme.labels)
        if index > 0
    }
