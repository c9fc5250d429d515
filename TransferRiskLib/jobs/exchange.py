"""A private temporary folder through which images reach the worker."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np

from TransferRiskLib.discarding import discard, remove_orphans, temporary_prefix
from TransferRiskLib.errors import SettingsError, StorageError
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume


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
        """Write an image as uncompressed float32 NRRD; its path. Values beyond that become infinite, which
        whoever reads the image refuses."""
        with np.errstate(over="ignore"):
            values = volume.array.astype(np.float32, copy=False)
        return self._write(volume.with_array(values))

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
        # a folder that was removed meanwhile must not come back with a patient's image in it
        write_volume(volume, path, compress=False, make_folder=False)
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
            super().__init__(Path(tempfile.mkdtemp(prefix=temporary_prefix(), dir=parent)))
        except OSError as error:
            raise StorageError(
                f"A temporary folder cannot be made ({error.strerror or error}).",
                file=parent,
                hint="Free some space, or choose another temporary folder.",
            ) from error
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder; again does nothing."""
        if self._finalizer.detach() is not None:
            discard(self.path)

    def __enter__(self) -> ExchangeFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
