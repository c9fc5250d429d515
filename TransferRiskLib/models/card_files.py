"""Cards in files: beside weights, in bundles, in TorchScript archives. Free of torch."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import ModelError, TransferRiskError
from TransferRiskLib.models.bundle_card import derive_card
from TransferRiskLib.models.bundle_configs import (
    parse_config,
    read_bundle_config,
    read_config_file,
    resolved_network,
    without_macros,
)
from TransferRiskLib.models.bundle_transforms import CARD_HINT
from TransferRiskLib.models.bundle_weights import is_torchscript, script_beside, weights_file
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.models.nnunet import refuse_nnunet
from TransferRiskLib.models.packed import DAMAGED, is_packed, unpacked
from TransferRiskLib.places import why_not
from TransferRiskLib.records import from_json, to_json

EXTRA_FILE = "transferrisk_card.json"
"""Name of the card among the extra files of a TorchScript archive."""

_LARGEST_EXTRAS = 64 * 2**20


def read_card(path: Path) -> ModelCard:
    """The card of a model file or bundle folder, without loading the model.

    Args:
        path: A bundle folder or a packed bundle (`configs/card.json`, else derived from
            `configs/metadata.json`), or a TorchScript file with the card among its extra files or beside it
            as `NAME.card.json`.

    Raises:
        UntrustedModelError: the bundle's network or preprocessing is code of its own.
        ModelError: no such model, one that may not be read, no card, or a card that makes no sense.
    """
    try:
        return _read_card(Path(path))
    except OSError as error:
        raise _unreadable(error, path) from error


def _read_card(path: Path) -> ModelCard:
    folder = bundle_folder(path)
    if folder is not None:
        return _bundle_card(folder)
    if not path.exists():
        raise ModelError("There is no such model.", file=path, hint="Check the path.")
    refuse_nnunet(path)
    if is_packed(path):
        with unpacked(path, weights=False) as folder:
            return _bundle_card(folder)
    if path.is_dir():
        raise ModelError(
            "This folder is not a MONAI bundle.",
            file=path,
            hint="A bundle holds configs/metadata.json, configs/inference.json and models/model.pt.",
        )
    return _file_card(path)


def list_models(folder: Path) -> list[tuple[Path, ModelCard | TransferRiskError]]:
    """The models directly within a folder, each with its card or with what is wrong with it.

    Args:
        folder: Where bundles (folders or packed) and TorchScript files (`.ts`, `.pt`) lie.

    Returns:
        Pairs in order of name; plain files, folders that are no models and folders that may not be
        looked into are left out. Nothing for a folder that is not there.

    Raises:
        ModelError: the folder may not be read.
    """
    found: list[tuple[Path, ModelCard | TransferRiskError]] = []
    try:
        entries = sorted(Path(folder).iterdir(), key=lambda entry: entry.name.casefold())
    except (FileNotFoundError, NotADirectoryError):
        return found
    except OSError as error:
        raise _unreadable(error, folder) from error
    for path in entries:
        if not _looks_like_model(path):
            continue
        try:
            found.append((path, read_card(path)))
        except TransferRiskError as error:
            found.append((path, error))
    return found


def _looks_like_model(path: Path) -> bool:
    """Whether a visible entry of a folder is a bundle, packed or not, or has the name of a TorchScript."""
    ending = path.suffix.lower()
    if path.name.startswith("."):
        return False
    try:
        if path.is_dir():
            return bundle_folder(path) is not None
        return is_packed(path) if ending == ".zip" else path.is_file() and ending in (".ts", ".pt")
    except OSError:  # a folder of others, such as a disk's lost+found
        return False


def _unreadable(error: OSError, path: Path) -> ModelError:
    return ModelError(
        f"cannot be read ({why_not(error)}).",
        file=path,
        hint="Ask its owner for access, or check that its drive is connected.",
    )


def bundle_folder(path: Path) -> Path | None:
    """The bundle that a path means: its folder, its metadata.json, or its weights file; else None."""
    path = Path(path)
    if path.is_dir():
        folder = path.parent if path.name == "configs" else path
    elif path.name == "metadata.json" or _is_weights(path):
        folder = path.parent.parent
    else:
        return None
    has_card = any((folder / "configs" / name).is_file() for name in ("metadata.json", "card.json"))
    return folder if has_card else None


def card_from_json(value: Any, file: Path | None = None) -> ModelCard:
    """The card that parsed JSON describes; `labels` may be a plain list of names, background first.

    Raises:
        ModelError: a field that is unknown, missing or of the wrong kind.
    """
    try:
        if isinstance(value, dict) and isinstance(value.get("labels"), list):
            value = {**value, "labels": _labels_of_names(value["labels"])}
        return from_json(ModelCard, value, "card")
    except TransferRiskError as error:
        raise ModelError(error.message, file=file, hint=error.hint or CARD_HINT) from error


def card_to_json(card: ModelCard) -> dict[str, Any]:
    """A card as plain JSON data."""
    return to_json(card)


def torchscript_extras(path: Path) -> dict[str, str]:
    """The extra text files in a TorchScript archive, by name, read as a ZIP.

    Raises:
        ModelError: not a TorchScript archive, or it may not be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(error, path) from error
    try:
        with file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if not any("/code/" in name for name in names):
                raise _no_torchscript(path, names)
            extras = [info for info in archive.infolist() if "/extra/" in info.filename]
            if sum(info.file_size for info in extras) > _LARGEST_EXTRAS:
                raise ModelError("holds implausibly long texts.", file=path, hint="Choose another file.")
            return {
                info.filename.split("/extra/", 1)[1]: archive.read(info).decode("utf-8", errors="replace")
                for info in extras
            }
    except (OSError, *DAMAGED) as error:
        raise _no_torchscript(path, []) from error


