"""Texts that people read in the window go through `_()`, in the form that Slicer's extraction finds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "TransferRiskLib"

FILES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in (LIBRARY / "session", LIBRARY / "panels", ROOT / "TransferRisk")
    for path in sorted(folder.glob("*.py"))
} | {"TransferRiskLib/mrml/styles.py": LIBRARY / "mrml" / "styles.py"}

ENGLISH = {
    "TransferRiskLib/session/walkthrough.py": None,  # a test: its messages are for developers
    "TransferRiskLib/session/environment.py": {"bug_report"},  # read by developers
    # Names by which colour nodes are found again, and an error that no user can cause.
    "TransferRiskLib/mrml/styles.py": {"STYLES", "style_of"},
    # contributors, paths, what a test is skipped for
    "TransferRisk/TransferRisk.py": {"__init__", "registerSampleData", "test_WholeFlow"},
}
"""File to functions and constants whose texts stay English; None for all of the file."""

PROSE = re.compile(r"[A-Za-z]{2,} [a-z]+|^[A-Z][a-z]+( |\.|:|$)")
"""What looks like a sentence, a heading, or a part of one."""

EXTRACTED = re.compile(r'_\(\s*"([^"\\]|\\.)+"(\s+"([^"\\]|\\.)+")*\s*\)', re.DOTALL)
"""A call that Slicer's script finds: one literal, or several in a row, and nothing else in between."""


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def above(node: ast.AST, tree: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in tree:
        node = tree[node]
        yield node


def called(node: ast.AST) -> str:
    """The name of what is called, empty for what is no call."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", ""))


def is_exempt(text: ast.Constant, tree: dict[ast.AST, ast.AST], english: set[str]) -> bool:
    """Whether a constant is no text for people: a docstring, a key, a name in the settings."""
    parent = tree[text]
    if isinstance(parent, ast.Expr) or (isinstance(parent, ast.Dict) and text in parent.keys):
        return True
    if isinstance(parent, (ast.Compare, ast.Subscript)):
        return True
    for node in above(text, tree):
        if called(node) in ("_", "translate", "get", "set", "pip_uninstall"):
            return True
        named = getattr(node, "name", None) or (
            getattr(getattr(node, "target", None), "id", None) if isinstance(node, ast.AnnAssign) else None
        )
        if named in english:
            return True
    return False


def bare_texts(source: str, english: set[str]) -> list[str]:
    """Texts for people in `source` that nobody could translate."""
    tree = ast.parse(source)
    up = parents(tree)
    return [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and PROSE.search(node.value)
        and not is_exempt(node, up, english)
    ]


def wrong_calls(source: str) -> list[str]:
    """Calls of `_` that the extraction misses or whose template is filled before it is translated."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if called(node) == "_" and not EXTRACTED.fullmatch(ast.get_source_segment(source, node) or ""):
            found.append(f"line {node.lineno}")
    return found


def shadowed(source: str) -> list[str]:
    """Functions that call `_` and use the name for something else."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.Lambda)):
            continue
        stored = {
            n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        stored |= {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
        if "_" in stored and any(called(node) == "_" for node in ast.walk(function)):
            found.append(f"line {function.lineno}")
    return found


def templates(source: str) -> list[str]:
    nodes = [node for node in ast.walk(ast.parse(source)) if called(node) == "_"]
    return [node.args[0].value for node in nodes]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FILES)
def test_no_text_for_people_is_bare(name: str) -> None:
    english = ENGLISH.get(name, set())
    if english is not None:
        assert bare_texts(FILES[name].read_text(encoding="utf-8"), english) == []


@pytest.mark.parametrize("name", FILES)
def test_every_template_is_a_literal_that_the_extraction_finds(name: str) -> None:
    source = FILES[name].read_text(encoding="utf-8")
    assert wrong_calls(source) == [] and shadowed(source) == []


@pytest.mark.parametrize("name", FILES)
def test_translations_have_the_context_of_their_file(name: str) -> None:
    """Slicer's panels use its own function, everything else the hook with the module's name."""
    source = FILES[name].read_text(encoding="utf-8")
    if templates(source):
        own = "_ = wording(__name__)\n" in source
        assert own != ("from slicer.i18n import tr as _\n" in source)
        assert own == (FILES[name].parent.name in ("session", "mrml"))


def test_lupdate_finds_every_template(tmp_path: Path) -> None:
    """Qt's own tool on the calls as Slicer's script hands them over: `translate("context", "text")`."""
    pyside = pytest.importorskip("PySide6", exc_type=ImportError)
    tool = Path(pyside.__file__).parent / ("lupdate.exe" if sys.platform == "win32" else "lupdate")
    if not tool.is_file():
        pytest.skip("this PySide6 brings no lupdate")
    expected = set()
    for name, path in FILES.items():
        source = path.read_text(encoding="utf-8")
        context = Path(name).stem
        if (path.parent / "__init__.py").is_file():
            context = f"{path.parent.name}.{context}"
        expected |= {(context, template) for template in templates(source)}
        patched = re.sub(r'(?<![\w"])_\((?=\s*")', f'translate("{context}", ', source)
        (tmp_path / f"{context}.py").write_text(patched, encoding="utf-8")
    written = tmp_path / "found.ts"
    try:
        subprocess.run([tool, *tmp_path.glob("*.py"), "-ts", written], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"lupdate does not run here: {error}")
    contexts = ElementTree.parse(written).getroot().findall("context")
    found = {(c.findtext("name"), m.findtext("source")) for c in contexts for m in c.findall("message")}
    assert expected - found == set() and len(expected) > 300


def test_the_rules_see_breaches() -> None:
    source = (
        "def f(x):\n"
        '    """A docstring is no text."""\n'
        '    no("Choose a model first.")\n'
        '    raise SettingsError(f"The case {x} is gone.", hint=_("Choose another."))\n'
        '    return ("Case", _("Class"), settings.get("Device"), {"Reading cases": _("Reading cases")})\n'
    )
    assert [text.split(": ", 1)[1] for text in bare_texts(source, set())] == [
        "'Choose a model first.'", "'Case'", "'The case '", "' is gone.'",
    ]  # fmt: skip
    assert bare_texts(source, {"f"}) == []
    calls = '_("fine")\n_(\n    "fi" \n "ne"\n)\n_(f"{x}")\n_("a" + b)\n_(name)\n_("a", 1)\n_("comma",)\n'
    assert wrong_calls(calls) == ["line 6", "line 7", "line 8", "line 9", "line 10"]
    assert shadowed('def f():\n    a, _ = 1, 2\n    return _("x")\n') == ["line 1"]
    assert shadowed('def f():\n    a, _b = 1, 2\n    return _("x")\n') == []
