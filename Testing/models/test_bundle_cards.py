from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_fakes import CT_TRANSFORMS, SIGMOID, SOFTMAX, unet, zoo_inference, zoo_metadata

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.bundle_card import derive_card, size_divisor
from TransferRiskLib.models.card import Normalisation
from TransferRiskLib.models.card_files import card_from_json

LIVER = (["image"], ["background", "liver"])


def derive(metadata, config):
    return derive_card(metadata, config, name="toy", file=Path("toy"))


def with_intensity(*steps, channels=1):
    transforms = [{"_target_": "LoadImaged", "keys": "image"}, *({"keys": "image", **step} for step in steps)]
    names = ["T1", "T2"][:channels]
    return derive(
        zoo_metadata(names, ["background", "liver"], [16, 16, 16]), zoo_inference(unet(), transforms, SOFTMAX)
    ).normalisation


def test_a_ct_bundle_is_understood_from_its_transforms():
    card = derive(zoo_metadata(*LIVER, [96, 96, 96]), zoo_inference(unet(), CT_TRANSFORMS, SOFTMAX))
    assert card.channels == ("MR",)  # "image" says nothing about a scan, the modality does
    assert card.labels.names == ("background", "liver")
    assert card.activation == "softmax"
    assert card.spacing == (1.5, 1.5, 2.0)
    assert card.orientation == "RAS"
    assert card.normalisation == Normalisation("window", limits=(-57.0, 164.0))
    assert card.patch_size == (16, 16, 16)
    assert card.divisible_by == 4  # two strides of 2
    assert card.architecture == "UNet"


def test_a_tumour_bundle_with_sigmoids_gets_nested_regions_outermost_first():
    transforms = [{"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}]
    metadata = zoo_metadata(
        ["T1c", "T1", "T2", "FLAIR"], ["Tumor core", "Whole tumor"], ["8*n", "8*n", "8*n"]
    )
    config = zoo_inference(
        {"_target_": "SegResNet", "in_channels": 4, "out_channels": 2}, transforms, SIGMOID
    )
    card = derive(metadata, {**config, "inferer": {"roi_size": [20, 20, 16]}})
    assert card.channels == ("T1c", "T1", "T2", "FLAIR") == card.contrasts
    assert card.activation == "nested"
    assert card.labels.names == ("background", "Whole tumor", "Tumor core")
    assert card.output_order == (1, 0)
    assert card.outputs == 2
    assert card.spacing is None and card.orientation is None  # no Spacing, no Orientation: as scanned
    assert card.normalisation == Normalisation("zscore", nonzero=True)
    assert card.divisible_by == 8
    assert card.patch_size == (24, 24, 16)  # rounded up to multiples of 8


def test_plain_references_are_followed():
    config = zoo_inference(unet(), [], SOFTMAX)
    config |= {
        "pixdim": [1, 1, 3],
        "steps": [{"_target_": "Spacingd", "pixdim": "@pixdim"}, {"_target_": "ScaleIntensityd"}],
        "preprocessing": {"_target_": "Compose", "transforms": "@steps"},
        "window": {"size": [8, 8, 8]},
        "inferer": {"roi_size": "@window#size"},
    }
    card = derive(zoo_metadata(*LIVER, [16, 16, 16]), config)
    assert card.spacing == (1.0, 1.0, 3.0)
    assert card.patch_size == (8, 8, 8)
    assert card.normalisation.kind == "minmax"


def test_components_that_the_bundle_keeps_are_named():
    config = zoo_inference(unet(), CT_TRANSFORMS, SOFTMAX)
    config["postprocessing"]["transforms"].append(
        {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [2]}
    )
    card = derive(zoo_metadata(["image"], ["background", "liver", "spleen"], [16] * 3), config)
    assert card.keep_largest == ("spleen",)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], Normalisation("none")),
        ([{"_target_": "NormalizeIntensityd"}], Normalisation("zscore")),
        ([{"_target_": "NormalizeIntensityd", "nonzero": "True"}], Normalisation("zscore", nonzero=True)),
        ([{"_target_": "ScaleIntensityd"}, {"_target_": "NormalizeIntensityd"}], Normalisation("zscore")),
        (
            [{"_target_": "ScaleIntensityRangePercentilesd", "lower": 1, "upper": 99, "b_min": 0, "b_max": 1,
              "clip": True}],
            Normalisation("percentile", limits=(1.0, 99.0)),
        ),
        (
            [{"_target_": "ScaleIntensityRanged", "a_min": -5, "a_max": 5, "b_min": -1, "b_max": 1,
              "clip": True, "dtype": "$torch.float32"}],
            Normalisation("window", limits=(-5.0, 5.0), range=(-1.0, 1.0)),
        ),
        ([{"_target_": "ScaleIntensityd", "minv": -1.0}], Normalisation("minmax", range=(-1.0, 1.0))),
        # a map of minimum and maximum undoes a z-score, unless that one set the zeros apart
        (
            [{"_target_": "NormalizeIntensityd"}, {"_target_": "ScaleIntensityd", "minv": -1.0, "maxv": 1.0}],
            Normalisation("minmax", range=(-1.0, 1.0)),
        ),
        (
            [{"_target_": "NormalizeIntensityd", "nonzero": True}, {"_target_": "ScaleIntensityd"}],
            Normalisation("zscore", nonzero=True, range=(0.0, 1.0)),
        ),
        (
            [{"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 9, "b_min": 0, "b_max": 1,
              "clip": True},
             {"_target_": "CropForegroundd", "source_key": "image"}],
            Normalisation("window", limits=(0.0, 9.0)),
        ),
        (
            [{"_target_": "Lambdad", "keys": "label", "func": "$lambda x: x"},
             {"_target_": "ScaleIntensityd"}],
            Normalisation("minmax"),
        ),
    ],
)  # fmt: skip
def test_intensity_transforms_become_a_normalisation(steps, expected):
    assert with_intensity(*steps) == expected


