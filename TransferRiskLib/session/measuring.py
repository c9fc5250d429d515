"""How fast this computer is with a model: the job that measures it, and where that is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.adaptation.speed import Speed
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.desk import Desk, Settings, prediction_settings
from TransferRiskLib.session.estimating import weights_bytes
from TransferRiskLib.session.exchange_plan import ExchangePlan
from TransferRiskLib.tasks.requests import MeasureRequest
from TransferRiskLib.wording import wording

_ = wording(__name__)

_SPEEDS = "TrainingSpeed"


class Measure(ExchangePlan):
    """Times training and prediction with the chosen model on the chosen device.

    Args:
        desk: Scene, settings, state.
        labels: The labels to segment.
        settings: Of the adaptation.
        keep: Takes what was measured.
    """

    task, worker_task, result_type = "measure", "measure", Speed

    def __init__(
        self,
        desk: Desk,
        labels: LabelScheme,
        settings: AdaptationSettings,
        keep: Callable[[Speed], None],
    ) -> None:
        super().__init__(desk)
        self._labels, self._settings, self._keep = labels, settings, keep
        self._model = desk.state.model_path()

    @property
    def title(self) -> str:
        return _("Measuring the speed")

    def prepare(self) -> Generator[str, None, MeasureRequest]:
        folder = self.folder.folder()
        return MeasureRequest(self._model, self._labels, folder, self._settings, self.prediction)
        yield ""

    def apply(self, result: Any) -> Iterator[str]:
        remember_speed(self.desk.settings, self._model, self.prediction.device, result)
        self._keep(result)
        yield _("Speed")


def remember_speed(store: Settings, model: Path, device: str, speed: Speed) -> None:
    """Keep what was measured with a model on a device, as it was chosen, for the estimates to come."""
    speeds = _speeds(store)
    speeds[_key(model, device)] = to_json(speed)
    store.set(_SPEEDS, json.dumps(speeds))


def measured_speed(store: Settings, model: Path) -> Speed | None:
    """What was measured with such a model on the chosen device; None before."""
    try:
        return from_json(Speed, _speeds(store).get(_key(model, prediction_settings(store).device)))
    except SettingsError:
        return None


def _key(model: Path, device: str) -> str:
    return f"{device} {weights_bytes(model):.0f}"


def _speeds(store: Settings) -> dict[str, Any]:
    try:
        value = json.loads(store.get(_SPEEDS) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
