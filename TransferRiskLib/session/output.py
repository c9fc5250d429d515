"""The folder of adapted models, a folder a run."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from TransferRiskLib.atomic import atomic_folder, storage_error, writing
from TransferRiskLib.errors import Cancelled, SettingsError
from TransferRiskLib.places import is_file
from TransferRiskLib.session.desk import Settings
from TransferRiskLib.wording import wording

_ = wording(__name__)
BUNDLE = "bundle"
INPUTS = "inputs"
FINISHED = "result.json"
"""Written when everything else is."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
"""What Windows takes in no file name."""
_LONGEST = 100


def whole_path(typed: str) -> str:
    """The folder that somebody typed, from the root of the disk; "~" is the user's own. Empty for none.

    Raises:
        SettingsError: it would be another folder tomorrow, for it depends on where Slicer was started, or
            it begins with "~" and the name of nobody.
    """
    typed = typed.strip()
    if not typed:
        return ""
    hint = _("Give the whole path, from the root of the disk, or begin with ~/ for your own folder.")
    try:
        path = Path(typed).expanduser()
    except RuntimeError as error:
        raise SettingsError(_("is the folder of nobody on this computer."), file=typed, hint=hint) from error
    if not path.is_absolute():
        raise SettingsError(_("is no whole path."), file=typed, hint=hint)
    return str(path)


def usual_folder() -> Path:
    """Where adapted models go unless the user chose a folder: `TransferRisk` in the user's own."""
    return Path.home() / "TransferRisk"


def chosen_folder(settings: Settings) -> str:
    """The folder that the user chose; empty for the usual one. Earlier versions kept whatever was typed:
    half a path chooses nothing."""
    try:
        return whole_path(settings.get("OutputFolder"))
    except SettingsError:
        return ""


def output_folder(settings: Settings) -> Path:
    """Where adapted models go: the chosen folder, else the usual one."""
    chosen = chosen_folder(settings)
    return Path(chosen) if chosen else usual_folder()


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


def copy_model(model: Path, parent: Path, name: str, stopped: Callable[[], bool] = lambda: False) -> Path:
    """Copy a model into a new folder, whole or not at all. Nothing that is there already is touched.

    Args:
        model: Its folder.
        parent: The folder that gets the new one.
        name: Of the model: the new folder's name, with a number where that is taken.
        stopped: Asked before every file and at the end.

    Returns:
        The new folder.

    Raises:
        SettingsError: `parent` lies in the model. StorageError: it cannot be written. Cancelled: stopped.
    """
    if parent.resolve().is_relative_to(model.resolve()):
        text = _("is the model itself, or lies in it.")
        raise SettingsError(text, file=parent, hint=_("Choose another folder."))
    plain = _FORBIDDEN.sub("-", name).strip(" .")[:_LONGEST] or "model"
    names = (plain if number == 1 else f"{plain}-{number}" for number in count(1))
    with writing(parent):  # a folder that may not be entered cannot be asked either
        folder = next(path for path in map(parent.joinpath, names) if not path.exists())

    def go_on() -> None:
        if stopped():
            raise Cancelled(_("The job was cancelled."))

    def copy(source: str, target: str) -> None:
        go_on()
        try:
            shutil.copy2(source, target)
        except OSError as error:  # `copytree` would go on with the other files
            raise storage_error(error, folder) from error

    with atomic_folder(folder) as scratch:
        shutil.copytree(model, scratch, dirs_exist_ok=True, copy_function=copy)
        go_on()
    return folder


def run_folders(settings: Settings) -> list[Path]:
    """The folders of all runs, the latest last."""
    try:
        return sorted(output_folder(settings).glob("adapted-*"))
    except OSError:  # said when a run is to be written there
        return []


def finished_bundles(settings: Settings) -> list[Path]:
    """The models of finished runs that can be read, by name."""
    return [run / BUNDLE for run in run_folders(settings) if is_file(run / FINISHED)]
