"""Write the file lists that CMake packages: one `sources.cmake` for the library and one for the module.

A file that is not listed would be missing in the installed extension, hence the lists are made from
the folders, and a test compares them. Run from anywhere: `python tools/list_sources.py`.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("TransferRiskLib", "TransferRisk")
LIST_NAME = "sources.cmake"
NOT_PACKAGED = {"CMakeLists.txt", LIST_NAME}


def packaged_files(folder: Path) -> tuple[list[str], list[str]]:
    """Scripts and resources in `folder`, relative to it, with forward slashes, sorted."""
    scripts, resources = [], []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if hidden or not path.is_file() or path.name in NOT_PACKAGED or path.suffix == ".pyc":
            continue
        (scripts if path.suffix == ".py" else resources).append(relative.as_posix())
    return scripts, resources


def list_text(folder: Path) -> str:
    """The text of `sources.cmake` that `folder` should have."""
    scripts, resources = packaged_files(folder)
    lines = ["# Made by tools/list_sources.py from the files of this folder."]
    for variable, files in (("MODULE_PYTHON_SCRIPTS", scripts), ("MODULE_PYTHON_RESOURCES", resources)):
        lines += [
            f"set({variable}",
            *(f'  "{name}"' if " " in name else f"  {name}" for name in files),
            "  )",
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the lists that have changed."""
    for name in FOLDERS:
        target = ROOT / name / LIST_NAME
        text = list_text(ROOT / name)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"{name}/{LIST_NAME} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
