"""The order of the house: floors import only floors below, and what the GUI imports is free of torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "TransferRiskLib"

FLOORS = {
    "demo_models": 0,
    "volumes": 1,
    "cases": 2,
    "models": 3,
    "inference": 4,
    "transfer": 5,
    "adaptation": 6,
    "evaluation": 6,
    "tasks": 7,
    "jobs": 8,
    "mrml": 8,
    "session": 9,
    "reports": 9,
    "panels": 10,
    "cli": 10,
}
"""Package to floor; the modules directly in TransferRiskLib are the ground, floor 0."""

DATA_PACKAGES = {"demo_models"}
"""Folders of data whose package file says where the data lies."""

HEAVY = {"torch", "monai"}
HEAVY_PACKAGES = {"models", "inference", "transfer", "adaptation", "evaluation", "tasks"}
"""Packages that may import torch at all."""

ALSO_LOWER = {("TransferRiskLib.adaptation", "TransferRiskLib.evaluation")}
"""Neighbours on one floor, and the one direction they may be imported in: training measures itself."""

TORCH_FREE = ("demo_models", "volumes", "cases", "jobs", "mrml", "session", "panels", "cli", "reports")
TORCH_FREE_MODULES = (
    "TransferRiskLib.errors",
    "TransferRiskLib.progress",
    "TransferRiskLib.atomic",
    "TransferRiskLib.records",
    "TransferRiskLib.models.card",
    "TransferRiskLib.models.card_files",
    "TransferRiskLib.tasks.requests",
    "TransferRiskLib.tasks.results",
    "TransferRiskLib.inference.settings",
    "TransferRiskLib.inference.windows",
    "TransferRiskLib.adaptation.settings",
    "TransferRiskLib.adaptation.speed",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def package_of(module: str) -> str | None:
    """The floor's package of a module, None on the ground."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def nodes(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """Every node that runs; without `inside_functions` only what runs on import."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            continue
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not inside_functions:
            continue
        yield child
        yield from nodes(child, inside_functions)


@cache
def imports(source: str, module: str, inside_functions: bool) -> frozenset[str]:
    """Full names of the modules that `source` imports."""
    found: set[str] = set()
    for node in nodes(ast.parse(source), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, base] if base else parent)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(name for name in found if not name.startswith("TransferRiskLib") or name in FILES)


@cache
def read(module: str) -> str:
    return FILES[module].read_text(encoding="utf-8")


def too_high(module: str, imported: str) -> bool:
    """Whether `module` must not import `imported`."""
    own, other = package_of(module), package_of(imported)
    if other is None or own == other:
        return False
    if (f"TransferRiskLib.{own}", f"TransferRiskLib.{other}") in ALSO_LOWER:
        return False
    return own is None or FLOORS[other] >= FLOORS[own]


def reached_on_import(module: str) -> dict[str, str]:
    """Every module that importing `module` imports, with the one that asked for it."""
    reached: dict[str, str] = {}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        wanted = imports(read(current), current, inside_functions=False)
        for name in wanted:
            parents = [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 2)]
            for part in parents:
                if part not in reached:
                    reached[part] = current
                    if part in FILES:
                        waiting.append(part)
    return reached


def test_every_package_has_a_floor() -> None:
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert packages == set(FLOORS)


@pytest.mark.parametrize("module", sorted(FILES))
def test_no_module_imports_a_higher_floor(module: str) -> None:
    wrong = {name for name in imports(read(module), module, inside_functions=True) if too_high(module, name)}
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("module", sorted(FILES))
def test_torch_is_imported_only_where_networks_are(module: str) -> None:
    if package_of(module) in HEAVY_PACKAGES and module not in TORCH_FREE_MODULES:
        return
    wanted = {name.split(".")[0] for name in imports(read(module), module, inside_functions=True)}
    assert not wanted & HEAVY


@pytest.mark.parametrize(
    "module", sorted(m for m in FILES if package_of(m) in TORCH_FREE or m in TORCH_FREE_MODULES)
)
def test_importing_brings_no_torch(module: str) -> None:
    reached = reached_on_import(module)
    assert not HEAVY & set(reached), f"by way of {[reached[name] for name in HEAVY & set(reached)]}"


@pytest.mark.parametrize("package", sorted(set(FLOORS) - DATA_PACKAGES))
def test_package_files_stay_empty(package: str) -> None:
    assert (LIBRARY / package / "__init__.py").read_text(encoding="utf-8").strip() == ""


def test_the_rules_see_violations() -> None:
    """The checks themselves: an upward import, a lazy one, a relative one and one for type checkers."""
    source = (
        "from TransferRiskLib.tasks import requests\n"
        "def later():\n    import torch.nn\n"
        "from . import labels\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import monai\n"
    )
    everywhere = imports(source, "TransferRiskLib.cases.case", inside_functions=True)
    assert {"torch.nn", "TransferRiskLib.tasks.requests", "TransferRiskLib.cases.labels"} <= everywhere
    assert "monai" not in everywhere
    assert "torch.nn" not in imports(source, "TransferRiskLib.cases.case", inside_functions=False)
    assert too_high("TransferRiskLib.cases.case", "TransferRiskLib.tasks.requests")
    assert too_high("TransferRiskLib.errors", "TransferRiskLib.volumes.volume")
    assert not too_high("TransferRiskLib.tasks.rank", "TransferRiskLib.cases.case")
    assert "torch" in reached_on_import("TransferRiskLib.models.states")
