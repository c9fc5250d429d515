"""Cohorts and source models of the hippocampus study (see RESULTS.md)."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings
from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import load_case
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

PARTS = LabelScheme.of("anterior", "posterior")
WHOLE = LabelScheme.of("hippocampus")
TO_WHOLE = {"anterior": "hippocampus", "posterior": "hippocampus"}
NETWORK = {
    "_target_": "monai.networks.nets.DynUNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "upsample_kernel_size": [2, 2],
    "filters": [8, 16, 32],
    "norm_name": ["INSTANCE", {"affine": True}],
}
PATCH = (32, 40, 32)


def data_folder() -> Path:
    """Where the real images are: `TRANSFERRISK_DATA`, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("TRANSFERRISK_DATA") or beside)


def cases_of(folder: Path) -> tuple[Case, ...]:
    """All cases of a folder with `images/` and `labels/`; OASIS crops of one subject share a group."""
    cases = []
    for image in sorted((folder / "images").glob("*.nii.gz")):
        name = image.name.removesuffix(".nii.gz")
        subject = name.rsplit("_", 1)[0] if name.endswith(("_L", "_R")) else name
        cases.append(Case(name, {"T1": ChannelFile(image)}, folder / "labels" / image.name, subject=subject))
    return tuple(cases)


def msd() -> Cohort:
    """Decathlon hippocampus, anterior and posterior."""
    return Cohort(cases_of(data_folder() / "msd_hippocampus"), PARTS, "MSD hippocampus")


def oasis() -> Cohort:
    """OASIS hippocampus crops, another scanner and protocol."""
    return Cohort(cases_of(data_folder() / "oasis_hippocampus_crops"), WHOLE, "OASIS hippocampus crops")


def card(name: str, labels: LabelScheme) -> ModelCard:
    """The card of a hippocampus model."""
    return ModelCard(
        name,
        ("T1",),
        labels,
        spacing=(1.0, 1.0, 1.0),
        normalisation=Normalisation("zscore", nonzero=True),
        patch_size=PATCH,
        divisible_by=4,
        architecture="DynUNet",
        contrasts=("T1",),
        licence="CC BY-SA 4.0 (trained on Medical Segmentation Decathlon Task04)",
        citation="Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 2022",
    )


def train_source(
    folder: Path,
    cases: tuple[Case, ...],
    labels: LabelScheme,
    merge: dict[str, str | None] | None,
    seed: int,
    steps: int,
    progress: Progress,
) -> Path:
    """Train a source model from scratch on all `cases`; a bundle that is there already is kept."""
    bundle = folder / "bundle"
    if (bundle / "configs" / "card.json").exists():
        return bundle
    made = card(folder.name, labels)
    blank = SourceModel(made, build_network({**NETWORK, "out_channels": len(labels)}), dict(NETWORK))
    blank.config = {**NETWORK, "out_channels": len(labels)}
    prepared = [prepare(made, load_case(case, ("T1",), scheme=PARTS, merge=merge)) for case in cases]
    settings = AdaptationSettings(
        scheme="scratch",
        head="random",
        steps=steps,
        batch_size=4,
        patch_size=PATCH,
        learning_rate=3e-3,
        augmentation=AugmentationSettings(),
        seed=seed,
    )
    adapted = adapt_model(
        blank, prepared, labels, settings, PredictionSettings(), folder / "work", progress, folder.name
    )
    return save_bundle(
        bundle,
        dataclasses.replace(adapted.model.card, description="Trained from scratch on the Decathlon."),
        adapted.model.network,
        adapted.model.config,
        provenance={"cases": [case.name for case in cases], "seed": seed, "steps": steps},
    )
