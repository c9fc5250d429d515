"""Configure, build, install and package the extension without a build of Slicer, and say what arrives.

Everything that decides is real: the CMake files of checkouts of Slicer, CTK and CTK's AppLauncher. A stand-in
takes the place of what only a build has: its paths, its programs, its C++ libraries. The files that arrive in
the build tree, the install tree and the package are compared with the folders, byte by byte; then the worker
is started from the install tree. CMake must be of a version that Slicer takes.

    python tools/check_package.py --slicer Slicer --ctk CTK --launcher AppLauncher --output checked
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from list_sources import FOLDERS, ROOT, packaged_files

CXX_ONLY = ("ctkMacroWrapPythonQt", "vtkMacroKitPythonWrap", "SlicerMacroBuildCLI")
"""Files that Slicer includes for C++ modules; they ask for libraries, and nothing here uses them."""

CONFIG = """\
list(PREPEND CMAKE_MODULE_PATH "{standin}" "{slicer}/CMake" "{slicer}/Extensions/CMake" "{ctk}/CMake")
set(Slicer_CMAKE_DIR "{slicer}/CMake")
set(Slicer_EXTENSIONS_CMAKE_DIR "{slicer}/Extensions/CMake")
set(CTK_CMAKE_DIR "{ctk}/CMake")
set(CTKAppLauncher_DIR "{standin}/launcher")
set(Slicer_USE_FILE "{standin}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "{slicer}/CMake/SlicerExtensionGenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "{slicer}/CMake/SlicerExtensionCPack.cmake")
set(Slicer_PYTHON_MODULE_TEST_TEMPLATES_DIR "{slicer}/Base/QTCore/Testing/Python")
set(Slicer_USE_PYTHONQT ON)
set(Slicer_USE_CTKAPPLAUNCHER ON)
set(Slicer_REVISION 1)
set(Slicer_OS any)
set(Slicer_ARCHITECTURE any)
set(Slicer_WC_ROOT NA)
set(Slicer_MAIN_PROJECT_APPLICATION_NAME Slicer)
set(Slicer_LAUNCHER_EXECUTABLE "{standin}/Slicer")
set(Slicer_LAUNCH_COMMAND "{standin}/Slicer" --launch)
set(SEM_LAUNCH_COMMAND ${{Slicer_LAUNCH_COMMAND}})
set(Slicer_INSTALL_ROOT ./)
set(Slicer_SHARE_DIR share/{version})
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/{version}/qt-scripted-modules)
set(Slicer_QTLOADABLEMODULES_LIB_DIR lib/{version}/qt-loadable-modules)
set(Slicer_QTLOADABLEMODULES_PYTHON_LIB_DIR lib/{version}/qt-loadable-modules/Python)
set(Slicer_CLIMODULES_LIB_DIR lib/{version}/cli-modules)
set(Slicer_CLIMODULES_BIN_DIR lib/{version}/cli-modules)
set(Slicer_THIRDPARTY_LIB_DIR lib/{version})
set(Slicer_THIRDPARTY_BIN_DIR bin)
set(PYTHON_EXECUTABLE "{python}")
set(PYTHONINTERP_FOUND ON)
set(PYTHONLIBS_FOUND ON)
set(PYTHON_LIBRARIES "{python}")
set(Slicer_SKIP_SET_CMAKE_C_CXX_FLAGS ON)
include(ctkFunctionExtractOptimizedLibrary)
"""

LAUNCHER = """\
set(CTKAppLauncher_EXECUTABLE "{standin}/Slicer")
set(CTKAppLauncher_SETTINGS_TEMPLATE "{launcher}/CTKAppLauncherSettings.ini.in")
include("{standin}/launcher/CMake/ctkAppLauncher.cmake")
"""


def slicer_version(slicer: Path) -> str:
    """What a checkout of Slicer calls its folders, "Slicer-5.13" for example."""
    text = (slicer / "CMakeLists.txt").read_text(encoding="utf-8")
    numbers = [re.search(rf'set\(Slicer_VERSION_{part} "(\d+)"\)', text) for part in ("MAJOR", "MINOR")]
    return "Slicer-" + ".".join(number.group(1) for number in numbers if number)


def make_standin(standin: Path, slicer: Path, ctk: Path, launcher: Path) -> None:
    """Write the package that `find_package(Slicer)` finds."""
    shutil.copytree(launcher / "CMake", standin / "launcher" / "CMake")
    configure = standin / "launcher" / "CMake" / "ctkAppLauncher-configure.cmake"
    shutil.copy(configure, standin / "launcher")  # where an installed launcher has it
    shutil.copy(slicer / "CMake" / "UseSlicer.cmake.in", standin / "UseSlicer.cmake")
    for name in CXX_ONLY:
        (standin / f"{name}.cmake").write_text("", encoding="utf-8")
    (standin / "Slicer").write_text("#!/bin/sh\n", encoding="utf-8")
    (standin / "Slicer").chmod(0o755)
    paths = {"standin": standin, "slicer": slicer, "ctk": ctk, "launcher": launcher, "python": sys.executable}
    words = {name: Path(path).as_posix() for name, path in paths.items()}
    config = CONFIG.format(**words, version=slicer_version(slicer))
    (standin / "SlicerConfig.cmake").write_text(config, encoding="utf-8")
    found = standin / "launcher" / "CTKAppLauncherConfig.cmake"
    found.write_text(LAUNCHER.format(**words), encoding="utf-8")


def expected_files() -> dict[str, Path]:
    """What belongs among Slicer's scripted modules: path there to the file here; compiled files have none."""
    library, module = FOLDERS
    expected = {}
    for folder, prefix in ((library, f"{library}/"), (module, "")):
        scripts, resources = packaged_files(ROOT / folder)
        expected.update({prefix + name: ROOT / folder / name for name in (*scripts, *resources)})
    return expected


