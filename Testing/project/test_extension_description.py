"""What the extensions index and Slicer's build read: the catalogue entry, the CMake project, the icon."""

from __future__ import annotations

import ast
import json
import re
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "TransferRisk"

# The rules of slicer-extension-catalog-entry-schema-v1.0.2.json in Slicer's folder `Schemas`.
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
REQUIRED = {"$schema", "category", "scm_url"}
TYPES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "dicom_support_rule": str,
    "enabled": bool,
    "tier": int,
}


def breaches(entry: dict) -> list[str]:
    """What of a catalogue entry breaks the schema's rules."""
    found = [f"{key} is missing" for key in sorted(REQUIRED - set(entry))]
    found += [f"{key} is unknown" for key in sorted(set(entry) - set(TYPES))]
    for key in sorted(set(entry) & set(TYPES)):
        whole = TYPES[key] is int and isinstance(entry[key], bool)  # JSON's true is no number
        if whole or not isinstance(entry[key], TYPES[key]):
            found.append(f"{key} has the wrong type")
    if entry.get("scm_type", "git") not in ("git", "local"):
        found.append("scm_type is neither git nor local")
    if not 1 <= entry.get("tier", 1) <= 5:
        found.append("tier is not 1 to 5")
    if not all(isinstance(name, str) for name in entry.get("build_dependencies", [])):
        found.append("build_dependencies are not names")
    return found


def read_entry() -> dict:
    return json.loads((ROOT / "TransferRisk.json").read_text(encoding="utf-8"))


def cmake_variable(name: str) -> str:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    match = re.search(rf'set\({name}\s+"([^"]*)"\)', text)
    assert match, f"{name} is not set"
    return match.group(1)


def test_the_catalogue_entry_keeps_the_schema() -> None:
    entry = read_entry()
    assert breaches(entry) == []
    assert entry["$schema"] == SCHEMA


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        ({"scm_url": None}, "scm_url has the wrong type"),
        ({"homepage": "x"}, "homepage is unknown"),
        ({"tier": 6}, "tier is not 1 to 5"),
        ({"tier": True}, "tier has the wrong type"),
        ({"scm_type": "svn"}, "scm_type is neither git nor local"),
        ({"build_dependencies": [1]}, "build_dependencies are not names"),
    ],
)
def test_the_rules_see_breaches(change: dict, breach: str) -> None:
    assert breach in breaches({**read_entry(), **change})
    assert "category is missing" in breaches({"$schema": SCHEMA, "scm_url": "x"})


def test_the_entry_and_the_cmake_project_agree() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    project = re.search(r"project\((\w+)\)", text)
    assert project and (ROOT / f"{project.group(1)}.json").is_file()
    entry = read_entry()
    assert cmake_variable("EXTENSION_DEPENDS").split() == entry["build_dependencies"]
    # The index wants the repository's name to begin so.
    repository = entry["scm_url"].rstrip("/").split("/")[-1].removesuffix(".git")
    assert repository == f"Slicer{project.group(1)}"
    assert cmake_variable("EXTENSION_DESCRIPTION") and cmake_variable("EXTENSION_CONTRIBUTORS")
    assert (ROOT / "LICENSE").is_file()


ADDRESSES = {
    "EXTENSION_HOMEPAGE": r"https://\S+/SlicerTransferRisk/?",
    "EXTENSION_ICONURL": r"https://\S+/TransferRisk/Resources/Icons/TransferRisk\.png",
    "EXTENSION_SCREENSHOTURLS": r"https://\S+/Docs/images/\S+\.png( https://\S+/Docs/images/\S+\.png)*",
}
"""What is to be filled in together with the repository's address; see Docs/slicer-module.md."""


def missing_addresses(entry: dict, variables: dict[str, str]) -> list[str]:
    """What of an entry and the CMake project does not fit its kind of repository."""
    if entry.get("scm_type", "git") == "local":
        return [
            f"{name} has an address, but the repository has none" for name in ADDRESSES if variables[name]
        ]
    found = [
        f"fill in {name} in CMakeLists.txt"
        for name, form in ADDRESSES.items()
        if not re.fullmatch(form, variables[name])
    ]
    return found + ([] if entry["scm_url"].startswith("https://") else ["scm_url is no address"])


