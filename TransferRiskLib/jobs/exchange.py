"""A private temporary folder through which images reach the worker."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

import numpy as np

from TransferRiskLib.errors import SettingsError, StorageError
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume

_PREFIX = "transferrisk-"


class ImageFolder:
    """An existing folder that images are written into, under numbers as names: a patient's name never
    becomes part of a path.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0

    def write_image(self, volume: Volume) -> Path:
        """Write an image as uncompressed float32 NRRD; its path."""
        return self._write(volume.with_array(volume.array.astype(np.float32, copy=False)))

    def write_labels(self, volume: Volume) -> Path:
        """Write a label map with its own integer type as uncompressed NRRD; its path."""
        if volume.array.dtype.kind not in "iu":
            raise SettingsError(f"A label map holds integers, not {volume.array.dtype}.")
        return self._write(volume)

    def folder(self) -> Path:
        """A new empty folder inside, for a task's output that is only passed on."""
        self._count += 1
        path = self.path / f"{self._count:04d}"
        path.mkdir(mode=0o700)
        return path

    def _write(self, volume: Volume) -> Path:
        self._count += 1
        path = self.path / f"{self._count:04d}.nrrd"
        write_volume(volume, path, compress=False)
        return path


class ExchangeFolder(ImageFolder):
    """A folder that only this user can read, removed with everything in it.

    It goes with `close`, at the end of a `with` block, or at the latest when this process ends; folders
    of processes that crashed go when the next one is made.

    Args:
        parent: Where to make it; the system's temporary folder by default.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        try:
            remove_orphans(parent)
            # mkdtemp gives the folder mode 0700.
            super().__init__(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)))
        except OSError as error:
            raise StorageError(
                f"A temporary folder cannot be made ({error.strerror or error}).",
                file=parent,
                hint="Free some space, or choose another temporary folder.",
            ) from error
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder; again does nothing."""
        self._finalizer()

    def __enter__(self) -> ExchangeFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove_orphans(parent: Path) -> None:
    """Remove exchange folders of this user whose process is gone (POSIX only: elsewhere a process
    cannot be asked for without risk, and the system cleans its temporary folder)."""
    if sys.platform == "win32":
        return
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        try:
            own = folder.stat(follow_symlinks=False).st_uid == os.getuid()
        except OSError:
            continue
        if own and owner.isdecimal() and not is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; on Windows, where asking would end it, always true."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
