"""Options of prediction, shared by every command that runs a model."""

from __future__ import annotations

import argparse
import dataclasses

from TransferRiskLib.cli.command import Given
from TransferRiskLib.inference.settings import PredictionSettings


def add_prediction(parser: argparse.ArgumentParser) -> None:
    """Add the options; every one is a field of `PredictionSettings`."""
    default = PredictionSettings()
    group = parser.add_argument_group("prediction", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--device",
        help=f"auto, cpu, cuda, cuda:N or mps (default {default.device}: the GPU where there is one)",
    )
    group.add_argument(
        "--overlap", type=float, metavar="SHARE",
        help=f"overlap of neighbouring windows, 0 to below 1 (default {default.overlap})",
    )  # fmt: skip
    group.add_argument(
        "--window-batch", dest="batch_size", type=int, metavar="N",
        help=f"windows a network pass (default {default.batch_size})",
    )  # fmt: skip
    group.add_argument("--mirror", action="store_true", help="average over all mirrorings (8 x slower)")
    group.add_argument(
        "--full-precision", dest="mixed_precision", action="store_false", help="no half precision on CUDA"
    )


def prediction_settings(given: Given) -> PredictionSettings:
    """The settings of the given options.

    Raises:
        SettingsError: a value out of range.
    """
    names = [field.name for field in dataclasses.fields(PredictionSettings)]
    return PredictionSettings(**{name: given[name] for name in names if name in given})