@pytest.mark.parametrize(
    "steps",
    [
        [{"_target_": "ScaleIntensityd", "factor": 0.5}],
        [{"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 1, "b_min": 0, "b_max": 1}],
        [{"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 1, "b_min": 0, "b_max": 1, "clip": True},
         {"_target_": "NormalizeIntensityd"}],
        [{"_target_": "NormalizeIntensityd", "subtrahend": 100, "divisor": 20}],
        [{"_target_": "CropForegroundd", "source_key": "image"}, {"_target_": "NormalizeIntensityd"}],
        [{"_target_": "Resized", "spatial_size": [32, 32, 32]}],
        [{"_target_": "Lambdad", "func": "$lambda x: x * 2"}],
        [{"_target_": "ScaleIntensityd"}, {"_target_": "NormalizeIntensityd", "nonzero": True}],
        [{"_target_": "ScaleIntensityRanged", "a_min": "$0 - 5", "a_max": 1, "b_min": 0, "b_max": 1}],
    ],
)  # fmt: skip
def test_intensities_that_no_card_describes_are_refused_with_an_example_of_a_card(steps):
    with pytest.raises(ModelError) as caught:
        with_intensity(*steps)
    example = caught.value.hint[caught.value.hint.index("{") :]
    assert card_from_json(json.loads(example)).channels == ("T1", "FLAIR")


def test_statistics_pooled_over_channels_are_refused():
    with pytest.raises(ModelError, match="NormalizeIntensity"):
        with_intensity({"_target_": "NormalizeIntensityd"}, channels=2)
    kept = with_intensity({"_target_": "NormalizeIntensityd", "channel_wise": True}, channels=2)
    assert kept == Normalisation("zscore")


def test_a_spacing_that_only_an_expression_gives_is_refused():
    transforms = [{"_target_": "Spacingd", "pixdim": "@pixdim"}]
    config = zoo_inference(unet(), transforms, SOFTMAX) | {"pixdim": "$[1, 1, 1] if @fast else [2, 2, 2]"}
    with pytest.raises(ModelError, match=r"'pixdim' of Spacing is the expression") as caught:
        derive(zoo_metadata(*LIVER, [16] * 3), config)
    assert "card.json" in caught.value.hint


@pytest.mark.parametrize(
    ("metadata", "final", "message"),
    [
        ({}, SOFTMAX, "network_data_format"),
        (zoo_metadata(["image"], ["liver", "spleen"], [16] * 3), SOFTMAX, "which output is the background"),
        (zoo_metadata(["image"], ["liver"], [16] * 3), {"_target_": "SaveImaged"}, "softmax or sigmoids"),
        (zoo_metadata(["image"], [], [16] * 3), SOFTMAX, "channel_def"),
        (zoo_metadata(["image"], [f"organ {n}" for n in range(7)], [16] * 3), SIGMOID, "at most 6"),
    ],
)
def test_what_cannot_be_derived_is_named(metadata, final, message):
    with pytest.raises(ModelError, match=message) as caught:
        derive(metadata, zoo_inference(unet(), CT_TRANSFORMS, final))
    assert caught.value.hint


def test_references_in_circles_are_an_error():
    config = zoo_inference(unet(), [], SOFTMAX) | {"a": "@b", "b": "@a", "preprocessing": "@a"}
    with pytest.raises(ModelError, match="circles"):
        derive(zoo_metadata(*LIVER, [16] * 3), config)


@pytest.mark.parametrize(
    ("definition", "shape", "expected"),
    [
        ({"_target_": "UNet", "strides": [2, 2, 2, 2]}, [96, 96, 96], 16),
        ({"_target_": "DynUNet", "strides": [1, [2, 2, 1], [2, 2, 2]]}, None, 4),
        ({"_target_": "SegResNet", "blocks_down": [1, 1, 1]}, None, 4),
        ({"_target_": "monai.networks.nets.SwinUNETR"}, None, 32),
        ({"_target_": "Unknown"}, [96, 96, 64], 32),
        ({"_target_": "UNet", "strides": [2]}, ["8*n", "16*n", "8*n"], 16),
    ],
)
def test_sizes_are_multiples_of_what_the_architecture_needs(definition, shape, expected):
    assert size_divisor(definition, shape) == expected


def test_sizes_of_a_network_for_one_size_alone_are_that_size():
    assert size_divisor({"_target_": "UNETR", "img_size": [48, 48, 48]}) == 48
    assert size_divisor({"_target_": "SegResNetDS", "blocks_down": [1, 1, 1]}) == 4


@pytest.mark.parametrize(
    ("outputs", "labels", "activation", "order"),
    [
        (["TC", "WT", "ET"], ("background", "WT", "TC", "ET"), "nested", (1, 0, 2)),
        (["enhancing_tumour", "TC"], ("background", "TC", "enhancing_tumour"), "nested", (1, 0)),
        (["WT", "TC", "ET"], ("background", "WT", "TC", "ET"), "nested", ()),
        (["WT", "TC", "vessel"], ("background", "WT", "TC", "vessel"), "sigmoid", ()),
        (["WT", "whole tumor"], ("background", "WT", "whole tumor"), "sigmoid", ()),
    ],
)  # fmt: skip
def test_regions_of_tumours_are_nested_whatever_their_order(outputs, labels, activation, order):
    config = zoo_inference(unet(), [{"_target_": "ScaleIntensityd"}], SIGMOID)
    card = derive(zoo_metadata(["T1"], outputs, [16] * 3), config)
    assert (card.labels.names, card.activation, card.output_order) == (labels, activation, order)


def test_a_background_that_is_not_the_first_output_is_put_first():
    config = zoo_inference(unet(), CT_TRANSFORMS, SOFTMAX)
    card = derive(zoo_metadata(["image"], ["liver", "background", "spleen"], [16] * 3), config)
    assert card.labels.names == ("background", "liver", "spleen")
    assert card.output_order == (1, 0, 2)


def test_a_background_among_sigmoids_is_refused():
    config = zoo_inference(unet(), CT_TRANSFORMS, SIGMOID)
    with pytest.raises(ModelError, match="sigmoid outputs is the background"):
        derive(zoo_metadata(["image"], ["background", "artery"], [16] * 3), config)


def test_components_that_cannot_be_named_are_refused():
    config = zoo_inference(unet(), CT_TRANSFORMS, SOFTMAX)
    config["postprocessing"]["transforms"].append(
        {"_target_": "KeepLargestConnectedComponentd", "applied_labels": "$range(1, 3)"}
    )
    with pytest.raises(ModelError, match="largest component"):
        derive(zoo_metadata(*LIVER, [16] * 3), config)


def test_a_spacing_of_axes_that_are_turned_afterwards_is_refused():
    turned = [CT_TRANSFORMS[2], CT_TRANSFORMS[1], CT_TRANSFORMS[3]]
    with pytest.raises(ModelError, match="turned afterwards"):
        derive(zoo_metadata(*LIVER, [16] * 3), zoo_inference(unet(), turned, SOFTMAX))


@pytest.mark.parametrize("section", ["preprocessing", "inferer"])
def test_code_of_the_bundles_own_is_named(section):
    config = zoo_inference(unet(), [*CT_TRANSFORMS], SOFTMAX)
    own = {"_target_": "scripts.mine.Sharpen", "keys": "image"}
    if section == "preprocessing":
        config["preprocessing"]["transforms"].insert(1, own)
    else:
        config["inferer"] = own
    with pytest.raises(UntrustedModelError, match=rf"{section} uses 'scripts.mine.Sharpen'") as caught:
        derive(zoo_metadata(*LIVER, [16] * 3), config)
    assert "card.json" in caught.value.hint


def test_names_under_label_def_count_too():
    metadata = zoo_metadata(*LIVER, [16] * 3)
    prediction = metadata["network_data_format"]["outputs"]["pred"]
    prediction["label_def"] = prediction.pop("channel_def")
    card = derive(metadata, zoo_inference(unet(), CT_TRANSFORMS, SOFTMAX))
    assert card.labels.names == ("background", "liver")
