"""Options of an adaptation and its presets; free of torch, so that a GUI can hold them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from TransferRiskLib.errors import SettingsError

Scheme = Literal["finetune", "frozen-encoder", "l2sp", "scratch"]
Head = Literal["auto", "translate", "keep", "probe", "random"]
Weights = Literal["none", "paper", "linear", "class-calibrated", "gain", "class-balanced"]
Loss = Literal["ce", "ce+dice", "focal", "focal+dice", "topk", "topk+dice"]
MapControl = Literal["none", "permuted", "class-mean"]
Normalised = Literal["foreground", "labelled", "weights"]

EEP_WEIGHTS = (0.0, 0.25, 0.5, 0.75)
WISE_SHARES = (1.0, 0.75, 0.5)
"""What the validation folds choose from where `eep_weight` and `wise_ft` are left open."""


@dataclass(frozen=True)
class AugmentationSettings:
    """Random changes of a training patch; each has its own probability per patch.

    Attributes:
        rotation: Largest angle about each axis, in degrees.
        scaling: Largest relative change of size.
        elastic: Standard deviation of a smooth random displacement, in voxels.
        spatial_probability: Of rotation, scaling and elastic deformation together.
        mirror_axes: Network axes (0, 1, 2) that are mirrored at random; None mirrors left and right,
            unless the names of the target's labels tell them apart.
        intensity: Largest relative change of brightness and contrast.
        gamma: Largest change of the exponent.
        bias_field: Strength of a smooth multiplicative field (log scale).
        noise: Largest standard deviation of added noise, in units of the image's own deviation.
        blur: Largest standard deviation of Gaussian blur, in voxels.
        remap: Random monotone or inverted intensity curves; only where contrasts differ.
        intensity_probability: Of each intensity change on its own.
    """

    rotation: float = 15.0
    scaling: float = 0.15
    elastic: float = 0.0
    spatial_probability: float = 0.5
    mirror_axes: tuple[int, ...] | None = None
    intensity: float = 0.15
    gamma: float = 0.25
    bias_field: float = 0.2
    noise: float = 0.1
    blur: float = 0.8
    remap: bool = False
    intensity_probability: float = 0.3

    @classmethod
    def off(cls) -> AugmentationSettings:
        """No augmentation at all."""
        return cls(spatial_probability=0.0, intensity_probability=0.0, mirror_axes=())

    @classmethod
    def strong(cls) -> AugmentationSettings:
        """About twice the changes of the default, more often; for few or uniform cases."""
        return cls(
            rotation=30.0,
            scaling=0.3,
            spatial_probability=0.8,
            intensity=0.25,
            gamma=0.5,
            bias_field=0.4,
            noise=0.2,
            blur=1.2,
            intensity_probability=0.5,
        )

    def __post_init__(self) -> None:
        axes = self.mirror_axes or ()
        if not set(axes) <= {0, 1, 2} or len(set(axes)) < len(axes):
            raise SettingsError("The mirrored axes must be different ones of 0, 1 and 2.")


@dataclass(frozen=True)
class AdaptationSettings:
    """Everything that decides an adaptation. `preset_settings` gives the named combinations.

    Attributes:
        preset: Name of the preset that this started from, for provenance.
        scheme: `finetune` all weights; `frozen-encoder` trains the decoder and head; `l2sp` pulls the
            weights towards the source (Li et al. 2018); `scratch` forgets the source (control).
        head: `keep` the source's head rows where label names match; `probe` trains a new head first
            with everything else frozen (linear probe); `random` starts a new head as it comes;
            `auto` keeps the rows of labels that match and probes where any label is new; `translate` is
            `auto` whose new rows start from the source's rows by P(y|z), where the source informs; so do the
            rows of labels that the source calls by another label's name.
        probe_steps: Steps of the linear probe; they count on top of `steps`.
        l2sp: Strength of the pull of `l2sp`.
        loss: Weighted cross-entropy, focal loss (exponent 2) or cross-entropy over the hardest tenth of
            the voxels, alone or with soft Dice.
        weights: Voxel weights made from the risk map; `class-balanced` knows no map (control).
        weight_strength: Exponent base of `paper` (10) is fixed; for the others the share of the
            weight that follows the map, 0 (uniform) to 1.
        map_control: Controls of what the map itself contributes: `permuted` shuffles the weights among
            the voxels of a class, `class-mean` gives every voxel the mean weight of its class.
        weight_refresh: Fractions of the training at which risk is recomputed from the current model
            (self-paced). Empty: weights stay as the source's risk gave them.
        uniform_start: Uniform weights until the first refresh.
        normalisation: The weighted cross-entropy is divided by the whole case's labelled foreground
            voxels (paper), by labelled voxels, or by the sum of weights.
        optimizer, weight_decay, momentum: Of the optimiser.
        learning_rate: Of the first step. None takes 0.01 for SGD, and for AdamW 0.001 where the network's
            first convolution has 32 features or more, more where it has fewer, up to 0.003.
        head_rate: Factor on the learning rate of a head that was not kept whole: it has further to go
            than the features beneath it.
        schedule: Polynomial decay (exponent 0.9), or constant.
        steps: Training steps.
        batch_size: Patches a step.
        patch_size: Training patch along the network's axes; None takes the card's.
        sampling: Patch centres drawn uniformly, balanced over classes, or in proportion to risk.
        augmentation: Random changes of patches.
        input_curves: `auto` takes the scans through intensity curves fitted to the labelled cases where
            that makes the source tell clearly more about the labels (another contrast); `off` never.
        curve_steps: Steps of that fit, on top of `steps`.
        eep_anchor: Weight of KL(EEP || p) in the loss where the transfer gain is positive: the network is
            held to what the source knows and learns from the labels alone where the source misleads.
        eep_weight: Share of the EEP of the source in the final probabilities, 0 to 1; None chooses
            it on the validation folds, or takes 0.5 where the source informs about the target and its EEP
            finds the foreground of the labelled cases (0.25 where weights are averaged as well).
        wise_ft: Share of the adapted weights when averaged with the start (Wortsman et al. 2022);
            1 is the adapted model itself; None chooses it on the validation folds, or takes 0.75 where
            the source informs about the target and its head was kept or translated, each label from a
            row of its own.
        folds: Validation folds over the target's subjects; None chooses (leave-one-out up to five
            subjects, else five), 0 or 1 trains on all cases with a fixed schedule.
        audit: Train from scratch with the same budget on the same folds and report the difference.
        postprocess: Keep the largest component of each foreground label: never, always, or where it
            helps on the validation folds.
        validate_every: Steps between validations within a fold.
        patience: Validations without improvement before a fold stops early; 0 never stops.
        checkpoint_seconds: Longest time between checkpoints.
        seed: Of everything random.
    """

    preset: str = "custom"
    scheme: Scheme = "finetune"
    head: Head = "auto"
    probe_steps: int = 50
    l2sp: float = 0.01
    loss: Loss = "ce+dice"
    weights: Weights = "none"
    weight_strength: float = 1.0
    map_control: MapControl = "none"
    weight_refresh: tuple[float, ...] = ()
    uniform_start: bool = False
    normalisation: Normalised = "labelled"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float | None = None
    head_rate: float = 1.0
    weight_decay: float = 1e-5
    momentum: float = 0.9
    schedule: Literal["poly", "constant"] = "poly"
    steps: int = 300
    batch_size: int = 2
    patch_size: tuple[int, int, int] | None = None
    sampling: Literal["uniform", "balanced", "risk"] = "balanced"
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    input_curves: Literal["off", "auto"] = "off"
    curve_steps: int = 40
    eep_anchor: float = 0.0
    eep_weight: float | None = 0.0
    wise_ft: float | None = 1.0
    folds: int | None = 0
    audit: bool = False
    postprocess: Literal["none", "largest-component", "auto"] = "none"
    validate_every: int = 50
    patience: int = 0
    checkpoint_seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            (self.steps >= 1, "The number of steps must be at least 1."),
            (self.probe_steps >= 0, "The number of probe steps cannot be negative."),
            (self.batch_size >= 1, "The batch size must be at least 1."),
            (self.learning_rate is None or self.learning_rate > 0, "The learning rate must be positive."),
            (self.head_rate > 0, "The factor of the head's learning rate must be positive."),
            (0 <= self.momentum < 1, "The momentum must be at least 0 and less than 1."),
            (self.weight_decay >= 0, "The weight decay cannot be negative."),
            (self.l2sp >= 0, "The pull towards the source cannot be negative."),
            (min(self.patch_size or (1,)) >= 1, "The patch must be at least 1 voxel along every axis."),
            (self.curve_steps >= 0, "The steps of the curves' fit cannot be negative."),
            (self.eep_anchor >= 0, "The weight of the EEP anchor cannot be negative."),
            (self.eep_weight is None or 0 <= self.eep_weight <= 1, "The EEP weight must be 0 to 1."),
            (self.wise_ft is None or 0 <= self.wise_ft <= 1, "The WiSE-FT share must be 0 to 1."),
            (all(0 < f < 1 for f in self.weight_refresh), "Refresh fractions must lie between 0 and 1."),
            (0 <= self.weight_strength <= 1, "The weight strength must be 0 to 1."),
            (self.folds is None or self.folds >= 0, "The number of folds cannot be negative."),
            (self.validate_every >= 1, "Validation must come every 1 or more steps."),
            (self.patience >= 0, "The validations before an early stop cannot be negative."),
            (self.checkpoint_seconds >= 0, "The time between checkpoints cannot be negative."),
        )
        for holds, message in checks:
            if not holds:
                raise SettingsError(message)


_PRESETS: dict[str, dict[str, Any]] = {
    "recommended": {
        "input_curves": "auto",
        "head": "translate",
        "head_rate": 10.0,
        "weights": "class-calibrated",
        "weight_refresh": (0.25, 0.5, 0.75),
        "uniform_start": True,
        "wise_ft": None,
        "eep_weight": None,
        "folds": None,
        "audit": True,
        "postprocess": "auto",
    },
    "plain": {"head": "auto", "probe_steps": 0},
    # Duan et al., ICASSP 2025: SGD fine-tuning, cross-entropy weighted by 10^n, divided by the
    # number of foreground voxels; no Dice term, no augmentation is described.
    "paper": {
        "head": "random",
        "loss": "ce",
        "weights": "paper",
        "normalisation": "foreground",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "weight_decay": 3e-5,
        "momentum": 0.99,
        "augmentation": AugmentationSettings.off(),
        "sampling": "uniform",
    },
    "scratch": {"scheme": "scratch", "head": "random"},
}

PRESETS = tuple(_PRESETS)


def preset_settings(preset: str = "recommended", **changes: Any) -> AdaptationSettings:
    """The settings of a preset, with single parts set on their own.

    Args:
        preset: `recommended`, `paper` (the published method), `plain` (cross-entropy + Dice
            fine-tuning) or `scratch`.
        changes: Fields of `AdaptationSettings` to override.

    Raises:
        SettingsError: an unknown preset or field.
    """
    if preset not in _PRESETS:
        raise SettingsError(f"There is no preset {preset!r}.", hint=f"Presets: {', '.join(PRESETS)}.")
    known = {f.name for f in dataclasses.fields(AdaptationSettings)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise SettingsError(f"There is no adaptation setting {unknown[0]!r}.")
    return AdaptationSettings(**{"preset": preset, **_PRESETS[preset], **changes})
