"""Train the two small source models that ship with the package, on simulated scans only.

    python experiments/train_demo_sources.py tissue-t1w lesion-flair --output TransferRiskLib/demo_models

`tissue-t1w` learns CSF, grey and white matter from T1-weighted scans of healthy subjects, `lesion-flair`
learns lesions from FLAIR scans of patients; both at the simulator's source site. A model takes about ten
minutes on one CPU core. Seeds are fixed, and no subject is seen both in training and in evaluation.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceLoss
from monai.transforms import ResizeWithPadOrCrop
from torch import Tensor
from torch.nn.functional import cross_entropy

from TransferRiskLib.cases.labels import UNLABELLED, LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.cases.simulate import (
    BRAIN_SCHEME,
    SOURCE_SITE,
    TARGET_SITE,
    SimulatedCase,
    simulate_case,
)
from TransferRiskLib.cases.simulation_anatomy import Population
from TransferRiskLib.cases.simulation_scanner import Site
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.card import ModelCard, Normalisation
from TransferRiskLib.models.networks import build_network
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle

HELD_OUT = range(900_000, 900_006)
"""Seeds of the evaluated subjects; training counts up from the recipes' seeds."""

PATCH = (48, 56, 48)
"""A whole head at the models' spacing. Instance norm sees as much empty space in training as it will in use;
smaller patches, full of brain, cost a third of the Dice on whole scans."""

POOL = 12
"""Training cases held at a time; the oldest makes room for a fresh one."""


@dataclass(frozen=True)
class Recipe:
    """How one source model comes about.

    Attributes:
        card: What the model takes and gives.
        site: Where its training subjects are scanned.
        seed: Of the first training subject, and of the weights.
        emphasis: Weight of the foreground in the cross-entropy: lesions fill a hundredth of the window.
    """

    card: ModelCard
    site: Site
    seed: int
    emphasis: float = 1.0

    @property
    def contrast(self) -> str:
        return self.card.channels[0]


def _card(name: str, contrast: str, labels: tuple[str, ...]) -> ModelCard:
    scheme = LabelScheme(tuple(BRAIN_SCHEME.labels[BRAIN_SCHEME.index(n)] for n in ("background", *labels)))
    return ModelCard(
        name=name,
        channels=(contrast,),
        labels=scheme,
        spacing=(3.0, 3.0, 3.0),
        orientation="RAS",
        normalisation=Normalisation("zscore", nonzero=True),
        patch_size=PATCH,
        divisible_by=8,
        architecture="DynUNet, 8 to 64 filters, 0.35 million parameters",
        description=f"Finds {', '.join(labels)} in skull-stripped {contrast}-weighted brain scans. "
        "Trained on simulated images only: a demonstration, not for any use on people.",
        licence="Apache-2.0",
        contrasts=(contrast,),
    )


def _site(population: Population) -> Site:
    return dataclasses.replace(SOURCE_SITE, population=population)


RECIPES = {
    "tissue-t1w": Recipe(
        _card("tissue-t1w", "T1", ("CSF", "GM", "WM")), _site(Population(lesions=(0, 0))), seed=1_000_000
    ),
    "lesion-flair": Recipe(
        _card("lesion-flair", "FLAIR", ("lesion",)),
        _site(Population(lesions=(2, 4), tumours=0.5)),
        seed=2_000_000,
        emphasis=10.0,
    ),
}


def network_config(card: ModelCard) -> dict:
    """The network, in MONAI's notation."""
    return {
        "_target_": "monai.networks.nets.DynUNet",
        "spatial_dims": 3,
        "in_channels": len(card.channels),
        "out_channels": card.outputs,
        "kernel_size": [3, 3, 3, 3],
        "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2, 2, 2],
        "filters": [8, 16, 32, 64],
        "norm_name": ["INSTANCE", {"affine": True}],
        "deep_supervision": False,
    }


