"""The folder of adapted models, a folder a run."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from TransferRiskLib.atomic import atomic_folder, storage_error
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.session.desk import Settings
from TransferRiskLib.wording import wording

_ = wording(__name__)
BUNDLE = "bundle"
INPUTS = "inputs"


def output_folder(settings: Settings) -> Path:
    """Where adapted models go: the setting, else `TransferRisk` in the user's folder."""
    chosen = settings.get("OutputFolder")
    return Path(chosen) if chosen else Path.home() / "TransferRisk"


def new_run_folder(settings: Settings) -> Path:
    """A new folder for a run, that only this user can read, named by date and time.

    Raises:
        StorageError: it cannot be made.
    """
    parent = output_folder(settings)
    stem = time.strftime("adapted-%Y%m%d-%H%M%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = parent / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(mode=0o700)
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise storage_error(error, parent) from error


def copy_model(bundle: Path, folder: Path) -> Path:
    """Copy a model, whole or not at all; a folder that is there already is only replaced when it is a
    model.

    Raises:
        SettingsError: the folder holds other files. StorageError: it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "configs" / "card.json").is_file():
        text = _("is a folder with other files.")
        raise SettingsError(text, file=folder, hint=_("Choose a new folder."))
    if folder.resolve() != bundle.resolve():
        with atomic_folder(folder) as scratch:
            shutil.copytree(bundle, scratch, dirs_exist_ok=True)
    return folder


def finished_bundles(settings: Settings) -> list[Path]:
    """The models of finished runs, by name."""
    parent = output_folder(settings)
    if not parent.is_dir():
        return []
    return [run / BUNDLE for run in sorted(parent.glob("adapted-*")) if (run / "result.json").is_file()]
