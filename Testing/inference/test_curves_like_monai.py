"""The curves of a card as MONAI's own workflow of a saved bundle applies them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.inference.intensities import normalise, through_curve
from TransferRiskLib.models.bundle_text import inference_config
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.intensity_curve import IntensityCurve


@pytest.mark.parametrize("nonzero", [True, False])
def test_monai_takes_the_channels_through_the_curves(tmp_path: Path, nonzero: bool) -> None:
    from monai.bundle import ConfigParser

    random = np.random.default_rng(0)
    arrays = [random.gamma(2.0, 50.0, (6, 7, 8)).astype(np.float32) for _ in range(2)]
    for name, array in zip(("T1", "T2"), arrays, strict=True):
        array[:2] = 0
        sitk.WriteImage(sitk.GetImageFromArray(array), tmp_path / f"{name}.nii.gz")
    curves = (
        IntensityCurve((-1.0, 0.25, 1.5), (2.0, -0.5, 0.125)),
        IntensityCurve((-0.5, 2.0), (1.0, -1.0)),
    )
    how = Normalisation("zscore", nonzero=nonzero)
    card = ModelCard(
        "m", ("T1", "T2"), LabelScheme.of("a"), orientation="LPS", normalisation=how, curves=curves
    )
    parser = ConfigParser(inference_config(card, {"_target_": "UNet"}))
    preprocessing = parser.get_parsed_content("preprocessing")
    made = preprocessing({"image": [str(tmp_path / f"{name}.nii.gz") for name in ("T1", "T2")]})["image"]
    for array, curve, channel in zip(arrays, curves, made, strict=True):
        want = through_curve(normalise(array, how), curve, how)
        np.testing.assert_allclose(np.asarray(channel), want.transpose(2, 1, 0), atol=1e-5)
    assert "affine" in made.meta and made.applied_operations