def as_loaded(case: SimulatedCase, contrast: str, scheme: LabelScheme) -> LoadedCase:
    """A simulated case whose labels are those that a scheme knows; the others become background."""
    known = {name: index for index, name in enumerate(scheme.names)}
    table = np.array([known.get(name, 0) for name in case.scheme.names], dtype=np.int16)
    return LoadedCase(
        name=case.name,
        channels=(contrast,),
        images=case.images[contrast][None],
        geometry=case.geometry,
        labels=table[case.labels],
        scheme=scheme,
        group=case.name,
        source=Path(case.name),
    )


def fresh_case(recipe: Recipe, number: int) -> tuple[Tensor, Tensor]:
    """Image (1, X, Y, Z) and labels (X, Y, Z) of the training case of that number, as a window of PATCH."""
    simulated = simulate_case(recipe.seed + number, (recipe.contrast,), recipe.site)
    ready = prepare(recipe.card, as_loaded(simulated, recipe.contrast, recipe.card.labels))
    labels = ready.labels
    assert labels is not None
    labels = torch.where(labels == UNLABELLED, 0, labels)
    fit = ResizeWithPadOrCrop(PATCH)
    return torch.as_tensor(fit(ready.image)), torch.as_tensor(fit(labels[None]))[0]


def train(recipe: Recipe, steps: int, fresh_every: int = 5) -> torch.nn.Module:
    """Train from scratch; prints the mean loss now and then."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = build_network(network_config(recipe.card)).train()
    dice_loss = DiceLoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
    weights = torch.tensor([1.0, *[recipe.emphasis] * len(recipe.card.labels.foreground)])
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.1)
    pool = [fresh_case(recipe, number) for number in range(POOL)]
    drawn, losses, started = POOL, [], time.monotonic()
    for step in range(1, steps + 1):
        if step % fresh_every == 0:
            pool = [*pool[1:], fresh_case(recipe, drawn)]
            drawn += 1
        image, labels = pool[int(rng.integers(POOL))]
        images, masks = image[None], labels[None, None]
        if rng.random() < 0.5:  # mirrored left to right
            images, masks = images.flip(2), masks.flip(2)
        optimiser.zero_grad()
        logits = network(images)
        loss = dice_loss(logits, masks) + cross_entropy(logits, masks[:, 0], weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 20 == 0:
            seconds = time.monotonic() - started
            recent = f"loss {np.mean(losses[-20:]):.4f}, {seconds:.0f} s"
            print(f"{recipe.card.name}: step {step}, {recent}", flush=True)
    return network.eval()


def evaluate(bundle: Path, site: Site, contrast: str) -> dict[str, float]:
    """Mean Dice per label of a saved model on held-out subjects of a site."""
    model = open_model(bundle)
    rows: dict[str, list[float]] = {label.name: [] for label in model.card.labels.foreground}
    for seed in HELD_OUT:
        case = simulate_case(seed, (contrast,), site)
        loaded = as_loaded(case, contrast, model.card.labels)
        assert loaded.labels is not None
        states = predict_states(model, loaded, PredictionSettings(device="cpu", overlap=0.25))
        found = states.argmax(axis=0)
        for index, label in enumerate(model.card.labels.foreground, start=1):
            ours, theirs = found == index, loaded.labels == index
            if ours.any() or theirs.any():
                rows[label.name].append(2 * np.sum(ours & theirs) / (ours.sum() + theirs.sum()))
    return {name: round(float(np.mean(values)), 3) for name, values in rows.items()}


def main() -> None:
    """Train, save and evaluate the models that are named."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("models", nargs="+", choices=list(RECIPES))
    parser.add_argument("--output", type=Path, required=True, help="gets a bundle a model")
    parser.add_argument("--steps", type=int, default=480)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.models:
        recipe = RECIPES[name]
        network = train(recipe, arguments.steps)
        bundle = save_bundle(
            arguments.output / name,
            recipe.card,
            network,
            network_config(recipe.card),
            provenance={"script": Path(__file__).name, "steps": arguments.steps, "seed": recipe.seed},
        )
        print(name, "source site:", evaluate(bundle, recipe.site, recipe.contrast))
        print(name, "target site, T1:", evaluate(bundle, TARGET_SITE, "T1"))


if __name__ == "__main__":
    main()
