"""Packed bundles: a ZIP with a bundle's folder in it, unpacked for as long as it is read."""

from __future__ import annotations

import contextlib
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from TransferRiskLib.discarding import temporary_prefix
from TransferRiskLib.errors import ModelError, StorageError

_MARKS = ("configs/metadata.json", "configs/card.json")
_SECTIONS = ("configs", "models")
_MANY = 10_000
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
"""What reading a truncated, encrypted or otherwise unreadable archive raises, besides OSError."""
_LARGEST_CONFIGS = 64 * 2**20
_BLOCK = 1 << 20


def is_packed(path: Path) -> bool:
    """Whether a file is a ZIP that holds a MONAI bundle."""
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return _top(archive.namelist()) is not None
    except (OSError, zipfile.BadZipFile):
        return False


@contextlib.contextmanager
def unpacked(path: Path, weights: bool) -> Iterator[Path]:
    """The folder of a packed bundle, in a temporary place that goes when the block ends.

    Only `configs/` and, with `weights`, `models/` are unpacked (without, the files there are empty); the
    folder is named after the one in the archive, or after the archive. A ModelError of the block names the
    archive.

    Raises:
        ModelError: not a packed bundle, a damaged one, or one with implausibly much in it.
        StorageError: no space for it.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = archive.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from error
        top = _top(names)
        if top is None:
            raise ModelError("is no packed bundle.", file=path, hint="It has no configs/metadata.json.")
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix()))
        folder = Path(place) / (PurePosixPath(top).name or path.stem)
        try:
            _unpack(archive, top, folder, weights, path)
        except DAMAGED as error:
            raise _damaged(path, error) from error
        except OSError as error:
            raise StorageError(
                f"The packed bundle cannot be unpacked ({error}).",
                file=path,
                hint="Make space where temporary files go, or unpack it yourself and choose the folder.",
            ) from error
        try:
            yield folder
        except ModelError as error:
            raise _of_archive(error, path, folder) from error


def _top(names: list[str]) -> str | None:
    """The folder within the archive that is the bundle, with its slash; empty for the archive itself."""
    found = [name[: -len(mark)] for name in names for mark in _MARKS if name.endswith(mark)]
    tops = [top for top in found if not top or (top.endswith("/") and not top.startswith("__MACOSX/"))]
    # a TorchScript archive may carry files of that name too
    if not tops or any(name.startswith(f"{tops[0]}code/") for name in names):
        return None
    return min(tops, key=lambda top: (top.count("/"), top))


def _unpack(archive: zipfile.ZipFile, top: str, folder: Path, weights: bool, path: Path) -> None:
    members = []
    for info in archive.infolist():
        inside = PurePosixPath(info.filename[len(top) :]) if info.filename.startswith(top) else None
        if inside is None or info.is_dir() or not inside.parts or inside.parts[0] not in _SECTIONS:
            continue
        unsafe = inside.is_absolute() or any(part in ("..", "") or ":" in part for part in inside.parts)
        if unsafe or "\\" in info.filename:
            raise ModelError(f"names a file outside itself ({info.filename}).", file=path,
                             hint="It is refused: get the bundle from where it comes from.")  # fmt: skip
        members.append((info, inside))
    configs = sum(info.file_size for info, inside in members if inside.parts[0] == "configs")
    if len(members) > _MANY or configs > _LARGEST_CONFIGS:
        raise ModelError("holds implausibly much for a bundle.", file=path, hint="Choose another file.")
    for info, inside in members:
        target = folder.joinpath(*inside.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        if inside.parts[0] == "models" and not weights:
            target.touch()
            continue
        left = info.file_size  # what the directory promises; a bomb that holds more stops there
        with archive.open(info) as source, target.open("wb") as copy:
            while left >= 0 and (block := source.read(_BLOCK)):
                left -= len(block)
                copy.write(block)
        if left != 0:
            raise zipfile.BadZipFile(f"{info.filename} has another size than it says")


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"cannot be unpacked ({str(error) or type(error).__name__}).",
        file=path,
        hint="It may be truncated or encrypted: download it again, or unpack it and choose the folder.",
    )


def _of_archive(error: ModelError, path: Path, folder: Path) -> ModelError:
    inside = Path(error.file).relative_to(folder) if error.file and folder in Path(error.file).parents else ""
    hint = f"{error.hint} (Unpack the archive to change anything in it.)" if error.hint else None
    return type(error)(error.message, file=path / inside, hint=hint)
