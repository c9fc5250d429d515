"""A bundle's own pipeline, run by MONAI, and ours give the same numbers where nothing is resampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from model_fakes import (
    CT_TRANSFORMS,
    SIGMOID,
    SOFTMAX,
    network,
    unet,
    write_zoo_bundle,
    zoo_inference,
    zoo_metadata,
)

from TransferRiskLib.cases.case import Case, ChannelFile
from TransferRiskLib.cases.load import load_case
from TransferRiskLib.inference.predict import predict_on_grid
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model

pytest.importorskip("nibabel")  # MONAI reads NIfTI with it
LOAD = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"}]
CHAIN = [
    *LOAD,
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True},
    {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0},
]
MR = [LOAD[0], {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}]
TUMOUR = ["Tumor core", "Whole tumor", "Enhancing tumor"]


def scans(folder: Path, number: int, spacing: tuple[float, float, float]) -> list[Path]:
    """Scans that differ along every axis, a corner of zeros in them, axes towards L, P and S."""
    files = []
    for channel in range(number):
        values = np.random.default_rng(channel).normal(80, 200, (16, 16, 16)).astype(np.float32)
        values[:5, :4, :3] = 0
        scan = sitk.GetImageFromArray(values)
        scan.SetSpacing(spacing)
        scan.SetOrigin((12.0, -7.0, 3.0))
        files.append(folder / f"channel{channel}.nii.gz")
        sitk.WriteImage(scan, str(files[-1]))
    return files


@torch.no_grad()
@pytest.mark.parametrize(
    ("channels", "outputs", "transforms", "final", "spacing"),
    [
        (
            ["image"],
            ["background", "liver", "spleen"],
            [LOAD[0], LOAD[1], *CT_TRANSFORMS[1:]],
            SOFTMAX,
            (1.5, 1.5, 2.0),
        ),
        (["image"], ["background", "liver", "spleen"], CHAIN, SOFTMAX, (1.0, 1.0, 3.0)),
        (["T1c", "FLAIR"], TUMOUR, MR, SIGMOID, (1.0, 1.0, 1.0)),
    ],
    ids=["a window", "a chain", "nested regions as scanned"],
)
def test_a_bundle_gives_what_monai_makes_of_it(tmp_path, channels, outputs, transforms, final, spacing):
    from monai.bundle import ConfigParser

    definition = unet(in_channels=len(channels))
    folder = write_zoo_bundle(
        tmp_path / "toy",
        weights=network(definition).state_dict(),
        metadata=zoo_metadata(channels, outputs, [16, 16, 16]),
        inference=zoo_inference(definition, transforms, final),
    )
    files = scans(tmp_path, len(channels), spacing)
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    given = [str(file) for file in files]
    theirs = parser.get_parsed_content("preprocessing")({"image": given if len(given) > 1 else given[0]})
    net = parser.get_parsed_content("network_def").eval()
    net.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
    logits = net(torch.as_tensor(theirs["image"]).float()[None])[0]

    model = open_model(folder)
    case = Case(
        "anna", {name: ChannelFile(file) for name, file in zip(model.card.channels, files, strict=True)}
    )
    prepared = prepare(model.card, load_case(case, channels=model.card.channels))
    torch.testing.assert_close(prepared.image, torch.as_tensor(theirs["image"]).float(), atol=2e-6, rtol=0)
    states = predict_on_grid(model, prepared.image, PredictionSettings(device="cpu", overlap=0.5))
    if final is SOFTMAX:
        expected = torch.softmax(logits, 0)
    else:
        core, whole, enhancing = torch.sigmoid(logits)
        core = torch.minimum(core, whole)
        enhancing = torch.minimum(enhancing, core)
        expected = torch.stack([1 - whole, whole - core, core - enhancing, enhancing])
    torch.testing.assert_close(states, expected, atol=2e-6, rtol=0)
