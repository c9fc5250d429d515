"""The settings under "Advanced": one row of the table a setting."""

from __future__ import annotations

from typing import get_args

from slicer.i18n import tr as _

from TransferRiskLib.adaptation.settings import Head, Loss, MapControl, Normalised, Scheme, Weights
from TransferRiskLib.panels.augmentation_options import Level
from TransferRiskLib.panels.option_widgets import Option

AXES = (None, (), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))


def options() -> tuple[Option, ...]:
    """All settings of the window, in its order: every field of `AdaptationSettings` but `preset`."""
    return (*_training(), *_optimisation(), *_loss(), *_patches(), *_result())


def _training() -> tuple[Option, ...]:
    return (
        Option("scheme", _("Training"), _("All weights, the decoder only, near the source, or from scratch."),
               choices=get_args(Scheme),
               words=(_("all weights"), _("decoder only"), _("near the source"), _("from scratch"))),
        Option("l2sp", _("Pull to the source"),
               _("How strongly the weights are pulled to the source's; only the training “near the source” "
                 "does it."),
               limits=(0.0, 100.0), decimals=4, step=0.01),
        Option("head", _("Output layer"),
               _("Automatic keeps the rows of labels that match and trains the others first; translated rows "
                 "start from what the source says about the new labels."),
               choices=get_args(Head),
               words=(_("automatic"), _("translated"), _("kept"), _("new, trained first"), _("new"))),
        Option("probe_steps", _("Steps of the output layer alone"),
               _("A new output layer is first trained this long with everything else fixed."),
               limits=(0, 10_000)),
        Option("steps", _("Steps"), _("More take longer; too many on few cases overfit."),
               limits=(1, 100_000)),
    )  # fmt: skip


def _optimisation() -> tuple[Option, ...]:
    return (
        Option("optimizer", _("Optimiser"), _("AdamW, or stochastic gradient descent with momentum."),
               choices=("adamw", "sgd"), words=("AdamW", "SGD")),
        Option("learning_rate", _("Learning rate"),
               _("Of the first step; the schedule says how it goes on. Automatic: by the optimiser and the "
                 "width of the network."),
               limits=(0.000001, 1.0), decimals=6, step=0.0001, automatic=True),
        Option("head_rate", _("Factor for a new output layer"),
               _("Its learning rate is so many times that of the other layers; an output layer that is kept "
                 "learns like them."), limits=(0.01, 1000.0), decimals=2, step=1.0),
        Option("schedule", _("Schedule"), _("The learning rate falls to zero (exponent 0.9), or stays."),
               choices=("poly", "constant"), words=(_("polynomial decay"), _("constant"))),
        Option("momentum", _("Momentum"), _("Of stochastic gradient descent; AdamW has none to set."),
               limits=(0.0, 0.999), decimals=3, step=0.01),
        Option("weight_decay", _("Weight decay"), _("Pull of all weights towards zero."),
               limits=(0.0, 1.0), decimals=6, step=0.00001),
    )  # fmt: skip


def _loss() -> tuple[Option, ...]:
    return (
        Option("loss", _("Loss"),
               _("Weighted cross-entropy, focal loss, or cross-entropy of the hardest tenth of the voxels; "
                 "alone, or with soft Dice."),
               choices=get_args(Loss),
               words=(_("cross-entropy"), _("cross-entropy + Dice"), _("focal"), _("focal + Dice"),
                      _("hardest tenth"), _("hardest tenth + Dice"))),
        Option("weights", _("Voxel weights"), _("How the risk map weights the loss."),
               choices=get_args(Weights),
               words=(_("none"), _("paper: powers of ten of the risk"), _("by risk"),
                      _("by risk, within each label"), _("where the source misleads"),
                      _("by rarity of the label"))),
        Option("weight_strength", _("Strength of the weights"),
               _("Share of a voxel's weight that follows the risk map; 0 weights all voxels alike."),
               limits=(0.0, 1.0), decimals=2, step=0.05),
        Option("map_control", _("Control of the map"),
               _("For experiments: shuffle the weights within each label, or use each label's mean weight."),
               choices=get_args(MapControl), words=(_("none"), _("shuffled"), _("mean"))),
        Option("weight_refresh", _("Weights anew at"),
               _("Fractions of the training at which the risk is computed anew from the model as it is then, "
                 "such as 0.25, 0.5, 0.75. Empty: never."), several=True, empty=_("never")),
        Option("uniform_start", _("Start with uniform weights"),
               _("All voxels weigh the same until the weights are computed anew for the first time."),
               choices=(True, False)),
        Option("normalisation", _("Loss divided by"),
               _("The case's foreground voxels, its labelled voxels, or the sum of the weights."),
               choices=get_args(Normalised),
               words=(_("foreground voxels"), _("labelled voxels"), _("sum of the weights"))),
    )  # fmt: skip


