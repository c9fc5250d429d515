"""The descriptive files of a saved bundle: MONAI's metadata and workflow, and the model card in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from TransferRiskLib.models.card import ModelCard

_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
SAVED_HERE = "saved by TransferRisk"
NOT_A_DEVICE = "For research only: this model is not a medical device and must not guide a patient's care."


def metadata(card: ModelCard, description: str = "") -> dict[str, Any]:
    """`configs/metadata.json` as MONAI's bundle specification asks for it."""
    shape = list(card.patch_size)
    names = card.labels.names if card.activation == "softmax" else card.labels.names[1:]
    return {
        "schema": _SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": SAVED_HERE},
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch"),
        "numpy_version": _version("numpy"),
        "required_packages_version": {},
        "task": f"Segmentation of {', '.join(label.name for label in card.labels.foreground)}",
        "description": description or card.description or card.name,
        "authors": "Not stated",
        "copyright": card.licence or "Not stated",
        "intended_use": NOT_A_DEVICE,
        "references": [card.citation] if card.citation else [],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": ", ".join(card.contrasts) or "n/a",
                    "num_channels": len(card.channels),
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {str(n): name for n, name in enumerate(card.channels)},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": card.outputs,
                    "spatial_shape": shape,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": {str(n): name for n, name in enumerate(names)},
                }
            },
        },
    }


def inference_config(card: ModelCard, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """`configs/inference.json`: a workflow that MONAI runs (a folder a case, a file a channel)."""
    definition: Any = "$torch.jit.load(@bundle_root + '/models/model.ts')" if config is None else dict(config)
    weights = {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
        "_disabled_": config is None,
    }
    return {
        "imports": [
            "$import glob",
            "$import os",
            *(["$import numpy", "$import torch"] if card.curves else []),
        ],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/cases'",
        "output_dir": "$@bundle_root + '/eval'",
        "channels": list(card.channels),
        "datalist": "$[[os.path.join(case, name + '.nii.gz') for name in @channels]"
        " for case in sorted(glob.glob(@dataset_dir + '/*/'))]",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": definition,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(card)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': files} for files in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(card.patch_size),
            "sw_batch_size": 2,
            "overlap": 0.5,
            "mode": "gaussian",
        },
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(card)},
        "checkpointloader": weights,
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": ["@checkpointloader"],
        },
        "run": ["$@evaluator.run()"],
    }


