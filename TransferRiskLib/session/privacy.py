"""Texts for a bug report without what could name a patient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_OWN_CODE = re.compile(r"(TransferRiskLib|site-packages|dist-packages|lib[/\\]python3\.\d+)[/\\]")
_QUOTED = re.compile(r"([\"'“])((?:[A-Za-z]:)?[/\\][^\"'”\n]*)([\"'”])")
_BARE = re.compile(r"(?<![\w<>/\\.%])((?:[A-Za-z]:[/\\]|/(?=[\w.~-]))[^\s\"'<>|:;,)]*)")
_AT_FRONT = re.compile(r"(^|Error: )((?:[A-Za-z]:)?[/\\][^\n\"'<>|]*?)(?=: |$)", re.MULTILINE)
"""The file that an error is about; blanks in its path do not end it."""
_SHORTEST = 2


class Scrubber:
    """Replaces names and paths.

    Args:
        names: What must not appear: names of cases, volumes, segmentations.
        home: The user's folder; this user's by default.
    """

    def __init__(self, names: Iterable[str], home: Path | None = None) -> None:
        self._home = str(home if home is not None else Path.home())
        known = sorted({name for name in names if len(name) >= _SHORTEST}, key=len, reverse=True)
        # Whole words only: a case called "a1" must not blank out every other word.
        self._names = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE) for name in known]

    def scrub(self, text: str) -> str:
        """The text with `<path>` and `<case>` in place of paths and names.

        Paths of program files keep the part that says which file of which library it is.
        """
        text = _QUOTED.sub(lambda found: found[1] + _place(found[2]) + found[3], text)
        text = self._below_home(text)
        text = _AT_FRONT.sub(lambda found: found[1] + _place(found[2]), text)
        text = _BARE.sub(lambda found: _place(found[1]), text)
        for name in self._names:
            text = name.sub("<case>", text)
        return text

    def _below_home(self, text: str) -> str:
        """Paths of the user, blanks in them included: up to a colon, a quote, or the end of the line."""
        if len(self._home) < _SHORTEST:
            return text
        rest = re.compile(re.escape(self._home) + r"[^\n\"'<>|]*?(?=: |[\"'\n]|$)", re.MULTILINE)
        return rest.sub(lambda found: _place(found[0]), text)


def _place(path: str) -> str:
    code = _OWN_CODE.search(path)
    return f"<path>/{path[code.start() :]}" if code is not None else "<path>"