def test_addresses_are_filled_in_exactly_when_the_repository_has_one() -> None:
    variables = {name: cmake_variable(name) for name in ADDRESSES}
    assert missing_addresses(read_entry(), variables) == []
    guide = (ROOT / "Docs" / "slicer-module.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in guide for name in (*ADDRESSES, "scm_url", "scm_type"))


def test_the_rules_say_what_to_fill_in() -> None:
    public = {"scm_url": "https://git.example.org/me/SlicerTransferRisk.git", "scm_type": "git"}
    raw = "https://git.example.org/me/SlicerTransferRisk/raw/main"
    filled = {
        "EXTENSION_HOMEPAGE": "https://git.example.org/me/SlicerTransferRisk",
        "EXTENSION_ICONURL": f"{raw}/TransferRisk/Resources/Icons/TransferRisk.png",
        "EXTENSION_SCREENSHOTURLS": f"{raw}/Docs/images/window.png {raw}/Docs/images/risk-map.png",
    }
    empty = dict.fromkeys(ADDRESSES, "")
    assert missing_addresses(public, filled) == []
    assert missing_addresses(public, empty) == [f"fill in {name} in CMakeLists.txt" for name in ADDRESSES]
    assert missing_addresses({**public, "scm_url": "SlicerTransferRisk"}, filled) == ["scm_url is no address"]
    assert missing_addresses({**public, "scm_type": "local"}, empty) == []
    assert len(missing_addresses({**public, "scm_type": "local"}, filled)) == 3


def test_the_icon_is_a_square_png_of_128_pixels() -> None:
    data = (MODULE / "Resources" / "Icons" / "TransferRisk.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_only_the_module_lies_beside_its_resources() -> None:
    """Slicer takes every script in a module folder for a module of its own."""
    assert [path.name for path in MODULE.glob("*.py")] == ["TransferRisk.py"]


def test_the_module_file_brings_only_what_every_slicer_has() -> None:
    """The index's review: no code at file scope, and no imports there that may have to be installed."""
    tree = ast.parse((MODULE / "TransferRisk.py").read_text(encoding="utf-8"))
    allowed = {*sys.stdlib_module_names, "slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK"}
    for node in tree.body:
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in allowed
        else:
            documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            constant = isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.Tuple))
            assert documentation or constant or isinstance(node, (ast.ClassDef, ast.FunctionDef)), (
                f"line {node.lineno} runs when the module is found"
            )


def test_the_module_has_the_four_classes_slicer_looks_for() -> None:
    tree = ast.parse((MODULE / "TransferRisk.py").read_text(encoding="utf-8"))
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {"TransferRisk", "TransferRiskWidget", "TransferRiskLogic", "TransferRiskTest"} <= classes


def test_requirements_name_what_slicer_lacks_and_never_torch() -> None:
    """PyTorch comes from its own extension: pip would replace a CUDA build by the CPU one."""
    lines = (MODULE / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names = {re.split(r"[<>=!~\[; ]", line)[0].casefold() for line in wanted}
    assert "monai" in names and "torch" not in names
    assert not any("==" in line for line in wanted), "exact pins fight with other extensions"


def test_the_window_description_names_every_section() -> None:
    tree = ElementTree.parse(MODULE / "Resources" / "UI" / "TransferRisk.ui")
    sections = [
        widget.findtext("property[@name='text']/string")
        for widget in tree.iter("widget")
        if widget.get("class") == "ctkCollapsibleButton"
    ]
    assert [text.split(".")[0] for text in sections if text] == ["1", "2", "3", "4", "5", "6"]


def test_the_window_description_has_no_colours_and_no_fixed_sizes() -> None:
    tree = ElementTree.parse(MODULE / "Resources" / "UI" / "TransferRisk.ui")
    properties = {node.get("name") for node in tree.iter("property")}
    assert not properties & {"styleSheet", "palette", "minimumSize", "maximumSize", "font", "geometry"}
