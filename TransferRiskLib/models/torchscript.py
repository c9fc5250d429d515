"""TorchScript archives: checked before they are loaded, then loaded."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import torch
from torch import nn

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.card_files import torchscript_extras

_NAMESPACES = {"aten", "prim", "quantized"}
_CODE_LIMIT = 64 * 2**20


def load_torchscript(path: Path) -> nn.Module:
    """The network in a TorchScript archive, on the CPU, in evaluation mode.

    TorchScript holds no Python: the archive's code is a small language that torch compiles to its own
    operators, and its data are read by a reader that knows tensors and containers only. A few operators
    however reach outside (`torch.save` and `torch.from_file` write and map files, other name spaces
    talk to processes), so an archive that mentions them is refused before anything of it is loaded.

    Raises:
        UntrustedModelError: it uses an operator that reaches outside.
        ModelError: not a TorchScript archive, or one that cannot be loaded.
    """
    torchscript_extras(path)
    _check_operators(path)
    try:
        return torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:  # the loader raises RuntimeError and others for damaged archives
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"cannot be loaded as TorchScript ({reason}).",
            file=path,
            hint="It may be truncated, or exported by a newer version of PyTorch.",
        ) from error


def _check_operators(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if "/code/" in info.filename]
        if sum(info.file_size for info in members) > _CODE_LIMIT:
            raise UntrustedModelError("has an implausible amount of code.", file=path)
        for info in members:
            if info.filename.endswith(".py"):
                found = outside_operator(archive.read(info).decode("utf-8", errors="replace"))
                if found is not None:
                    raise UntrustedModelError(
                        f"uses {found}, which reaches outside the network; it is refused.",
                        file=path,
                        hint="Ask its author for an export of the network alone.",
                    )


def outside_operator(code: str) -> str | None:
    """The first operator in TorchScript source that reads or writes files or leaves torch's own; or None."""
    match = re.search(r"\b(save|from_file)\b", code)
    if match:
        return match.group(1)
    if re.search(r"\bclasses\b", code):
        return "torch.classes"
    named = re.findall(r"\bops\.(\w+)\.", code)
    strangers = [name for name in named if name not in _NAMESPACES]
    if strangers or len(named) != len(re.findall(r"\bops\b", code)):
        return f"ops.{strangers[0]}" if strangers else "ops"
    return None
