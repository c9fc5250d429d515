"""The hippocampus study: source alone, EEP, and four ways to train, on real cross-site MRI.

Two scenarios start from one source model, trained on 70 Decathlon subjects (whole hippocampus):

- `site`: the same task at another site (OASIS crops, whole hippocampus);
- `task`: another task at the same site (Decathlon subjects that the source never saw, anterior and
  posterior part).

Every cell (scenario, k labelled crops, seed) draws its own training subjects; the test subjects are
the same throughout and nothing was chosen on them. A cell that is done is not run again, so an
interrupted run continues where it stopped:

    python -m experiments.run_hippocampus --output runs/hippocampus
    python -m experiments.summarise runs/hippocampus
"""

from __future__ import annotations

import argparse
import csv
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from experiments.hippocampus import PARTS, TO_WHOLE, WHOLE, msd, oasis, train_source
from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.settings import AdaptationSettings, AugmentationSettings, preset_settings
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.cases.load import LoadedCase, load_case
from TransferRiskLib.evaluation.components import keep_largest
from TransferRiskLib.evaluation.metrics import evaluate_masks
from TransferRiskLib.inference.decisions import labels_from_probabilities
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.inference.prepare import prepare
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.maps import expected_empirical_prediction
from TransferRiskLib.transfer.statistics import JointStatistics

COLUMNS = (
    "scenario",
    "k",
    "seed",
    "method",
    "case",
    "label",
    "dice",
    "hd95",
    "dice_lc",
    "hd95_lc",
    "seconds",
)
SOURCE_SUBJECTS = 70
SPLIT_SEED = 2026
TESTED = {"site": 6, "task": 20}
BUDGET = {"steps": 150, "batch_size": 2, "validate_every": 30}
PROBE_STEPS = 30
# chosen by `experiments.tune_hippocampus` on the training side of a split that no table uses
LEARNING_RATES = {"plain": 3e-3, "scratch": 1e-2, "recommended": 3e-3, "paper": 3e-2}
METHODS = ("source", "eep", "scratch", "paper", "plain-unaugmented", "plain", "recommended")


def settings_of(method: str, scenario: str, seed: int, **changes) -> AdaptationSettings:
    """The settings of a method under the common budget of one training.

    The recommended preset goes without folds, so that every method trains once; the shares of the
    source are then the defaults.
    """
    preset = method.removesuffix("-unaugmented")
    values = {**BUDGET, "seed": seed, "learning_rate": LEARNING_RATES[preset]}
    if preset != method:
        values["augmentation"] = AugmentationSettings.off()
    if method == "recommended":
        values |= {"audit": False, "folds": 0}
        if scenario == "task":  # the probe's steps come out of the same budget
            values |= {"probe_steps": PROBE_STEPS, "steps": BUDGET["steps"] - PROBE_STEPS}
    return preset_settings(preset, **{**values, **changes})


class Scenario:
    """The cases of one cell.

    Test subjects are the same in every cell and take part in nothing else; training subjects are drawn
    from the rest. Of a training subject one crop is labelled, as `k` counts labelled crops.

    Attributes:
        train: k labelled crops of k subjects.
        spare: The other training subjects: what choices of the method may be made on.
        test: The test cases.
    """

    def __init__(self, name: str, k: int, seed: int) -> None:
        self.name = name
        if name == "site":
            self.scheme, cases = WHOLE, list(oasis().cases)
        else:
            self.scheme, cases = PARTS, list(msd().cases[SOURCE_SUBJECTS:])
        groups = sorted({case.group for case in cases})
        np.random.default_rng(SPLIT_SEED).shuffle(groups)
        test, pool = groups[: TESTED[name]], groups[TESTED[name] :]
        np.random.default_rng([seed, k]).shuffle(pool)
        self.train = [self._load(_one_crop(cases, group, seed)) for group in pool[:k]]
        self.spare = [self._load(_one_crop(cases, group, seed)) for group in pool[k:]]
        self.test = [self._load(case) for case in cases if case.group in test]

    def _load(self, case: Case) -> LoadedCase:
        return load_case(case, ("T1",), scheme=self.scheme)


