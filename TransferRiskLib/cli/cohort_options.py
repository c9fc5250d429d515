"""Options that name the target cases, shared by every command that takes some."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cli.command import Given
from TransferRiskLib.errors import CaseError, SettingsError
from TransferRiskLib.models.card_files import read_card
from TransferRiskLib.tasks.requests import CohortInput


def add_cohort(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add the options of a cohort of cases."""
    group = parser.add_argument_group("cases", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--cases", type=Path, metavar="PATH", required=required,
        help="a folder a case, images/ with labels/, a Decathlon task, an nnU-Net raw dataset, "
        "FeTS, BraTS or iSeg data, or a CSV or JSON list of cases",
    )  # fmt: skip
    group.add_argument(
        "--labels", type=Path, metavar="FILE",
        help="what the values of the label maps mean: dataset.json, .seg.nrrd, ITK-SNAP or JSON label file",
    )  # fmt: skip
    group.add_argument(
        "--channel", action="append", metavar="MODEL=CASE",
        help="feed the model's channel from a differently named channel of the cases, "
        "such as T1=T2; can be repeated",
    )  # fmt: skip
    group.add_argument(
        "--merge", action="append", metavar="LABEL=TARGET",
        help="take a label of the cases as TARGET, or as unlabelled where TARGET is empty; can be "
        "repeated, and then every label must be named",
    )  # fmt: skip
    group.add_argument("--select", nargs="+", metavar="NAME", help="only these cases")


def cohort_input(given: Given, models: Sequence[Path]) -> CohortInput:
    """The cases of the given options, with the channels that the models need.

    Args:
        given: The options.
        models: Models that the cases will be fed to; their cards name the channels.

    Raises:
        SettingsError: a malformed pair, or a channel that no model has.
        CaseError: no such cases.
        ModelError: a model without a readable card.
    """
    # Reading a cohort brings SimpleITK, which would slow down every `--help`.
    from TransferRiskLib.cases.cohorts import read_cohort

    channels = channel_pairs(given)
    wanted = model_channels(models)
    check_channels(channels, wanted)
    needed = tuple(dict.fromkeys(channels.get(name, name) for name in wanted)) or None
    cohort = read_cohort(given["cases"], channels=needed, labels=given.get("labels"))
    return CohortInput(select(cohort, given.get("select")), channels, merge_pairs(given))


def model_channels(models: Sequence[Path]) -> tuple[str, ...]:
    """Names of all channels that the models take, in order of first appearance."""
    return tuple(dict.fromkeys(name for model in models for name in read_card(model).channels))


def check_channels(channels: Iterable[str], known: Sequence[str]) -> None:
    """Raise SettingsError for a channel that no model has."""
    for name in channels:
        if known and name not in known:
            raise SettingsError(
                f"--channel: the model has no channel {name!r}.", hint=f"It has: {', '.join(known)}."
            )


def channel_pairs(given: Given) -> dict[str, str]:
    """Model channel to what was given for it."""
    pairs = _pairs(given.get("channel", ()), "--channel", "MODEL=CASE")
    for name, value in pairs.items():
        if not value:
            raise SettingsError(f"--channel {name}= names no channel of the cases.")
    return pairs


def merge_pairs(given: Given) -> dict[str, str | None] | None:
    """Label to target label, None for unlabelled; None when nothing is merged."""
    if "merge" not in given:
        return None
    return {name: value or None for name, value in _pairs(given["merge"], "--merge", "LABEL=TARGET").items()}


def select(cohort: Cohort, names: Sequence[str] | None) -> Cohort:
    """The cohort with only the named cases, in the cohort's order; raises CaseError for an unknown name."""
    if names is None:
        return cohort
    known = [case.name for case in cohort.cases]
    unknown = [name for name in names if name not in known]
    if unknown:
        shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        raise CaseError(f"There is no case {unknown[0]!r}.", hint=f"The cases are: {shown}.")
    return replace(cohort, cases=tuple(case for case in cohort.cases if case.name in names))


def _pairs(texts: Iterable[str], option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise SettingsError(f"{option} {text} is not of the form {form}.")
        if name.strip() in pairs:
            raise SettingsError(f"{option} names {name.strip()!r} twice.")
        pairs[name.strip()] = value.strip()
    return pairs
