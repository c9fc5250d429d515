"""Learning rates for the hippocampus study, the same grid and budget for every method.

Three training subjects (seed 99, which no table uses) train, the other training subjects validate, in
both scenarios; test subjects take no part.

    python -m experiments.tune_hippocampus --output runs/hippocampus
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from experiments.run_hippocampus import Scenario, measure, settings_of
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress

GRIDS = {
    "plain": (3e-4, 1e-3, 3e-3, 1e-2),
    "recommended": (3e-4, 1e-3, 3e-3, 1e-2),
    "scratch": (3e-4, 1e-3, 3e-3, 1e-2),
    "paper": (1e-3, 3e-3, 1e-2, 3e-2),
}
SEED = 99


def main() -> None:
    """Print the mean validation Dice of every method, scenario and learning rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scenarios", nargs="+", default=["site", "task"])
    parser.add_argument("--methods", nargs="+", default=list(GRIDS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.scenarios:
        scenario = Scenario(name, 3, SEED)
        train, held_out = scenario.train, scenario.spare
        for method in given.methods:
            for rate in GRIDS[method]:
                source = open_model(given.output / "source-whole" / "bundle")
                # no folds and no EEP: the rate is chosen for the trained network itself
                settings = settings_of(method, name, SEED, learning_rate=rate, folds=0, eep_weight=0.0)
                dice = validation_dice(source, scenario.scheme, train, held_out, settings, given.output)
                print(f"{name} {method} lr={rate:g}: validation Dice {100 * dice:.1f}", flush=True)


def validation_dice(
    source: SourceModel,
    scheme: LabelScheme,
    train: list[LoadedCase],
    held_out: list[LoadedCase],
    settings: AdaptationSettings,
    output: Path,
) -> float:
    """Mean Dice over labels and held-out cases of a model trained on `train`."""
    prediction = PredictionSettings("cpu", overlap=0.25)
    prepared = [prepare(source.card, case) for case in train]
    with TemporaryDirectory(dir=output) as work:
        adapted = adapt_model(source, prepared, scheme, settings, prediction, Path(work), Progress())
    dice = []
    for case in held_out:
        states = torch.from_numpy(predict_states(adapted.model, case, prediction))
        dice += [row["dice"] for row in measure(case, states, scheme)]
    return sum(dice) / len(dice)


if __name__ == "__main__":
    main()