def model_readme(card: ModelCard, described: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The model card for people, in Markdown."""
    spacing = "the scan's own" if card.spacing is None else " x ".join(f"{s:g}" for s in card.spacing) + " mm"
    axes = "as the scan has them" if card.orientation is None else f"towards {', '.join(card.orientation)}"
    cases = facts.get("cases")
    trained_on = f"{len(cases)} labelled cases" if isinstance(cases, (list, tuple, dict)) else cases
    script = facts.get("torchscript", {})
    lines = [
        f"# {card.name}",
        "",
        str(described.get("description", "")),
        "",
        "## Intended use",
        f"{described.get('task', '')} in 3-D images like those it was made from. {NOT_A_DEVICE}",
        "",
        "## Input",
        f"- Channels, in this order: {', '.join(card.channels)}",
        *([f"- Contrasts of the training images: {', '.join(card.contrasts)}"] if card.contrasts else []),
        f"- Spacing: {spacing}; axes {axes}",
        f"- Intensities: {normalisation_text(card)}",
        f"- Patch: {' x '.join(map(str, card.patch_size))} voxels; sizes in multiples of {card.divisible_by}",
        "",
        "## Output",
        f"Activation: {card.activation}.",
        "",
        "| value | label |",
        "|---|---|",
        *(f"| {label.value} | {label.name} |" for label in card.labels.labels),
        "",
        "## Training data",
        f"{trained_on if trained_on is not None else 'Not stated.'}",
        "",
        "## Provenance",
        *(_facts_table(facts) or ["Not stated."]),
        "",
        "## Files",
        "- `models/model.pt`, where there is one: weights; `configs/inference.json` defines the network.",
        f"- `models/model.ts`: TorchScript ({script.get('kind')})."
        if script.get("kind") in ("scripted", "traced")
        else f"- There is no TorchScript export: {script.get('note', '')}",
        "- `configs/provenance.json`: how the model came about, in full.",
        "",
        "## Limits",
        "- Images of another contrast, resolution, anatomy or disease than the training data can fail "
        "without any sign in the output. Look at every result.",
        "- Few training cases show little of the variety of patients; measure on cases of your own first.",
        f"- {NOT_A_DEVICE}",
        "",
        *([f"Licence: {card.licence}", ""] if card.licence else []),
        *([f"Cite: {card.citation}", ""] if card.citation else []),
    ]
    return "\n".join(lines)


def _facts_table(facts: Mapping[str, Any]) -> list[str]:
    scalars = {key: value for key, value in facts.items() if isinstance(value, (str, int, float, bool))}
    if not scalars:
        return []
    rows = (f"| {key} | {str(value).replace('|', '/')} |" for key, value in scalars.items())
    return ["| what | value |", "|---|---|", *rows]


def _preprocessing(card: ModelCard) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
    ]
    if card.orientation is not None:
        steps.append({"_target_": "Orientationd", "keys": "image", "axcodes": card.orientation})
    if card.spacing is not None:
        pixdim = list(card.spacing)
        steps.append({"_target_": "Spacingd", "keys": "image", "pixdim": pixdim, "mode": "bilinear"})
    low, high = card.normalisation.limits
    first, last = card.normalisation.range or (0.0, 1.0)
    unit = {"b_min": first, "b_max": last, "clip": True}
    scaled = {"_target_": "ScaleIntensityd", "minv": first, "maxv": last, "channel_wise": True}
    intensity: dict[str, dict[str, Any]] = {
        "zscore": {
            "_target_": "NormalizeIntensityd",
            "nonzero": card.normalisation.nonzero,
            "channel_wise": True,
        },
        "minmax": scaled,
        "percentile": {
            "_target_": "ScaleIntensityRangePercentilesd",
            "lower": low,
            "upper": high,
            "channel_wise": True,
            **unit,
        },
        "window": {"_target_": "ScaleIntensityRanged", "a_min": low, "a_max": high, **unit},
    }
    if card.normalisation.kind in intensity:
        steps.append({"keys": "image", **intensity[card.normalisation.kind]})
    if card.normalisation.kind == "zscore" and card.normalisation.range is not None:
        steps.append({"keys": "image", **scaled})
    if card.curves:
        steps.append({"_target_": "Lambdad", "keys": "image", "func": _curves_expression(card)})
    return [*steps, {"_target_": "EnsureTyped", "keys": "image"}]


def _curves_expression(card: ModelCard) -> str:
    """What MONAI evaluates for the card's curves; in place, so that the image keeps its metadata."""
    points = [[list(curve.x), list(curve.y)] for curve in card.curves]
    curved = (
        "torch.stack([torch.as_tensor(numpy.interp(c.cpu().numpy(), x, y), dtype=torch.float32)"
        f" for c, (x, y) in zip(image.as_tensor(), {points})])"
    )
    if card.normalisation.nonzero:
        curved = f"torch.where(image.as_tensor() == 0, image.as_tensor(), {curved})"
    return f"$lambda image: image.copy_({curved})"


def _postprocessing(card: ModelCard) -> list[dict[str, Any]]:
    softmax = card.activation == "softmax"
    components = {
        "_target_": "KeepLargestConnectedComponentd",
        "keys": "pred",
        "applied_labels": [card.labels.index(name) for name in card.keep_largest],
    }
    return [
        {"_target_": "Activationsd", "keys": "pred", "softmax" if softmax else "sigmoid": True},
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        {"_target_": "AsDiscreted", "keys": "pred", **({"argmax": True} if softmax else {"threshold": 0.5})},
        *([components] if softmax and card.keep_largest else []),
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "data_root_dir": "@dataset_dir",
        },
    ]


def normalisation_text(card: ModelCard) -> str:
    """The card's intensity normalisation in words."""
    low, high = card.normalisation.limits
    first, last = card.normalisation.range or (0.0, 1.0)
    then = f", then brought to {first:g} to {last:g}" if card.normalisation.range else ""
    texts = {
        "zscore": f"mean 0, standard deviation 1{then}, per case and channel",
        "minmax": f"{first:g} to {last:g} per case and channel",
        "percentile": f"percentiles {low:g} and {high:g} to {first:g} and {last:g}, clipped, "
        "per case and channel",
        "window": f"{low:g} to {high:g} mapped to {first:g} to {last:g}, clipped",
        "none": "as they come",
    }
    over = " (non-zero voxels only)" if card.normalisation.nonzero else ""
    curved = ", then through the curves in `configs/card.json`" if card.curves else ""
    return texts[card.normalisation.kind] + over + curved


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # an application may ship the package without its metadata
        return "unknown"