def _one_crop(cases: list[Case], group: str, seed: int) -> Case:
    crops = [case for case in cases if case.group == group]
    return crops[seed % len(crops)]


def predictions(
    method: str,
    scenario: Scenario,
    source: SourceModel,
    settings: AdaptationSettings | None,
    work: Path,
) -> Iterator[tuple[LoadedCase, torch.Tensor]]:
    """Probabilities of the target classes on every test case, (Y, k, j, i)."""
    prediction = PredictionSettings(device="cpu", overlap=0.25)
    if method in ("source", "eep"):
        statistics = [
            JointStatistics.from_probabilities(
                predict_states(source, case, prediction), case.labels, scenario.scheme.names, source.states
            )
            for case in scenario.train
        ]
        conditional = JointStatistics.merged(statistics).conditional
        for case in scenario.test:
            states = torch.from_numpy(predict_states(source, case, prediction))
            yield case, states if method == "source" else expected_empirical_prediction(conditional, states)
        return
    assert settings is not None
    prepared = [prepare(source.card, case) for case in scenario.train]
    adapted = adapt_model(source, prepared, scenario.scheme, settings, prediction, work, Progress())
    for case in scenario.test:
        yield case, torch.from_numpy(predict_states(adapted.model, case, prediction))


def measure(case: LoadedCase, probabilities: torch.Tensor, scheme: LabelScheme) -> Iterator[dict]:
    """Dice and HD95 of every label, as it is and with only the largest component of every label."""
    plain = labels_from_probabilities(probabilities.numpy())
    cleaned = keep_largest(plain, range(1, len(scheme)))
    assert case.labels is not None
    pairs = [evaluate_masks(p, case.labels, case.geometry, scheme) for p in (plain, cleaned)]
    for raw, largest in zip(*pairs, strict=True):
        yield {
            "case": case.name,
            "label": raw.label,
            "dice": raw.dice,
            "hd95": raw.hd95_mm,
            "dice_lc": largest.dice,
            "hd95_lc": largest.hd95_mm,
        }


def main() -> None:
    """Run all cells that `results.csv` lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", default=["site", "task"])
    parser.add_argument("--k", nargs="+", type=int, default=[1, 3, 6])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--source-steps", type=int, default=1600)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    merged = {name: target for name, target in TO_WHOLE.items()}
    bundle = train_source(
        given.output / "source-whole",
        msd().cases[:SOURCE_SUBJECTS],
        WHOLE,
        merged,
        seed=0,
        steps=given.source_steps,
        progress=Progress(),
    )
    cells = [(scenario, k, seed) for seed in given.seeds for k in given.k for scenario in given.scenarios]
    for scenario, k, seed in cells:
        for method in given.methods:
            if method == "source" and scenario == "task":
                continue  # it has no such labels
            run_cell(given.output, open_model(bundle), scenario, k, seed, method)


def run_cell(output: Path, source: SourceModel, name: str, k: int, seed: int, method: str) -> None:
    """One method in one cell, unless another run has it already."""
    cell = output / "cells" / f"{name}-k{k}-s{seed}-{method}"
    if (cell / "rows.csv").exists():
        return
    cell.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    scenario = Scenario(name, k, seed)
    settings = None if method in ("source", "eep") else settings_of(method, name, seed)
    rows = []
    for case, probabilities in predictions(method, scenario, source, settings, cell / "work"):
        rows += list(measure(case, probabilities, scenario.scheme))
    seconds = round(time.monotonic() - started, 1)
    with (cell / "rows.tmp").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {"scenario": name, "k": k, "seed": seed, "method": method, "seconds": seconds, **row}
            )
    (cell / "rows.tmp").replace(cell / "rows.csv")
    shutil.rmtree(cell / "work", ignore_errors=True)
    mean = sum(row["dice_lc"] for row in rows) / len(rows)
    print(f"{name} k={k} seed={seed} {method}: Dice {100 * mean:.1f} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
