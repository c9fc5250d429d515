"""How fast this computer is with a model, for the estimate before an adaptation."""

from __future__ import annotations

import shutil

from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.adaptation.timing import measure_speed
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.requests import MeasureRequest


def measure(request: MeasureRequest, progress: Progress) -> Speed:
    """Time a few training steps and a prediction; nothing stays in the output folder.

    Raises:
        ModelError: see `open_model`. SettingsError, DeviceError: see `measure_speed`.
    """
    progress.stage("Timing training and prediction")
    model = open_model(request.model)
    scratch = request.output / "timing"
    scratch.mkdir(parents=True)
    try:
        return measure_speed(model, request.labels, request.settings, request.prediction, scratch, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
