"""Which file of a bundle holds its weights. Free of torch."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.errors import ModelError
from TransferRiskLib.models.bundle_configs import resolve

_WEIGHTS = (".pt", ".pth", ".ckpt")
_SCRIPT = "model.ts"


def weights_file(folder: Path, config: Mapping[str, Any]) -> Path:
    """The file with a bundle's weights: a state dict, or TorchScript where there is none.

    What the configuration's `CheckpointLoader` loads comes first, then `models/model.pt`, then the only
    `.pt` or `.pth` file in `models/`, then `models/model.ts`, then the only `.ts` file there.

    Args:
        folder: The bundle's folder.
        config: Its configuration; may be empty.

    Raises:
        ModelError: no weights, or several files and nothing that says which.
    """
    models = folder / "models"
    named = [models / name for name in _loaded(config)]
    for path in [*named, models / "model.pt"]:
        if path.is_file():
            return path
    for suffixes, usual in ((_WEIGHTS, None), ((".ts",), models / _SCRIPT)):
        if usual is not None and usual.is_file():
            return usual
        found = sorted(p for p in models.glob("*") if p.suffix.lower() in suffixes and p.is_file())
        if len(found) == 1:
            return found[0]
        if found:
            raise ModelError(
                f"The bundle has several files of weights ({', '.join(path.name for path in found)}), and "
                "which one belongs to its configuration is not said.",
                file=folder,
                hint="Rename the right one to models/model.pt.",
            )
    wanted = named[0].name if named else "model.pt"
    raise ModelError(
        "The bundle has no weights.",
        file=folder,
        hint=f"Put them at models/{wanted} (or models/{_SCRIPT}). The bundle's large_files.yml, where there "
        "is one, says where they come from.",
    )


def script_beside(folder: Path) -> Path | None:
    """The bundle's TorchScript export, models/model.ts, where there is one."""
    script = folder / "models" / _SCRIPT
    return script if script.is_file() else None


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a ZIP with a `code/` folder."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _loaded(config: Mapping[str, Any]) -> Iterator[str]:
    """Names of the files in `models/` that the configuration loads, in order."""
    for loader in _loaders(config, 0):
        path = loader.get("load_path")
        root = {**config, "bundle_root": ".", "ckpt_dir": "./models"}
        told = resolve(path, root)
        match = re.fullmatch(r"(?:.*/)?models/([^/\\:]+)", told) if isinstance(told, str) else None
        if match:
            yield match.group(1)


def _loaders(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if str(value.get("_target_", "")).rpartition(".")[2] == "CheckpointLoader":
            yield value
    elif not isinstance(value, list):
        return
    if depth < 8:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _loaders(item, depth + 1)
