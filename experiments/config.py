"""What an experiment is: the records that one JSON file describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from TransferRiskLib.inference.settings import PredictionSettings

Merge = dict[str, str | None]


@dataclass(frozen=True)
class Institutions:
    """The subjects of some institutions of a cohort that names them (FeTS)."""

    institutions: tuple[str, ...]


Subjects = Literal["all", "fold"] | int | tuple[str, ...] | Institutions
"""Which subjects: all, those that a fold does not test, the first so many, or named ones."""


@dataclass(frozen=True)
class CohortSpec:
    """A cohort under a name of the experiment's own.

    Attributes:
        kind: A registered cohort, or `folder` for any layout that `read_cohort` knows.
        path: The folder of `folder`, relative to the data folder.
        channels: Of `folder`: names of the channels where the files do not name them.
        options: Of simulated cohorts: how many subjects, seed, ...
    """

    kind: str
    path: str | None = None
    channels: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkSpec:
    """An architecture; see `networks.plan_network`.

    Attributes:
        kind: Its name, or `definition` for a MONAI definition as it stands.
        size: `small` trains on a CPU, `paper` needs a GPU.
        levels: Resolution levels, where the architecture has a choice; None takes the size's own.
        definition: Of `definition`: `{"_target_": "monai.networks.nets...", ...}` without inputs and
            outputs.
        divisible_by: Of `definition`: what every patch size is a multiple of.
    """

    kind: Literal["unet", "dynunet", "segresnet", "swinunetr", "definition"] = "dynunet"
    size: Literal["small", "paper"] = "small"
    levels: int | None = None
    definition: dict[str, Any] | None = None
    divisible_by: int = 1


@dataclass(frozen=True)
class SourceSpec:
    """A source model, trained from scratch.

    Attributes:
        cohort: What it trains on.
        channels: Channels of the cohort, in the network's order.
        patch: Voxels along the network's axes.
        merge: Label name to new name; null becomes background. Every label is named, or none.
        subjects: `fold`: whatever the scenario's fold does not test.
        spacing: Of the network, in mm; null keeps the scans' own.
        network: Architecture.
        settings: Overrides of the preset `scratch`: steps, batch_size, learning_rate, seed, ...
    """

    cohort: str
    channels: tuple[str, ...]
    patch: tuple[int, int, int]
    merge: Merge | None = None
    subjects: Subjects = "fold"
    spacing: tuple[float, float, float] | None = None
    network: NetworkSpec = field(default_factory=NetworkSpec)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScenarioSpec:
    """Where a source model is taken.

    Attributes:
        name: Of the scenario, in tables and file names.
        source: Name of the source model.
        cohort: The target's cases.
        channels: Channels of the target, each given to the source in place of its own one.
        merge: As for a source.
        subjects: Which subjects take part. Those that the source trained on never do, unless the
            source trains on the `fold`.
        test: Number of test subjects, the same in every cell, or every subject in turn.
        split_seed: Chooses the test subjects.
        one_case_per_subject: Draw k subjects and label one case of each; otherwise k cases of as few
            subjects as hold them.
        contrast: `remap` gives the target images a simulated second contrast (`contrast.remapped`).
        k: In place of the experiment's.
        methods: In place of all of the experiment's.
    """

    name: str
    source: str
    cohort: str
    channels: tuple[str, ...]
    test: int | Literal["leave-one-out"]
    merge: Merge | None = None
    subjects: Subjects = "all"
    split_seed: int = 2026
    one_case_per_subject: bool = True
    contrast: Literal["none", "remap"] = "none"
    k: tuple[int, ...] | None = None
    methods: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MethodSpec:
    """How a target is segmented.

    Attributes:
        kind: `source` as it is (where it has the target's labels), its `eep`, one `adapt`ation, an
            `ensemble` of them with different seeds, or a `mix` of a trained model with the source.
        settings: Of `adapt`: a preset's name under `preset` and overrides of its settings.
        members: Of `ensemble`: trainings; `as-folds`: one and as many as the folds of the recommended
            preset for the cell's cases (without its audit, which changes no prediction).
        of: Of `ensemble` and `mix`: the `adapt` method whose settings, or whose trained model, it takes.
        partner: Of `mix` (`with` in the file): the source's EEP, its states renamed to target labels,
            or nothing.
        share: Of `mix`: the partner's share in the probabilities.
    """

    kind: Literal["source", "eep", "adapt", "ensemble", "mix"]
    settings: dict[str, Any] = field(default_factory=dict)
    members: int | Literal["as-folds"] | None = None
    of: str | None = None
    partner: Literal["eep", "source", "none"] | None = None
    share: float | None = None


@dataclass(frozen=True)
class TuningSpec:
    """How settings are chosen before any test case is looked at.

    Attributes:
        grid: Setting to its values; every combination is tried for every `adapt` method.
        grids: Method to a grid of its own, with as many combinations.
        settings: Overrides while tuning.
        k: Training cases.
        seed: Draws them.
        validation: At most so many validation subjects; null takes all that are left of the pool.
        shared: One choice for all scenarios, on their mean, instead of one each.
    """

    grid: dict[str, tuple[Any, ...]]
    grids: dict[str, dict[str, tuple[Any, ...]]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    k: int = 3
    seed: int = 99
    validation: int | None = None
    shared: bool = False


@dataclass(frozen=True)
class Experiment:
    """One table.

    Attributes:
        name, description: For people.
        seeds: Each draws training cases and initial weights anew.
        k: Numbers of labelled training cases.
        budget: Settings that every method shares; a method's own come after them.
        probe_within_budget: The steps of a linear probe come out of a method's `steps`.
        sources, scenarios, methods: By name.
        cohorts: Cohorts beside the registered ones.
        prediction: Sliding window; the device is the command line's.
        tuned: Whether `run` takes what `tune` chose.
        tuning: The grid of `tune`.
        baseline: Methods that the report compares with.
    """

    name: str
    sources: dict[str, SourceSpec]
    scenarios: tuple[ScenarioSpec, ...]
    methods: dict[str, MethodSpec]
    description: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    k: tuple[int, ...] = (1, 3, 6)
    budget: dict[str, Any] = field(default_factory=dict)
    probe_within_budget: bool = True
    cohorts: dict[str, CohortSpec] = field(default_factory=dict)
    prediction: PredictionSettings = field(default_factory=lambda: PredictionSettings(overlap=0.25))
    tuned: bool = False
    tuning: TuningSpec | None = None
    baseline: tuple[str, ...] = ()

    def scenario(self, name: str) -> ScenarioSpec:
        """The scenario of that name."""
        return next(s for s in self.scenarios if s.name == name)
