"""Texts that people read, in their language: English templates, and a hook for whoever translates them.

A module that makes such texts has `_ = wording(__name__)` and writes `_("The volume {name} is empty.")`, then
`.format(name=...)`: what is translated is the template, never the filled sentence, and the call with a
literal is what Slicer's extraction of translatable texts looks for. The context of a template is the package
and the module, `session.maps` for instance, as that extraction names it.
"""

from __future__ import annotations

from collections.abc import Callable
from string import Formatter

Translate = Callable[[str, str], str]
"""Takes a context and an English template, gives the template in another language."""


def as_written(context: str, template: str) -> str:
    """The translation into English: none."""
    return template


_translate: Translate = as_written


def use_translation(translate: Translate = as_written) -> None:
    """Have all texts translated from now on; what was made before stays as it is.

    Args:
        translate: `slicer.i18n.translate` within Slicer.
    """
    global _translate
    _translate = translate


def wording(module: str) -> Callable[[str], str]:
    """The function that a module translates its templates with.

    Args:
        module: The module's `__name__`.

    Example:
        >>> _ = wording("TransferRiskLib.session.maps")
        >>> _("{case}: {kind}").format(case="Anna", kind="risk")
        'Anna: risk'
    """
    context = ".".join(module.split(".")[-2:])

    def translated(template: str) -> str:
        found = _translate(context, template)
        # A translator who changes a placeholder's name must not break the window.
        return found if _placeholders(found) == _placeholders(template) else template

    return translated


def _placeholders(template: str) -> set[str] | None:
    try:
        return {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError:  # a brace without its partner
        return None
