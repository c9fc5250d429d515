"""Which scenarios go from which source to which target, told by their names."""

from __future__ import annotations

from collections.abc import Sequence

BETWEEN = "-to-"


def transfer_pairs(scenarios: Sequence[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """The matrices that scenarios named `A-to-B` or `MATRIX-A-to-B` belong to.

    What stands before the last hyphens is the matrix's name if the rest is also a target there: in
    `brats-T1-to-T2` it is `brats` where `brats-T2-to-T1` is among the scenarios as well.

    Args:
        scenarios: All names; those of another form are passed over.

    Returns:
        Matrix name (empty for none) to scenario to (source, target).

    Example:
        >>> transfer_pairs(["x-A-to-B", "x-B-to-A", "site"])
        {'x': {'x-A-to-B': ('A', 'B'), 'x-B-to-A': ('B', 'A')}}
    """
    named = [(name, *name.split(BETWEEN)) for name in scenarios if name.count(BETWEEN) == 1]
    targets = {target for _, _, target in named}
    matrices: dict[str, dict[str, tuple[str, str]]] = {}
    for name, start, target in named:
        parts = start.split("-")
        ends = ["-".join(parts[n:]) for n in range(len(parts))]
        source = next((end for end in ends if end in targets), start)
        matrix = start.removesuffix(source).removesuffix("-")
        matrices.setdefault(matrix, {})[name] = (source, target)
    return matrices
