"""The job that copies the adapted model to where the user wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from TransferRiskLib.session.background import in_background
from TransferRiskLib.session.job_plans import Plan
from TransferRiskLib.session.output import copy_model
from TransferRiskLib.wording import wording

_ = wording(__name__)


class SaveModel(Plan):
    """Copies a model into a new folder of its name. One that is stopped leaves nothing behind.

    Args:
        model: Its folder.
        name: Of the model.
        parent: The folder that gets the new one.
    """

    task, patient_apply = "save", True

    def __init__(self, model: Path, name: str, parent: Path) -> None:
        self._model, self._name, self._parent = model, name, parent

    @property
    def title(self) -> str:
        return _("Saving the model")

    def apply(self, result: Any) -> Iterator[str]:
        stopped = threading.Event()
        copy = partial(copy_model, self._model, self._parent, self._name, stopped.is_set)
        try:
            folder = yield from in_background(copy)
        finally:  # also where the job is cancelled while the thread copies
            stopped.set()
        self.closing = _("It lies in “{folder}”.").format(folder=folder)
