"""What the exit codes mean, gathered from the error classes."""

from __future__ import annotations

from TransferRiskLib.errors import TransferRiskError

SOME_FAILED = 10
"""The command finished, but some of the scans or models failed."""


def exit_code_help() -> str:
    """The exit codes as the epilogue of `--help` shows them."""
    meanings: dict[int, str] = {0: "Success."}
    waiting: list[type[TransferRiskError]] = [TransferRiskError]
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        doc = (kind.__doc__ or kind.__name__).splitlines()[0]
        meanings.setdefault(kind.exit_code, "Any other error." if kind is TransferRiskError else doc)
    meanings[SOME_FAILED] = "Finished, but some scans or models failed; the result says which."
    return "exit codes:\n" + "\n".join(f"  {code:3d}  {text}" for code, text in sorted(meanings.items()))
