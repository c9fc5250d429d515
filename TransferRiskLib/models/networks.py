"""Networks from their definitions, from a closed list of classes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import monai.networks.nets
import torch
from torch import nn

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.composite import EepAveraged, OrderedOutputs, PickedOutput, StackedHead

_NETS = "monai.networks.nets"
_OURS: dict[str, Callable[..., nn.Module]] = {
    "TransferRiskLib.models.composite.EepAveraged": EepAveraged,
    "TransferRiskLib.models.composite.OrderedOutputs": OrderedOutputs,
    "TransferRiskLib.models.composite.PickedOutput": PickedOutput,
    "TransferRiskLib.models.composite.StackedHead": StackedHead,
}
_REFUSED = {  # these read files or fetch weights by themselves while they are built
    "BertPreTrainedModel", "CellSamWrapper", "HoVerNet", "MILModel", "MultiModal", "NetAdapter",
    "TorchVisionFCModel", "Transchex",
}  # fmt: skip
_IGNORED = {"_desc_"}
_FORBIDDEN = {"_requires_", "_mode_", "_wrapper_", "_code_"}
OUTPUT_KEYS = ("out_channels", "num_classes", "n_classes", "num_outputs")


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """The network that a definition describes, with random weights, in evaluation mode.

    Only classes of `monai.networks.nets` and this library's own composite networks are built, and
    only from literal arguments; weights are never fetched.

    Args:
        config: `{"_target_": "monai.networks.nets.UNet", "spatial_dims": 3, ...}`; the bare class name
            is understood as MONAI does.

    Raises:
        UntrustedModelError: the definition asks for anything else.
        ModelError: the class does not accept the arguments.

    Example:
        >>> build_network({"_target_": "BasicUNet", "out_channels": 2, "features": [4] * 6}).training
        False
    """
    target = config.get("_target_")
    if not isinstance(target, str):
        raise ModelError("The network definition has no '_target_'.", hint="Name a MONAI network class.")
    arguments = _arguments(config, target)
    if target in _OURS:
        built = {k: build_network(v) if _is_definition(v) else v for k, v in arguments.items()}
        return _construct(_OURS[target], built, target)
    network_class = network_class_of(target)
    parameters = inspect.signature(network_class).parameters
    for name in {**arguments, **parameters}:
        if name.startswith("pretrain") and arguments.get(name):
            raise UntrustedModelError(
                f"The definition of {target} asks for weights from elsewhere ({name}).",
                hint="A bundle brings its own weights in models/model.pt; remove that argument.",
            )
        if name == "pretrained" and name in parameters:
            arguments[name] = False  # some classes fetch weights unless told otherwise
    if network_class.__name__ == "SwinUNETR" and "img_size" not in parameters:
        arguments.pop("img_size", None)  # dropped by MONAI 1.5; older bundles still carry it
    return _construct(network_class, arguments, target)


def network_class_of(target: str) -> type[nn.Module]:
    """The class of `monai.networks.nets` that a `_target_` names.

    Raises:
        UntrustedModelError: it names anything else.
    """
    module, _, name = target.rpartition(".")
    found = getattr(monai.networks.nets, name, None) if name.isidentifier() else None
    from_nets = not module or module == _NETS or module.startswith(_NETS + ".")
    if (
        not from_nets
        or not (isinstance(found, type) and issubclass(found, nn.Module))
        or found.__name__ in _REFUSED
        or not found.__module__.startswith(_NETS + ".")
    ):
        raise UntrustedModelError(
            f"The network class {target!r} is not on the list of allowed ones.",
            hint=f"Only segmentation networks of {_NETS} are built; code that a bundle brings is never run. "
            "A TorchScript export of the model (models/model.ts with its card) can be opened instead.",
        )
    return found


def copy_network(network: nn.Module) -> nn.Module:
    """A deep copy that can be trained, also of TorchScript.

    Copying TorchScript while gradients are recorded makes its weights results of an operation, which an
    optimiser cannot change; hence copies of networks are made here.
    """
    with torch.no_grad():
        copied = copy.deepcopy(network)
    for own, given in zip(copied.parameters(), network.parameters(), strict=True):
        own.requires_grad_(given.requires_grad)
    return copied


def output_key(config: Mapping[str, Any]) -> str:
    """The argument of a definition that sets the number of output channels.

    Raises:
        ModelError: the class has none that is known.
    """
    parameters = inspect.signature(network_class_of(str(config.get("_target_")))).parameters
    for key in OUTPUT_KEYS:
        if key in parameters:
            return key
    raise ModelError(f"It is not known how {config.get('_target_')} sets its number of outputs.")


def _arguments(config: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The constructor's arguments, checked to be literals."""
    forbidden = sorted(_FORBIDDEN & set(config))
    if forbidden:
        raise UntrustedModelError(f"The definition of {target} has {forbidden[0]!r}, which would run code.")
    if config.get("_disabled_") in (True, "true", "True"):
        raise ModelError(f"The definition of {target} is disabled.", hint="Remove '_disabled_'.")
    arguments = {k: v for k, v in config.items() if k not in _IGNORED and k not in ("_target_", "_disabled_")}
    for name, value in arguments.items():
        if not (target in _OURS and _is_definition(value)):  # ours hold networks, built by the same rules
            _check_literal(value, f"{target}.{name}")
    return arguments


def _check_literal(value: Any, place: str) -> None:
    if isinstance(value, Mapping):
        if "_target_" in value:
            raise UntrustedModelError(f"{place} asks to build {value['_target_']!r}, which is not allowed.")
        for key, item in value.items():
            _check_literal(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_literal(item, place)
    elif isinstance(value, str):
        if value.startswith(("$", "@", "%")):
            raise UntrustedModelError(f"{place} is the expression {value!r}, which is never run.")
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise UntrustedModelError(f"{place} is a {type(value).__name__}, not a plain value.")


def _is_definition(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _construct(factory: Callable[..., nn.Module], arguments: dict[str, Any], target: str) -> nn.Module:
    try:
        return factory(**arguments).eval()
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{target} cannot be built from its definition ({error}).",
            hint="Compare the arguments in network_def with the MONAI version that is installed.",
        ) from error