def _patches() -> tuple[Option, ...]:
    none, first, second, third = _("none"), _("first"), _("second"), _("third")
    names = (first, second, third)
    mirrored = tuple(
        _("automatic") if axes is None else " + ".join(names[axis] for axis in axes) or none for axes in AXES
    )
    return (
        Option("patch_size", _("Patch"),
               _("Size of a training patch in voxels along the model's three axes, such as 64, 64, 48. "
                 "Smaller needs less memory. Empty: the model's own."),
               automatic=True, several=True, empty=_("automatic")),
        Option("batch_size", _("Patches a step"), _("Fewer need less memory."), limits=(1, 64)),
        Option("sampling", _("Patches drawn"),
               _("Anywhere alike, as often around every label, or where the risk is high."),
               choices=("uniform", "balanced", "risk"),
               words=(_("anywhere"), _("around every label"), _("by risk"))),
        Option("augmentation", _("Augmentation"),
               _("Random turns, sizes, brightness, contrast, noise and blur of the training patches."),
               choices=get_args(Level), words=(_("as preset"), none, _("stronger"))),
        Option("augmentation.remap", _("Random contrasts"),
               _("Random, even inverted intensity curves, for new scans whose contrast differs. Needs an "
                 "augmentation that changes intensities."), choices=(True, False)),
        Option("augmentation.mirror_axes", _("Mirrored axes"),
               _("Axes of the model along which patches are mirrored at random; the first is left to right "
                 "for models in RAS. Automatic: left and right, unless the labels' names tell them apart."),
               choices=AXES, words=mirrored),
    )  # fmt: skip


def _result() -> tuple[Option, ...]:
    return (
        Option("input_curves", _("Intensity curves"),
               _("Take the scans through curves fitted to the labelled cases, where that makes the source "
                 "tell clearly more about the labels: for scans of another contrast."),
               choices=("off", "auto"), words=(_("never"), _("automatic"))),
        Option("curve_steps", _("Steps of the curves"), _("Of their fit, before the training."),
               limits=(0, 10_000)),
        Option("eep_anchor", _("Hold to the EEP"),
               _("Weight of the distance from the source's expected empirical prediction, where the source "
                 "does not mislead; 0 holds to nothing."), limits=(0.0, 100.0), decimals=2, step=0.1),
        Option("eep_weight", _("Share of the EEP"),
               _("Of the source's expected empirical prediction in the result; automatic chooses it on the "
                 "validation folds."), limits=(0.0, 1.0), decimals=2, step=0.05, automatic=True),
        Option("wise_ft", _("Share of the adapted weights"),
               _("In the average with the weights at the start (WiSE-FT); 1 is the adapted model itself, "
                 "automatic chooses it on the validation folds."),
               limits=(0.0, 1.0), decimals=2, step=0.05, automatic=True),
        Option("folds", _("Validation folds"), _("0 trains on all cases without validation."),
               limits=(0, 20), automatic=True),
        Option("audit", _("Audit negative transfer"), _("Train from scratch too and compare."),
               choices=(True, False)),
        Option("postprocess", _("Largest component only"),
               _("Of every label: never, always, or where it helps on the validation folds."),
               choices=("none", "largest-component", "auto"),
               words=(_("never"), _("always"), _("automatic"))),
        Option("validate_every", _("Steps between validations"),
               _("More often costs time and finds the best step more closely."), limits=(1, 10_000)),
        Option("patience", _("Validations before an early stop"), _("0 never stops early."), limits=(0, 100)),
        Option("checkpoint_seconds", _("Seconds between checkpoints"),
               _("What is lost at most when a training is interrupted; 0 keeps every step."),
               limits=(0, 86_400)),
        Option("seed", _("Random seed"), _("The same seed and computer repeat the training."),
               limits=(0, 1_000_000)),
    )  # fmt: skip
