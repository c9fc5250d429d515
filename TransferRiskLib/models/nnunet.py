"""Recognising a trained nnU-Net, which cannot be opened as it is."""

from __future__ import annotations

from pathlib import Path

from TransferRiskLib.errors import ModelError

_HINT = (
    "Export its network to TorchScript where nnU-Net is installed, and write a card beside it with the "
    "channels of dataset.json and the spacing, patch and normalisation of plans.json: Docs/models.md, "
    "'From nnU-Net'."
)


def refuse_nnunet(path: Path) -> None:
    """Raise for the folder of a trained nnU-Net, one that holds some, or a checkpoint in one.

    A trained nnU-Net v2 is a folder with dataset.json, plans.json and fold_N/checkpoint_final.pth.

    Raises:
        ModelError: it is one; any other path passes.
    """
    path = Path(path)
    folders = [path, path.parent] if path.is_dir() else [path.parent, path.parent.parent]
    for folder in folders:
        if _is_trained(folder):
            raise ModelError("is a trained nnU-Net, not a MONAI bundle.", file=path, hint=_HINT)
    if path.is_dir() and any(_is_trained(child) for child in path.glob("*__*__*")):
        raise ModelError("holds trained nnU-Nets, not a MONAI bundle.", file=path, hint=_HINT)


def _is_trained(folder: Path) -> bool:
    has_plans = (folder / "plans.json").is_file() or (folder / "plans.pkl").is_file()
    return has_plans and any(folder.glob("fold_*"))
