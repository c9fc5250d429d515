"""`transferrisk segment`: segment one scan, or many, with a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cli.cohort_options import (
    add_cohort,
    channel_pairs,
    check_channels,
    cohort_input,
    model_channels,
)
from TransferRiskLib.cli.command import Command, Given, add_model, add_output
from TransferRiskLib.cli.exit_codes import SOME_FAILED
from TransferRiskLib.cli.prediction_options import add_prediction, prediction_settings
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.tasks.requests import CohortInput, SegmentRequest
from TransferRiskLib.tasks.results import SegmentResult


def _add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    add_model(parser, required)
    add_output(parser, required, "a folder of results a scan")
    parser.add_argument(
        "--probabilities", action="store_true", default=argparse.SUPPRESS, help="also write probabilities"
    )
    parser.add_argument(
        "--no-uncertainty", dest="uncertainty", action="store_false", default=argparse.SUPPRESS,
        help="no uncertainty map",
    )  # fmt: skip
    add_cohort(parser, False)
    add_prediction(parser)


def _request(given: Given) -> SegmentRequest:
    return SegmentRequest(
        model=given["model"],
        target=_target(given),
        output=given["output"],
        probabilities=given.get("probabilities", False),
        uncertainty=given.get("uncertainty", True),
        prediction=prediction_settings(given),
    )


def _target(given: Given) -> CohortInput:
    """The scans of `--cases`, or one scan given as a file for each channel."""
    if "cases" in given:
        return cohort_input(given, [given["model"]])
    wanted = model_channels([given["model"]])
    files = channel_pairs(given)
    check_channels(files, wanted)
    missing = [name for name in wanted if name not in files]
    if missing:
        raise SettingsError(
            f"No scan was given for the model's channel {missing[0]!r}.",
            hint=f"Give --cases PATH, or a file a channel: --channel {missing[0]}=FILE.",
        )
    images = {name: channel_file(files[name]) for name in wanted}
    return CohortInput(Cohort((Case(_scan_name(images[wanted[0]].path, wanted), images),)))


def channel_file(text: str) -> ChannelFile:
    """`FILE`, or `FILE#N` for component N, from 0, of a 4-D file."""
    name, sign, number = text.rpartition("#")
    if sign and number.isdecimal() and not Path(text).exists():
        return ChannelFile(Path(name), int(number))
    return ChannelFile(Path(text))


def _scan_name(path: Path, channels: Sequence[str]) -> str:
    # Both bring SimpleITK, which would slow down every `--help`.
    from TransferRiskLib.cases.case_names import split_channel
    from TransferRiskLib.volumes.io import image_stem

    return split_channel(image_stem(path), channels)[0]


def _show(result: SegmentResult) -> list[str]:
    done = [scan for scan in result.scans if scan.error is None]
    lines = [f"{scan.case}: {scan.segmentation or scan.labelmap}" for scan in done]
    lines += [f"{scan.case}: failed: {scan.error}" for scan in result.scans if scan.error is not None]
    return [*lines, f"{len(done)} of {len(result.scans)} scans segmented"]


def _exit_code(result: SegmentResult) -> int:
    return SOME_FAILED if any(scan.error is not None for scan in result.scans) else 0


COMMAND = Command(
    name="segment",
    help="segment one scan or a folder of them",
    description="Writes for every scan a label map, a .seg.nrrd with names and colours, and a map of "
    "uncertainty, on the grid of the scan. --cases also takes a single image file or a DICOM folder. "
    "Without --cases, give one scan as a file for each of the model's channels: --channel NAME=FILE, or "
    "FILE#N for component N of a 4-D file. A scan that fails is reported and does not stop the others.",
    examples="""examples:
  transferrisk segment adapted/bundle --cases scan.nii.gz --output result
  transferrisk segment adapted/bundle --channel T1=t1.nii.gz --channel FLAIR=flair.nii.gz -o result
  transferrisk segment adapted/bundle --cases new_scans --probabilities -o results""",
    task="TransferRiskLib.tasks.segment:segment",
    request_type=SegmentRequest,
    add_options=_add_options,
    request=_request,
    show=_show,
    exit_code=_exit_code,
)
