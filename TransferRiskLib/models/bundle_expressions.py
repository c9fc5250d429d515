"""The few `$` expressions of a bundle that can be read like data; nothing is ever evaluated."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

_REFERENCE = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")
_LONGEST = 4000


class Unresolved:
    """Stands for a value that only running an expression would give."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __repr__(self) -> str:
        return self.expression


class _NotData(Exception):
    """The expression is none of the forms that are understood."""


def read_expression(text: str, look_up: Callable[[str], Any]) -> Any:
    """What an expression says where it is no more than data, and an `Unresolved` otherwise.

    Understood are literals, references (`@a#b`), items of them (`@a['b']`), lists or texts joined by `+`,
    `len(...)` of one, and `X if @flag else Y` whose flag is true or false. The text is only parsed: no name
    of Python but `len` has a meaning, and that one's is fixed here.

    Args:
        text: The expression without its `$`.
        look_up: The resolved value of a reference, given without its `@`.

    Example:
        >>> read_expression("[1, 1, 1] if @fast else [2, 2, 2]", {"fast": False}.get)
        [2, 2, 2]
    """
    whole = Unresolved("$" + text)
    if len(text) > _LONGEST:
        return whole
    references: list[str] = []

    def placeholder(match: re.Match[str]) -> str:
        references.append(match.group(1))
        return f" _{len(references) - 1} "

    try:
        tree = ast.parse(_REFERENCE.sub(placeholder, text).strip(), mode="eval")
        return _read(tree.body, references, look_up)
    except (_NotData, SyntaxError, ValueError, MemoryError, RecursionError):
        return whole


def _read(node: ast.expr, references: list[str], look_up: Callable[[str], Any]) -> Any:
    def read(part: ast.expr) -> Any:
        return _read(part, references, look_up)

    if isinstance(node, ast.Constant) and not isinstance(node.value, (bytes, complex)):
        if isinstance(node.value, str) and _PLACEHOLDER_IN_TEXT.search(node.value):
            raise _NotData  # an @ within a text: not a reference, and no longer the text
        return node.value
    if isinstance(node, ast.Name) and re.fullmatch(r"_\d+", node.id) and int(node.id[1:]) < len(references):
        value = look_up(references[int(node.id[1:])])
        if isinstance(value, Unresolved):
            raise _NotData
        return value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [read(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [read(key) for key in node.keys if key is not None]
        if all(isinstance(key, (str, int)) for key in keys):
            return dict(zip(keys, [read(value) for value in node.values], strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = read(node.operand)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return -value
    if isinstance(node, ast.IfExp):
        flag = read(node.test)
        if isinstance(flag, bool):
            return read(node.body if flag else node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = read(node.left), read(node.right)
        fits = isinstance(left, (str, list)) and type(left) is type(right)
        if fits and len(left) + len(right) <= _LONGEST:
            return left + right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        value = read(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if isinstance(value, (list, dict, str)):
            return len(value)
    if isinstance(node, ast.Subscript):
        value, key = read(node.value), read(node.slice)
        if isinstance(value, dict) and isinstance(key, (str, int)) and key in value:
            return value[key]
        if isinstance(value, list) and type(key) is int and -len(value) <= key < len(value):
            return value[key]
    raise _NotData


_PLACEHOLDER_IN_TEXT = re.compile(r" _\d+ ")
