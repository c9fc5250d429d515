"""Save a scene so that desktop Slicer opens it, and load one."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from TransferRiskLib.atomic import atomic_folder, atomic_path
from TransferRiskLib.errors import StorageError, TransferRiskError
from TransferRiskLib.mrml.nodes import Node


def save_scene(scene: Node, path: Path) -> Path:
    """Save a scene with all its data, atomically; the scene's own file names stay as they were.

    Args:
        scene: The MRML scene.
        path: `NAME.mrb` for one file (a zip with the folder `NAME`), anything else for a folder with
            `NAME.mrml` and `Data/`.

    Returns:
        What desktop Slicer opens: the `.mrb` or the `.mrml` file.

    Raises:
        StorageError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mrb":
        with atomic_folder(path) as scratch:
            _write_bundle(scene, scratch / "bundle", path.name)
            for entry in list((scratch / "bundle").iterdir()):
                entry.rename(scratch / entry.name)
            (scratch / "bundle").rmdir()
        return path / f"{path.name}.mrml"
    # Not vtkMRMLScene::WriteToMRB: it writes to its target in place and without an application's
    # cache folder has been seen to abort the process.
    with atomic_path(path) as scratch, tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / path.stem
        _write_bundle(scene, bundle, path.stem)
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(bundle.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(folder))
    return path


def load_scene(scene: Node, path: Path) -> None:
    """Add a saved scene's nodes to `scene`.

    Args:
        scene: The MRML scene.
        path: A `.mrml` or `.mrb` file.

    Raises:
        TransferRiskError: it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise TransferRiskError("There is no such scene.", file=path)
    if path.suffix.lower() != ".mrb":
        _import(scene, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise TransferRiskError("This is not a scene bundle.", file=path) from error
        found = sorted(Path(folder).rglob("*.mrml"), key=lambda file: len(file.parts))
        if not found:
            raise TransferRiskError("The bundle holds no .mrml file.", file=path)
        _import(scene, found[0])


def _import(scene: Node, file: Path) -> None:
    before = scene.GetURL(), scene.GetRootDirectory()
    scene.SetURL(str(file))
    scene.SetRootDirectory(str(file.parent))
    ok = scene.Import()
    scene.SetURL(before[0])
    scene.SetRootDirectory(before[1])
    if not ok:
        raise TransferRiskError("The scene cannot be read.", file=file)


def _write_bundle(scene: Node, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    if not scene.SaveSceneToSlicerDataBundleDirectory(str(folder.resolve())):
        raise StorageError("The scene cannot be written.", file=folder, hint="Check the output folder.")
    # Slicer names it after the folder, cut at the first dot.
    next(folder.glob("*.mrml")).rename(folder / f"{name}.mrml")
    private = folder / "Private"
    if private.is_dir() and not any(private.iterdir()):
        private.rmdir()