def differences(modules: Path) -> list[str]:
    """How a folder of scripted modules differs from what belongs there, in words."""
    expected = expected_files()
    compiled = {f"{name}c" for name in expected if name.endswith(".py")}
    there = {path.relative_to(modules).as_posix() for path in modules.rglob("*") if path.is_file()}
    found = [f"missing: {name}" for name in sorted((expected.keys() | compiled) - there)]
    found += [f"not ours: {name}" for name in sorted(there - expected.keys() - compiled)]
    both = sorted(there & expected.keys())
    return found + [
        f"other content: {name}"
        for name in both
        if (modules / name).read_bytes() != expected[name].read_bytes()
    ]


def main() -> int:
    """Run the check; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name in ("slicer", "ctk", "launcher"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="a checkout")
    parser.add_argument("--output", type=Path, required=True, help="a folder that is made; must not exist")
    parser.add_argument("--cmake", default="cmake", help="CMake's program")
    given = parser.parse_args()
    if given.output.exists():
        parser.error(f"{given.output} is there already: what an old build left would be packaged too.")
    if not (given.slicer / "CMakeLists.txt").is_file():
        parser.error(f"{given.slicer} is no checkout of Slicer: it has no CMakeLists.txt.")
    output = given.output.resolve()
    standin, build, installed = output / "Slicer-build", output / "build", output / "installed"
    make_standin(standin, given.slicer.resolve(), given.ctk.resolve(), given.launcher.resolve())

    def cmake(*arguments: str | Path) -> None:
        subprocess.run([given.cmake, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    cmake("-S", ROOT, "-B", build, f"-DSlicer_DIR={standin}")
    cmake("--build", build)
    cmake("--install", build, "--prefix", installed)
    cmake("--build", build, "--target", "package")
    (package,) = build.glob("*-TransferRisk-*.*")
    shutil.unpack_archive(package, output / "unpacked")
    below = Path("lib") / slicer_version(given.slicer) / "qt-scripted-modules"
    (unpacked,) = (output / "unpacked").iterdir()
    bad = False
    for name, tree in (("build tree", build), ("install tree", installed), (package.name, unpacked)):
        found = differences(tree / below)
        bad = bad or bool(found)
        print(f"{name}: " + ("\n  ".join(["differs", *found]) if found else f"{len(expected_files())} files"))
    environment = {**os.environ, "PYTHONPATH": str(installed / below), "PYTHONDONTWRITEBYTECODE": "1"}
    worker = subprocess.run(
        [sys.executable, "-m", "TransferRiskLib.jobs.worker"],
        input="", capture_output=True, text=True, env=environment, cwd=output,
    )  # fmt: skip
    print(f"worker: {worker.stdout.strip() or worker.stderr.strip()}")
    return int(bad or worker.returncode != 0)


if __name__ == "__main__":
    raise SystemExit(main())
