"""ITK's own console output."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

import SimpleITK as sitk


class _Quiet:
    """The switch belongs to the whole process: the first thread within turns it off, the last one turns it
    back to what it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = True

    def __enter__(self) -> None:
        with self._lock:
            if self._within == 0:
                self._before = sitk.ProcessObject.GetGlobalWarningDisplay()
                sitk.ProcessObject.SetGlobalWarningDisplay(False)
            self._within += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0:
                sitk.ProcessObject.SetGlobalWarningDisplay(self._before)


_QUIET = _Quiet()


def quiet_itk() -> AbstractContextManager[None]:
    """No warnings from ITK on the console: what matters is checked here and raised as an error."""
    return _QUIET