def _no_torchscript(path: Path, names: list[str]) -> ModelError:
    if any(name.endswith("/data.pkl") for name in names):
        return ModelError(
            "holds weights without a network.",
            file=path,
            hint="Choose the folder of its MONAI bundle, or a TorchScript export (torch.jit.save).",
        )
    return ModelError(
        "is not a TorchScript file.",
        file=path,
        hint="It may be truncated or an old pickle, which is never loaded: export it with torch.jit.save.",
    )


def _file_card(path: Path) -> ModelCard:
    extras = torchscript_extras(path)
    beside = path.with_name(path.stem + ".card.json")
    if beside.is_file():
        return card_from_json(read_config_file(beside), beside)
    if EXTRA_FILE in extras:
        return card_from_json(_json(extras[EXTRA_FILE], path), path)
    if "metadata.json" in extras:  # as MONAI's own export writes it
        config: Mapping[str, Any] = {}
        for name in ("inference.json", "train.json"):
            if name in extras:
                config = without_macros(_json(extras[name], path), None, path)
                break
        return derive_card(_json(extras["metadata.json"], path), config, name=path.stem, file=path)
    raise ModelError(
        "has no card.",
        file=path,
        hint=f"Write {beside.name} beside it. " + CARD_HINT.replace("a configs/card.json", "one"),
    )


def _bundle_card(folder: Path) -> ModelCard:
    config, file = read_bundle_config(folder)
    if not _comes_as_script(folder, config):
        resolved_network(config, file)
    own = folder / "configs" / "card.json"
    if own.is_file():
        return card_from_json(read_config_file(own), own)
    metadata = read_config_file(folder / "configs" / "metadata.json")
    return derive_card(metadata, config, name=folder.resolve().name, file=folder)


def _comes_as_script(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the network need not be built from its definition, or that cannot be told."""
    if script_beside(folder) is not None:
        return True
    try:
        weights = weights_file(folder, config)
    except ModelError:  # said when the model is opened; the card can be looked at without weights
        return False
    return weights.stat().st_size == 0 or is_torchscript(weights)


def _is_weights(path: Path) -> bool:
    folder = path.parent.parent
    if path.parent.name != "models" or not (folder / "configs").is_dir():
        return False
    try:
        return path == weights_file(folder, read_bundle_config(folder)[0])
    except ModelError:
        return path.name == "model.pt"


def _labels_of_names(labels: list[Any]) -> Any:
    if labels and all(isinstance(name, str) for name in labels):
        scheme = LabelScheme.of(*labels[1:])
        if labels[0].casefold() != scheme.names[0]:
            raise ModelError(
                f"The first label is {labels[0]!r}.",
                hint='The labels start with "background", also for sigmoids.',
            )
        return scheme
    return {"labels": labels}


def _json(text: str, path: Path) -> dict[str, Any]:
    return parse_config(text, path) if text.strip() else {}
